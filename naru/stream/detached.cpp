#include <naru/stream/detached.hpp>

#include <naru/loop/environment.hpp>

namespace naru::detail {

namespace {

constexpr descriptor_kind kind_of(socket_use wanted) noexcept {
    switch (wanted) {
        case socket_use::tcp_stream:
        case socket_use::unix_stream:
            return descriptor_kind::stream;
        case socket_use::tcp_listener:
        case socket_use::unix_listener:
            return descriptor_kind::listener;
        case socket_use::udp_socket:
            break;
    }
    return descriptor_kind::datagram;
}

}  // namespace

result<handle> adopt(loop& into, detached&& from, socket_use wanted) noexcept {
    if (auto fits = environment::current().check_adopted(from.descriptor.get(), wanted); !fits) {
        from.descriptor.reset();
        return fail(fits.error());
    }
    return into.attach(from.descriptor.release(), kind_of(wanted), ownership::shared, std::move(from.ahead));
}

result<handle> adopt(loop& into, unique_descriptor&& from, socket_use wanted) noexcept {
    unique_descriptor taken = std::move(from);
    if (auto fits = environment::current().check_adopted(taken.get(), wanted); !fits)
        return fail(fits.error());
    if (kind_of(wanted) == descriptor_kind::stream) {
        if (auto connected = environment::current().check_connected(taken.get()); !connected)
            return fail(connected.error());
    }
    return into.attach(taken.release(), kind_of(wanted), ownership::shared);
}

}  // namespace naru::detail
