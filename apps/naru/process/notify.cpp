#include "notify.hpp"

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <ctime>

namespace naru::program {

namespace {

std::optional<long long> number_in(const char* variable) noexcept {
    const char* const text = std::getenv(variable);
    if (text == nullptr) return std::nullopt;
    const char* const end = text + std::strlen(text);
    long long value = 0;
    const auto [after, error] = std::from_chars(text, end, value);
    if (error != std::errc() || after != end || value <= 0) return std::nullopt;
    return value;
}

}  // namespace

void notify_manager(std::string_view lines) noexcept {
    const char* const path = std::getenv("NOTIFY_SOCKET");
    if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    const std::size_t size = std::strlen(path);
    if (size >= sizeof to.sun_path) return;
    std::memcpy(to.sun_path, path, size);
    if (path[0] == '@') to.sun_path[0] = '\0';
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return;
    (void)::sendto(socket, lines.data(), lines.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                   reinterpret_cast<const sockaddr*>(&to),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size));
    ::close(socket);
}

void notify_reloading() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    char text[64] = "RELOADING=1\nMONOTONIC_USEC=";
    const std::size_t size = std::strlen(text);
    const long long micros = static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
    const auto [end, error] = std::to_chars(text + size, text + sizeof text, micros);
    if (error == std::errc()) notify_manager({text, static_cast<std::size_t>(end - text)});
}

std::optional<std::chrono::microseconds> watchdog_interval() noexcept {
    const auto interval = number_in("WATCHDOG_USEC");
    if (!interval) return std::nullopt;
    const auto process = number_in("WATCHDOG_PID");
    if (process && *process != ::getpid()) return std::nullopt;
    return std::chrono::microseconds(*interval);
}

}  // namespace naru::program
