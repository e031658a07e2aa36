#include <naru/net/unix_listener.hpp>

namespace naru {

result<unix_listener> unix_listener::bind(loop& on, const unix_address& where,
                                          const unix_listen_options& options) noexcept {
    auto made = listen_on(where, options);
    if (!made) return fail(made.error());
    const auto attached = on.attach(made->release(), descriptor_kind::listener, ownership::own);
    if (!attached) return fail(attached.error());
    return unix_listener(on, *attached);
}

result<unix_listener> unix_listener::bind(loop& on, std::string_view where,
                                          const unix_listen_options& options) noexcept {
    const auto parsed = unix_address::parse(where);
    if (!parsed) return fail(parsed.error());
    return bind(on, *parsed, options);
}

result<unix_listener> unix_listener::adopt(loop& into, detached from) noexcept {
    const auto adopted = detail::adopt(into, std::move(from), socket_use::unix_listener);
    if (!adopted) return fail(adopted.error());
    return unix_listener(into, *adopted);
}

result<unix_listener> unix_listener::adopt(loop& into, unique_descriptor from) noexcept {
    const auto adopted = detail::adopt(into, std::move(from), socket_use::unix_listener);
    if (!adopted) return fail(adopted.error());
    return unix_listener(into, *adopted);
}

}  // namespace naru
