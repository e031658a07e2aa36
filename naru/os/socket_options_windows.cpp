#include <naru/os/os_sockets.hpp>
#include <naru/os/socket_options.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>

namespace naru::socket_options {

namespace {

// Where mingw-w64's headers have no name for an option, the value is from the Windows SDK's ws2ipdef.h.
constexpr int tcp_keepidle = 3;
constexpr int tcp_maxrt = 5;
constexpr int tcp_fastopen = 15;
constexpr int tcp_keepcnt = 16;
constexpr int tcp_keepintvl = 17;

result<void> set(int socket, int level, int option, int value) noexcept {
    if (socket < 0) return fail_errno(EBADF);
    if (setsockopt(windows::socket_of(socket), level, option, reinterpret_cast<const char*>(&value),
                   sizeof value) == 0)
        return {};
    return fail_errno(last_socket_error());
}

result<int> get(int socket, int level, int option) noexcept {
    if (socket < 0) return fail_errno(EBADF);
    int value = 0;  // some options fill one byte of it
    int size = sizeof value;
    if (getsockopt(windows::socket_of(socket), level, option, reinterpret_cast<char*>(&value), &size) == 0)
        return value;
    return fail_errno(last_socket_error());
}

// What an option has no room for is as much as it has: the system takes that, or says that it is too much.
int whole(std::int64_t count) noexcept {
    using limits = std::numeric_limits<int>;
    return static_cast<int>(std::clamp<std::int64_t>(count, limits::min(), limits::max()));
}

result<bool> is_set(const result<int>& value) noexcept {
    if (!value) return fail(value.error());
    return *value != 0;
}

// Whether `socket` is one at all: what has no equivalent here is still an error of its own on a bad
// descriptor.
result<void> unsupported(int socket) noexcept {
    if (const auto type = get(socket, SOL_SOCKET, SO_TYPE); !type) return fail(type.error());
    return fail_errno(ENOTSUP);
}

}  // namespace

result<void> set_no_delay(int socket, bool on) noexcept { return set(socket, IPPROTO_TCP, TCP_NODELAY, on); }
result<bool> no_delay(int socket) noexcept { return is_set(get(socket, IPPROTO_TCP, TCP_NODELAY)); }

result<void> set_keep_alive(int socket, const keep_alive_settings& settings) noexcept {
    struct assignment {
        int level;
        int option;
        int value;
    };
    if (settings.idle.count() < 1 || settings.interval.count() < 1 || settings.count < 1)
        return fail_errno(EINVAL);
    // The switch last: probes never run with half of the settings.
    for (const assignment& each :
         {assignment{IPPROTO_TCP, tcp_keepidle, whole(settings.idle.count())},
          assignment{IPPROTO_TCP, tcp_keepintvl, whole(settings.interval.count())},
          assignment{IPPROTO_TCP, tcp_keepcnt, settings.count}, assignment{SOL_SOCKET, SO_KEEPALIVE, 1}}) {
        if (auto done = set(socket, each.level, each.option, each.value); !done) return done;
    }
    return {};
}

result<void> set_keep_alive_off(int socket) noexcept { return set(socket, SOL_SOCKET, SO_KEEPALIVE, 0); }

result<std::optional<keep_alive_settings>> keep_alive(int socket) noexcept {
    const auto on = get(socket, SOL_SOCKET, SO_KEEPALIVE);
    if (!on) return fail(on.error());
    if (*on == 0) return std::optional<keep_alive_settings>();
    const auto idle = get(socket, IPPROTO_TCP, tcp_keepidle);
    const auto interval = get(socket, IPPROTO_TCP, tcp_keepintvl);
    const auto count = get(socket, IPPROTO_TCP, tcp_keepcnt);
    for (const auto* each : {&idle, &interval, &count}) {
        if (!*each) return fail(each->error());
    }
    keep_alive_settings settings;
    settings.idle = std::chrono::seconds(*idle);
    settings.interval = std::chrono::seconds(*interval);
    settings.count = *count;
    return std::optional(settings);
}

// TCP_MAXRT counts seconds.
result<void> set_user_timeout(int socket, std::chrono::milliseconds limit) noexcept {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(limit).count();
    return set(socket, IPPROTO_TCP, tcp_maxrt, whole(seconds));
}
result<std::chrono::milliseconds> user_timeout(int socket) noexcept {
    const auto value = get(socket, IPPROTO_TCP, tcp_maxrt);
    if (!value) return fail(value.error());
    return std::chrono::seconds(*value);
}

result<void> set_send_buffer(int socket, int bytes) noexcept {
    return set(socket, SOL_SOCKET, SO_SNDBUF, bytes);
}
result<int> send_buffer(int socket) noexcept { return get(socket, SOL_SOCKET, SO_SNDBUF); }
result<void> set_receive_buffer(int socket, int bytes) noexcept {
    return set(socket, SOL_SOCKET, SO_RCVBUF, bytes);
}
result<int> receive_buffer(int socket) noexcept { return get(socket, SOL_SOCKET, SO_RCVBUF); }

result<void> set_ipv6_only(int socket, bool on) noexcept {
    return set(socket, IPPROTO_IPV6, IPV6_V6ONLY, on);
}

result<void> set_broadcast(int socket, bool on) noexcept { return set(socket, SOL_SOCKET, SO_BROADCAST, on); }
result<bool> broadcast(int socket) noexcept { return is_set(get(socket, SOL_SOCKET, SO_BROADCAST)); }

// On or off: how many may be pending is the system's.
result<void> set_fast_open(int listener, int queue) noexcept {
    return set(listener, IPPROTO_TCP, tcp_fastopen, queue > 0 ? 1 : 0);
}
result<int> fast_open(int listener) noexcept { return get(listener, IPPROTO_TCP, tcp_fastopen); }

result<void> set_defer_accept(int listener, std::chrono::seconds /*limit*/) noexcept {
    return unsupported(listener);
}
result<std::chrono::seconds> defer_accept(int listener) noexcept {
    const auto refused = unsupported(listener);
    return fail(refused.error());
}

// A restart is not kept waiting by old connections anyway, and the option of this name would let any process
// of this user share the port unasked.
result<void> set_reuse_address(int socket, bool /*on*/) noexcept {
    const auto type = get(socket, SOL_SOCKET, SO_TYPE);
    if (!type) return fail(type.error());
    return {};
}
result<void> set_reuse_port(int socket, bool /*on*/) noexcept { return unsupported(socket); }
result<bool> reuse_port(int socket) noexcept {
    const auto refused = unsupported(socket);
    return fail(refused.error());
}

result<void> bind_without_port(int /*socket*/) noexcept { return {}; }

cork_scope::cork_scope(int socket) noexcept : socket_(socket), status_(unsupported(socket)) {}
cork_scope::~cork_scope() { static_cast<void>(socket_); }  // nothing was set
result<bool> corked(int socket) noexcept {
    const auto refused = unsupported(socket);
    return fail(refused.error());
}

}  // namespace naru::socket_options
