#include <naru/net/tcp_listener.hpp>

namespace naru {

result<tcp_listener> tcp_listener::bind(loop& on, const address& where,
                                        const listen_options& options) noexcept {
    const auto opened = on.open_listener(where, options);
    if (!opened) return fail(opened.error());
    return tcp_listener(on, *opened);
}

result<tcp_listener> tcp_listener::bind(loop& on, std::string_view where,
                                        const listen_options& options) noexcept {
    const auto parsed = address::parse(where);
    if (!parsed) return fail(parsed.error());
    return bind(on, *parsed, options);
}

result<tcp_listener> tcp_listener::adopt(loop& into, detached from) noexcept {
    const auto adopted = detail::adopt(into, std::move(from), socket_use::tcp_listener);
    if (!adopted) return fail(adopted.error());
    return tcp_listener(into, *adopted);
}

result<tcp_listener> tcp_listener::adopt(loop& into, unique_descriptor from) noexcept {
    const auto adopted = detail::adopt(into, std::move(from), socket_use::tcp_listener);
    if (!adopted) return fail(adopted.error());
    return tcp_listener(into, *adopted);
}

}  // namespace naru
