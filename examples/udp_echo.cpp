// An echo server for datagrams: udp_echo [PORT [ENGINE]]
#include <naru/naru.hpp>

#include <array>
#include <cstdio>
#include <string>

namespace {

naru::task<std::error_code> echo(naru::udp_socket socket) {
    std::array<std::byte, 65536> memory;  // no datagram is larger
    while (true) {
        auto got = co_await socket.receive_from(memory);
        if (!got) co_return got.error();
        // An answer that cannot be sent concerns its peer only: a datagram may be lost anyway.
        (void)co_await socket.send_to(got->bytes, got->peer);
    }
}

}  // namespace

int main(int argc, char** argv) try {
    const std::string where = std::string("127.0.0.1:") + (argc > 1 ? argv[1] : "7777");
    const auto engine = naru::engine_named(argc > 2 ? argv[2] : "auto");
    if (!engine || !naru::address::parse(where)) throw std::runtime_error("usage: udp_echo [PORT [ENGINE]]");
    naru::loop loop(naru::choose_backend(*engine));
    auto socket = naru::udp_socket::bind(loop, where);
    if (!socket) throw std::system_error(socket.error(), "cannot bind to " + where);
    std::printf("receiving on %s\n", socket->local_address()->text().c_str());
    std::fflush(stdout);
    throw std::system_error(naru::run(loop, echo(std::move(*socket))), "cannot receive");
} catch (const std::exception& error) {
    std::fprintf(stderr, "udp_echo: %s\n", error.what());
    return 1;
}
