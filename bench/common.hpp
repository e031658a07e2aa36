// What the programs of this directory share: ending with one clear line, reading numbers, a TCP listener.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace bench {

/// Prints one line to standard error and ends the process with status 1.
[[noreturn, gnu::format(printf, 1, 2)]] inline void die(const char* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    std::vfprintf(stderr, format, arguments);
    va_end(arguments);
    std::fputc('\n', stderr);
    std::exit(1);
}

/// `result`, or the end of the process with `what` and the reason in errno.
template <class Integer>
Integer check(Integer result, const char* what) {
    if (result < 0) die("%s: %s", what, std::strerror(errno));
    return result;
}

/// A whole decimal number in [minimum, maximum], or the end of the process.
inline long parse_number(const char* text, const char* what, long minimum, long maximum) {
    char* end = nullptr;
    errno = 0;
    const long value = std::strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < minimum || value > maximum) {
        die("%s: expected a number from %ld to %ld, got '%s'", what, minimum, maximum, text);
    }
    return value;
}

/// Raises the soft limit of open descriptors to the hard one and returns it.
inline std::size_t raise_descriptor_limit() {
    rlimit limit{};
    check(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    return limit.rlim_cur;
}

inline void set_option(int descriptor, int level, int option, int value, const char* what) {
    check(::setsockopt(descriptor, level, option, &value, sizeof value), what);
}

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// A listening socket on 127.0.0.1. TCP_NODELAY is set here once: Linux hands it on to accepted sockets.
inline int listen_on(std::uint16_t port, int type_flags) {
    const int listener = check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0), "socket");
    set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
    set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    const sockaddr_in address = loopback(port);
    check(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
    check(::listen(listener, SOMAXCONN), "listen");
    return listener;
}

}  // namespace bench
