#include <load/target.hpp>

#include <naru/backend/choose_backend.hpp>
#include <naru/loop/loop.hpp>
#include <naru/os/os_sockets.hpp>
#include <naru/os/socket.hpp>

#include <cstring>

namespace naru::load {

int bind_source(int socket, const address& source) noexcept {
    (void)socket_options::bind_without_port(socket);  // without it the port is taken here: dearer, no worse
    if (::bind(socket, static_cast<const sockaddr*>(source.data()), source.size()) == 0) return 0;
    return last_socket_error();
}

bool is_loopback(const address& target) noexcept {
    if (target.family() == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, target.data(), sizeof four);
        return (ntohl(four.sin_addr.s_addr) >> 24) == 127;
    }
    sockaddr_in6 six{};
    std::memcpy(&six, target.data(), sizeof six);
    return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
}

bool is_local(const address& target) noexcept {
    if (is_loopback(target)) return true;
    sockaddr_storage there{};
    std::memcpy(&there, target.data(), target.size());
    if (target.family() == AF_INET) {
        reinterpret_cast<sockaddr_in&>(there).sin_port = 0;
    } else {
        reinterpret_cast<sockaddr_in6&>(there).sin6_port = 0;
    }
    const auto source = address::of(&there, target.size());
    const auto trial = stream_socket_for(target);
    return source && trial && bind_source(trial->get(), *source) == 0;
}

// One connect in a loop of its own, on the engine that is cheap to make.
result<void> probe(const address& target, duration limit) {
    loop on(choose_backend(engine::poll));
    auto made = stream_socket_for(target);
    if (!made) return fail(made.error());
    const auto socket = on.attach(made->release(), descriptor_kind::socket, ownership::own);
    if (!socket) return fail(socket.error());
    operation connecting(operation_kind::connect, [](operation&) noexcept {});
    connecting.target = *socket;
    connecting.address = target.data();
    connecting.count = target.size();
    const instant end = saturating_add(clock::now(), limit);
    timer awakening([](timer&) noexcept {});
    on.arm(awakening, end);
    on.submit(connecting);
    on.run_until([&] {
        if (clock::now() >= end) on.cancel(connecting);
        return connecting.idle();
    });
    on.disarm(awakening);
    on.close(*socket);
    if (!connecting.failed()) return {};
    return connecting.result == outcome::canceled ? fail_errno(ETIMEDOUT) : fail(connecting.error());
}

}  // namespace naru::load
