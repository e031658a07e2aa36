// Forwards TCP connections with splice(2): tcp_forwarder FROM TO [ENGINE], e.g. 127.0.0.1:9000 127.0.0.1:8080
#include <naru/naru.hpp>

#include <cstdio>
#include <string>

namespace {

naru::task<> connection(naru::loop& loop, naru::tcp_stream client, naru::address target) {
    auto server = co_await naru::tcp_stream::connect(loop, target);
    if (!server) co_return;
    auto there = naru::splice_pipe::make();
    auto back = naru::splice_pipe::make();
    const bool by_splice = there && back;
    (void)co_await naru::forward_both(client, *server, by_splice ? &*there : nullptr,
                                      by_splice ? &*back : nullptr);
}

naru::task<> serve(naru::loop& loop, naru::tcp_listener listener, naru::address target) {
    co_await naru::with_supervisor(
        [&](naru::task_group& connections) -> naru::task<> {
            while (auto client = co_await listener.accept())
                connections.spawn(connection(loop, std::move(*client), target));
        },
        naru::print_failure);
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 3) throw std::runtime_error("usage: tcp_forwarder FROM TO [ENGINE]");
    const auto engine = naru::engine_named(argc > 3 ? argv[3] : "auto");
    const auto target = naru::address::parse(argv[2]);
    if (!engine || !target) throw std::runtime_error("usage: tcp_forwarder FROM TO [ENGINE]");
    naru::loop loop(naru::choose_backend(*engine));
    auto listener = naru::tcp_listener::bind(loop, argv[1]);
    if (!listener) throw std::system_error(listener.error(), std::string("cannot listen on ") + argv[1]);
    std::printf("listening on %s\n", listener->local_address()->text().c_str());
    std::fflush(stdout);
    naru::run(loop, serve(loop, std::move(*listener), *target));
} catch (const std::exception& error) {
    std::fprintf(stderr, "tcp_forwarder: %s\n", error.what());
    return 1;
}
