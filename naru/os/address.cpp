#include <naru/os/address.hpp>

#include <naru/os/os_sockets.hpp>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace naru {

static_assert(sizeof(sockaddr_in6) == 28 && sizeof(address) == 32);

namespace {

// The number of an interface. 0, and an error, if there is none.
result<std::uint32_t> zone_of(std::string_view text) noexcept {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
#if defined(_WIN32)
    return fail_errno(EINVAL);
#else
    char name[IF_NAMESIZE] = {};
    if (text.empty() || text.size() >= sizeof name) return fail_errno(EINVAL);
    std::memcpy(name, text.data(), text.size());
    number = if_nametoindex(name);
    if (number == 0) return fail_errno(ENODEV);
    return number;
#endif
}

std::string zone_text(std::uint32_t number) {
#if !defined(_WIN32)
    char name[IF_NAMESIZE] = {};
    if (if_indextoname(number, name) != nullptr) return name;
#endif
    return std::to_string(number);
}

result<sockaddr_in6> parse_ipv6(std::string_view host) noexcept {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    if (const std::size_t percent = host.find('%'); percent != std::string_view::npos) {
        const auto zone = zone_of(host.substr(percent + 1));
        if (!zone) return fail(zone.error());
        six.sin6_scope_id = *zone;
        host = host.substr(0, percent);
    }
    char terminated[INET6_ADDRSTRLEN] = {};
    if (host.size() >= sizeof terminated) return fail_errno(EINVAL);
    std::memcpy(terminated, host.data(), host.size());
    if (inet_pton(AF_INET6, terminated, &six.sin6_addr) != 1) return fail_errno(EINVAL);
    return six;
}

result<sockaddr_in> parse_ipv4(std::string_view host) noexcept {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    if (host == "localhost") host = "127.0.0.1";
    char terminated[INET_ADDRSTRLEN] = {};
    if (host.size() >= sizeof terminated) return fail_errno(EINVAL);
    std::memcpy(terminated, host.data(), host.size());
    if (inet_pton(AF_INET, terminated, &four.sin_addr) != 1) return fail_errno(EINVAL);
    return four;
}

}  // namespace

result<address> address::parse(std::string_view text) noexcept {
    const std::size_t colon = text.rfind(':');
    // A NUL would end what the system reads before what was written.
    if (colon == std::string_view::npos || text.find('\0') != std::string_view::npos)
        return fail_errno(EINVAL);
    const std::string_view digits = text.substr(colon + 1);
    const std::string_view host = text.substr(0, colon);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size()) return fail_errno(EINVAL);

    const bool every = host.empty() || host == "*";
    if (every || (host.size() >= 2 && host.front() == '[' && host.back() == ']')) {
        auto six = parse_ipv6(every ? "::" : host.substr(1, host.size() - 2));
        if (!six) return fail(six.error());
        six->sin6_port = htons(port);
        auto made = of(&*six, sizeof *six);
        if (made) made->every_ = every;
        return made;
    }
    auto four = parse_ipv4(host);
    if (!four) return fail(four.error());
    four->sin_port = htons(port);
    return of(&*four, sizeof *four);
}

address address::every_ipv4() const noexcept {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(port());
    address made;
    std::memcpy(made.storage_.data(), &four, sizeof four);
    made.size_ = sizeof four;
    return made;
}

result<address> address::of(const void* sockaddr_bytes, std::uint32_t size) noexcept {
    address made;
    if (size != sizeof(sockaddr_in) && size != sizeof(sockaddr_in6)) return fail_errno(EAFNOSUPPORT);
    std::memcpy(made.storage_.data(), sockaddr_bytes, size);
    made.size_ = static_cast<std::uint8_t>(size);
    const bool fits = made.family() == (size == sizeof(sockaddr_in) ? AF_INET : AF_INET6);
    if (!fits) return fail_errno(EAFNOSUPPORT);
    return made;
}

result<address> address::local_of(int socket) noexcept { return ask_name<address>(socket, ::getsockname); }

result<address> address::peer_of(int socket) noexcept { return ask_name<address>(socket, ::getpeername); }

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

namespace {

/// Host and port in the system's form, and the zone; without what may differ for the same peer.
struct host_and_port {
    std::string_view host;
    std::uint16_t port = 0;
    std::uint32_t zone = 0;
    bool operator==(const host_and_port&) const = default;
};
host_and_port place_of(const address& of) noexcept {
    const char* const bytes = static_cast<const char*>(of.data());
    if (of.family() == AF_INET) return {{bytes + offsetof(sockaddr_in, sin_addr), 4}, of.port()};
    if (of.family() != AF_INET6) return {};
    host_and_port found{{bytes + offsetof(sockaddr_in6, sin6_addr), 16}, of.port()};
    std::memcpy(&found.zone, bytes + offsetof(sockaddr_in6, sin6_scope_id), sizeof found.zone);
    return found;
}

}  // namespace

bool address::operator==(const address& other) const noexcept { return place_of(*this) == place_of(other); }

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
        std::uint32_t zone = 0;
        std::memcpy(&zone, storage_.data() + offsetof(sockaddr_in6, sin6_scope_id), sizeof zone);
        if (zone != 0) return std::string(text) + '%' + zone_text(zone);
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

std::size_t std::hash<naru::address>::operator()(const naru::address& of) const noexcept {
    const naru::host_and_port where = naru::place_of(of);
    return std::hash<std::string_view>()(where.host) * 31 + where.port + where.zone;
}
