// An echo server with coroutines: echo_coroutine [PORT [ENGINE]]
#include <naru/naru.hpp>

#include <cstdio>
#include <string>

// [readme]
naru::task<> echo(naru::tcp_stream peer) {
    while (auto data = co_await peer.receive()) {
        if (!co_await peer.send(*data)) break;
    }
}

naru::task<> serve(naru::tcp_listener listener) {
    co_await naru::with_supervisor(
        [&](naru::task_group& clients) -> naru::task<> {
            while (auto peer = co_await listener.accept())
                clients.spawn(echo(std::move(*peer)));
        },
        naru::print_failure);
}
// [readme]

int main(int argc, char** argv) try {
    const std::string where = std::string("127.0.0.1:") + (argc > 1 ? argv[1] : "7777");
    const auto engine = naru::engine_named(argc > 2 ? argv[2] : "auto");
    if (!engine || !naru::address::parse(where))
        throw std::runtime_error("usage: echo_coroutine [PORT [ENGINE]]");
    naru::loop loop(naru::choose_backend(*engine));
    auto listener = naru::tcp_listener::bind(loop, where);
    if (!listener) throw std::system_error(listener.error(), "cannot listen on " + where);
    std::printf("listening on %s\n", listener->local_address()->text().c_str());
    std::fflush(stdout);
    naru::run(loop, serve(std::move(*listener)));
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "echo_coroutine: %s\n", error.what());
    return 1;
}
