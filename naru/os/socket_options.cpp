#include <naru/os/socket_options.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <limits>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace naru::socket_options {

namespace {

result<void> set(int socket, int level, int option, int value) noexcept {
    if (setsockopt(socket, level, option, &value, sizeof value) == 0) return {};
    return fail_errno(errno);
}

result<int> get(int socket, int level, int option) noexcept {
    int value = 0;
    socklen_t size = sizeof value;
    if (getsockopt(socket, level, option, &value, &size) == 0) return value;
    return fail_errno(errno);
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

#if defined(TCP_CORK)
constexpr int cork_option = TCP_CORK;
#else
constexpr int cork_option = TCP_NOPUSH;
#endif

}  // namespace

result<void> set_no_delay(int socket, bool on) noexcept { return set(socket, IPPROTO_TCP, TCP_NODELAY, on); }
result<bool> no_delay(int socket) noexcept { return is_set(get(socket, IPPROTO_TCP, TCP_NODELAY)); }

result<void> set_keep_alive(int socket, const keep_alive_settings& settings) noexcept {
    struct assignment {
        int level;
        int option;
        int value;
    };
    // The switch last: probes never run with half of the settings.
    for (const assignment& each :
         {assignment{IPPROTO_TCP, TCP_KEEPIDLE, whole(settings.idle.count())},
          assignment{IPPROTO_TCP, TCP_KEEPINTVL, whole(settings.interval.count())},
          assignment{IPPROTO_TCP, TCP_KEEPCNT, settings.count}, assignment{SOL_SOCKET, SO_KEEPALIVE, 1}}) {
        if (auto done = set(socket, each.level, each.option, each.value); !done) return done;
    }
    return {};
}

result<void> set_keep_alive_off(int socket) noexcept { return set(socket, SOL_SOCKET, SO_KEEPALIVE, 0); }

result<std::optional<keep_alive_settings>> keep_alive(int socket) noexcept {
    const auto on = get(socket, SOL_SOCKET, SO_KEEPALIVE);
    if (!on) return fail(on.error());
    if (*on == 0) return std::optional<keep_alive_settings>();
    const auto idle = get(socket, IPPROTO_TCP, TCP_KEEPIDLE);
    const auto interval = get(socket, IPPROTO_TCP, TCP_KEEPINTVL);
    const auto count = get(socket, IPPROTO_TCP, TCP_KEEPCNT);
    for (const auto* each : {&idle, &interval, &count}) {
        if (!*each) return fail(each->error());
    }
    keep_alive_settings settings;
    settings.idle = std::chrono::seconds(*idle);
    settings.interval = std::chrono::seconds(*interval);
    settings.count = *count;
    return std::optional(settings);
}

result<void> set_user_timeout(int socket, std::chrono::milliseconds limit) noexcept {
    return set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, whole(limit.count()));
}

result<std::chrono::milliseconds> user_timeout(int socket) noexcept {
    const auto value = get(socket, IPPROTO_TCP, TCP_USER_TIMEOUT);
    if (!value) return fail(value.error());
    return std::chrono::milliseconds(*value);
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

result<void> set_fast_open(int listener, int queue) noexcept {
    return set(listener, IPPROTO_TCP, TCP_FASTOPEN, queue);
}
result<int> fast_open(int listener) noexcept { return get(listener, IPPROTO_TCP, TCP_FASTOPEN); }

result<void> set_defer_accept(int listener, std::chrono::seconds limit) noexcept {
    return set(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, whole(limit.count()));
}

result<std::chrono::seconds> defer_accept(int listener) noexcept {
    const auto value = get(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT);
    if (!value) return fail(value.error());
    return std::chrono::seconds(*value);
}

result<void> set_reuse_address(int socket, bool on) noexcept {
    return set(socket, SOL_SOCKET, SO_REUSEADDR, on);
}
result<void> set_reuse_port(int socket, bool on) noexcept {
    return set(socket, SOL_SOCKET, SO_REUSEPORT, on);
}
result<bool> reuse_port(int socket) noexcept { return is_set(get(socket, SOL_SOCKET, SO_REUSEPORT)); }

result<void> bind_without_port(int socket) noexcept {
#if defined(IP_BIND_ADDRESS_NO_PORT)
    return set(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
#else
    (void)socket;
    return {};
#endif
}

cork_scope::cork_scope(int socket) noexcept
    : socket_(socket), status_(set(socket, IPPROTO_TCP, cork_option, 1)) {}

cork_scope::~cork_scope() {
    if (status_) (void)set(socket_, IPPROTO_TCP, cork_option, 0);
}

result<bool> corked(int socket) noexcept { return is_set(get(socket, IPPROTO_TCP, cork_option)); }

}  // namespace naru::socket_options
