// The other side of a connection, as plain non-blocking system calls.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/net/address.hpp>
#include <naru/net/socket.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

namespace naru::testing {

inline int checked(int result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::system_category(), what);
    return result;
}

struct socket_pair {
    unique_descriptor ours;
    unique_descriptor peer;
};

/// A pair of connected stream sockets of the UNIX domain.
inline socket_pair local_pair() {
    int ends[2];
    checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), "socketpair");
    return {unique_descriptor(ends[0]), unique_descriptor(ends[1])};
}

inline unique_descriptor listening_socket(const listen_options& options = {}) {
    return listen_on(address::parse("127.0.0.1:0").value(), options).value();
}

inline unique_descriptor connect_to(const address& where, bool wait = true) {
    unique_descriptor made(checked(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    if (!wait) checked(::fcntl(made.get(), F_SETFL, O_NONBLOCK), "fcntl");
    const int result = ::connect(made.get(), static_cast<const sockaddr*>(where.data()), where.size());
    if (result < 0 && errno != EINPROGRESS) throw std::system_error(errno, std::system_category(), "connect");
    if (wait) checked(::fcntl(made.get(), F_SETFL, O_NONBLOCK), "fcntl");
    return made;
}

inline void set_buffer(int socket, int option, int bytes) {
    checked(::setsockopt(socket, SOL_SOCKET, option, &bytes, sizeof bytes), "setsockopt");
}

/// A connected pair over loopback TCP. `send_buffer`: bytes for our side's SO_SNDBUF, `receive_buffer` for
/// the peer's SO_RCVBUF (0: the system's).
inline socket_pair tcp_pair(int send_buffer = 0, int receive_buffer = 0) {
    const unique_descriptor listener = listening_socket();
    if (send_buffer > 0) set_buffer(listener.get(), SO_SNDBUF, send_buffer);
    socket_pair made;
    made.peer.reset(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    if (receive_buffer > 0) set_buffer(made.peer.get(), SO_RCVBUF, receive_buffer);
    const address where = address::local_of(listener.get()).value();
    checked(::connect(made.peer.get(), static_cast<const sockaddr*>(where.data()), where.size()), "connect");
    checked(::fcntl(made.peer.get(), F_SETFL, O_NONBLOCK), "fcntl");
    made.ours.reset(
        checked(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC), "accept"));
    return made;
}

/// Writes what fits; the number of bytes.
inline std::size_t write_some(int socket, std::string_view text) {
    std::size_t written = 0;
    while (written < text.size()) {
        const ssize_t step = ::send(socket, text.data() + written, text.size() - written, MSG_NOSIGNAL);
        if (step < 0 && errno == EINTR) continue;
        if (step < 0) break;
        written += static_cast<std::size_t>(step);
    }
    return written;
}

/// For short texts that must fit.
inline void write_all(int socket, std::string_view text) {
    if (write_some(socket, text) != text.size()) throw std::runtime_error("the peer's text does not fit");
}

/// What has come from a socket so far.
struct received_text {
    std::string data;
    bool ended = false;
    int error = 0;

    /// Reads at most `limit` bytes of what is there.
    std::size_t read_from(int socket, std::size_t limit = ~std::size_t{0}) {
        std::size_t total = 0;
        char chunk[16384];
        while (total < limit) {
            const std::size_t wanted = limit - total < sizeof chunk ? limit - total : sizeof chunk;
            const ssize_t got = ::recv(socket, chunk, wanted, 0);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0 && errno != EAGAIN) error = errno;
            if (got == 0) ended = true;
            if (got <= 0) break;
            data.append(chunk, static_cast<std::size_t>(got));
            total += static_cast<std::size_t>(got);
        }
        return total;
    }
};

/// Closes with a reset (RST) instead of an orderly end.
inline void reset_connection(unique_descriptor& socket) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    checked(::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now), "SO_LINGER");
    socket.reset();
}

/// Text in which a lost, doubled or moved piece shows.
inline std::string pattern(std::size_t size, std::uint32_t seed = 1) {
    std::string text(size, '\0');
    std::minstd_rand random(seed);
    for (char& each : text)
        each = static_cast<char>(random() >> 7);
    return text;
}

inline bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0; }

/// How many descriptors this process has open.
inline std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) throw std::runtime_error("no /proc/self/fd");
    while (::readdir(directory) != nullptr)
        ++count;
    ::closedir(directory);
    return count;
}

/// An unlinked file with this text.
inline unique_descriptor file_with(std::string_view text) {
    char name[] = "/tmp/naru-test-XXXXXX";
    unique_descriptor made(checked(::mkostemp(name, O_CLOEXEC), "mkostemp"));
    ::unlink(name);
    while (!text.empty()) {
        const ssize_t step = ::write(made.get(), text.data(), text.size());
        checked(static_cast<int>(step > 0 ? 0 : -1), "write");
        text.remove_prefix(static_cast<std::size_t>(step));
    }
    return made;
}

}  // namespace naru::testing
