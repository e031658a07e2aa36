#include <load/target.hpp>

#include <naru/backend/choose_backend.hpp>
#include <naru/loop/loop.hpp>
#include <naru/os/os_sockets.hpp>
#include <naru/os/socket.hpp>

#include <cerrno>
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

namespace {

void carry_out(loop& on, operation& op, instant end) {
    timer awakening([](timer&) noexcept {});
    on.arm(awakening, end);
    on.submit(op);
    on.run_until([&] {
        if (clock::now() >= end) on.cancel(op);
        return op.idle();
    });
    on.disarm(awakening);
}

std::error_code error_of(const operation& op) noexcept {
    if (!op.failed()) return {};
    return op.result == outcome::canceled ? std::error_code(ETIMEDOUT, errno_category()) : op.error();
}

// One connect.
result<handle> connect(loop& on, const address& target, instant end) {
    auto made = stream_socket_for(target);
    if (!made) return fail(made.error());
    const auto socket = on.attach(made->release(), descriptor_kind::socket, ownership::own);
    if (!socket) return fail(socket.error());
    connect_operation connecting([](operation&) noexcept {});
    connecting.set(*socket, target);
    carry_out(on, connecting, end);
    if (const std::error_code why = error_of(connecting)) {
        on.close(*socket);
        return fail(why);
    }
    return *socket;
}

}  // namespace

// In loops of their own, on the engine that is cheap to make.
result<void> probe(const address& target, duration limit) {
    loop on(choose_backend(engine::poll));
    const auto socket = connect(on, target, saturating_add(clock::now(), limit));
    if (!socket) return fail(socket.error());
    on.close(*socket);
    return {};
}

or_words<void> probe_tls(const address& target, const tls_options& with, duration limit) {
    loop on(choose_backend(engine::poll));
    const instant end = saturating_add(clock::now(), limit);
    const auto socket = connect(on, target, end);
    if (!socket) return std::unexpected(socket.error().message());
    tls_beginnings beginnings;
    const auto secured = beginnings.begin(on, *socket, with);
    if (!secured) return std::unexpected(secured.error().message());
    writable_operation ready([](operation&) noexcept {});
    ready.set(*secured);
    carry_out(on, ready, end);
    const std::error_code why = error_of(ready);
    const std::string words = tls_beginnings::why(on, *secured);
    const char* const lack = tls_beginnings::lacks(on, *secured, with);
    on.close(*secured);
    if (!why && lack != nullptr) return std::unexpected(lack);
    if (!why) return {};
    return std::unexpected(words.empty() ? why.message() : words);
}

}  // namespace naru::load
