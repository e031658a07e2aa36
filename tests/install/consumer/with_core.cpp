// An echo between two coroutines, over TCP.
#include <naru/naru.hpp>

#include <cstdio>
#include <string>

namespace {

naru::task<> echo(naru::tcp_stream peer) {
    while (auto data = co_await peer.receive()) {
        if (!co_await peer.send(*data)) break;
    }
}

naru::task<> serve_one(naru::tcp_listener listener) {
    if (auto peer = co_await listener.accept()) co_await echo(std::move(*peer));
}

naru::task<bool> ask(naru::loop& on, naru::address where) {
    auto stream = co_await naru::tcp_stream::connect(on, where);
    if (!stream || !co_await stream->send(std::string("ferry"))) co_return false;
    std::string got;
    while (got.size() < 5) {
        auto data = co_await stream->receive();
        if (!data) co_return false;
        got += data->text();
    }
    co_return got == "ferry";
}

naru::task<bool> talk(naru::loop& on) {
    auto listener = naru::tcp_listener::bind(on, "127.0.0.1:0");
    if (!listener) co_return false;
    const naru::address where = *listener->local_address();
    auto [nothing, heard] = co_await naru::when_all(serve_one(std::move(*listener)), ask(on, where));
    (void)nothing;
    co_return heard;
}

}  // namespace

int main() {
    naru::loop loop(naru::choose_backend());
    const bool works = naru::run(loop, talk(loop));
    std::puts(works ? "core works" : "core does not work");
    return works ? 0 : 1;
}
