#include <naru/net/tcp_listener.hpp>

namespace naru {

result<tcp_listener> tcp_listener::bind(loop& on, const address& where,
                                        const listen_options& options) noexcept {
    auto made = listen_on(where, options);
    if (!made) return fail(made.error());
    const auto attached = on.attach(made->release(), descriptor_kind::listener, ownership::own);
    if (!attached) return fail(attached.error());
    return tcp_listener(on, *attached);
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
