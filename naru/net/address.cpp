#include <naru/net/address.hpp>

#include <naru/net/os_sockets.hpp>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace naru {

static_assert(sizeof(sockaddr_in6) == 28);

result<address> address::parse(std::string_view text) noexcept {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return fail_errno(EINVAL);
    const std::string_view digits = text.substr(colon + 1);
    std::string_view host = text.substr(0, colon);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size()) return fail_errno(EINVAL);

    address made;
    if (host.empty() || host == "*") {
        sockaddr_in6 any{};
        any.sin6_family = AF_INET6;
        any.sin6_port = htons(port);
        std::memcpy(made.storage_.data(), &any, sizeof any);
        made.size_ = sizeof any;
        return made;
    }
    const bool bracketed = host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    char terminated[INET6_ADDRSTRLEN] = {};
    if (host.size() >= sizeof terminated) return fail_errno(EINVAL);
    std::memcpy(terminated, host.data(), host.size());
    sockaddr_in6 six{};
    if (bracketed && inet_pton(AF_INET6, terminated, &six.sin6_addr) == 1) {
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        std::memcpy(made.storage_.data(), &six, sizeof six);
        made.size_ = sizeof six;
        return made;
    }
    if (host == "localhost") std::memcpy(terminated, "127.0.0.1", 10);
    sockaddr_in four{};
    if (bracketed || inet_pton(AF_INET, terminated, &four.sin_addr) != 1) return fail_errno(EINVAL);
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    std::memcpy(made.storage_.data(), &four, sizeof four);
    made.size_ = sizeof four;
    return made;
}

result<address> address::of(const void* sockaddr_bytes, std::uint32_t size) noexcept {
    address made;
    if (size != sizeof(sockaddr_in) && size != sizeof(sockaddr_in6)) return fail_errno(EAFNOSUPPORT);
    std::memcpy(made.storage_.data(), sockaddr_bytes, size);
    made.size_ = size;
    const bool fits = made.family() == (size == sizeof(sockaddr_in) ? AF_INET : AF_INET6);
    if (!fits) return fail_errno(EAFNOSUPPORT);
    return made;
}

result<address> address::local_of(int socket) noexcept {
    if (socket < 0) return fail_errno(EBADF);
    address made;
    socklen_t size = static_cast<socklen_t>(made.storage_.size());
    if (getsockname(socket, reinterpret_cast<sockaddr*>(made.storage_.data()), &size) != 0)
        return fail_errno(last_socket_error());
    made.size_ = static_cast<std::uint32_t>(size);
    return made;
}

result<address> address::peer_of(int socket) noexcept {
    if (socket < 0) return fail_errno(EBADF);
    address made;
    socklen_t size = static_cast<socklen_t>(made.storage_.size());
    if (getpeername(socket, reinterpret_cast<sockaddr*>(made.storage_.data()), &size) != 0)
        return fail_errno(last_socket_error());
    made.size_ = static_cast<std::uint32_t>(size);
    return made;
}

int address::family() const noexcept {
    sockaddr header{};
    std::memcpy(&header, storage_.data(), sizeof header);
    return header.sa_family;
}

std::uint16_t address::port() const noexcept {
    std::uint16_t port = 0;  // at the same place in both families
    std::memcpy(&port, storage_.data() + offsetof(sockaddr_in, sin_port), sizeof port);
    return ntohs(port);
}

std::uint64_t address::network() const noexcept {
    const auto number = [this](std::size_t offset, std::size_t bytes) {
        std::uint64_t value = 0;
        for (std::size_t each = 0; each < bytes; ++each)
            value = value << 8 | std::to_integer<std::uint64_t>(storage_[offset + each]);
        return value;
    };
    constexpr std::uint64_t mapped = 0xffff'0000'0000;  // in the second half of ::ffff:0:0/96
    if (family() == AF_INET) return mapped | number(offsetof(sockaddr_in, sin_addr), 4);
    if (family() != AF_INET6) return 0;
    constexpr std::size_t first = offsetof(sockaddr_in6, sin6_addr);
    const std::uint64_t high = number(first, 8);
    const std::uint64_t low = number(first + 8, 8);
    return high == 0 && low >> 32 == mapped >> 32 ? low : high;
}

std::string address::host_text() const {
    char text[INET6_ADDRSTRLEN] = {};
    if (family() == AF_INET) {
        inet_ntop(AF_INET, storage_.data() + offsetof(sockaddr_in, sin_addr), text, sizeof text);
    } else if (family() == AF_INET6) {
        inet_ntop(AF_INET6, storage_.data() + offsetof(sockaddr_in6, sin6_addr), text, sizeof text);
    }
    const std::string host = text;
    // A client of a socket for both families: its IPv4 address is what it is known by.
    return host.starts_with("::ffff:") && host.find('.') != std::string::npos ? host.substr(7) : host;
}

std::string address::text() const {
    const std::string host = host_text();
    const std::string shown = host.find(':') != std::string::npos ? "[" + host + "]" : host;
    return shown + ":" + std::to_string(port());
}

}  // namespace naru
