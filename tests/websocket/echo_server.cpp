// An echo of WebSocket messages: websocket_echo_server [ADDRESS:PORT [ENGINE [THREADS]]]
#include "accepting.hpp"

#include <naru/naru.hpp>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace {

naru::task<> serve(naru::tcp_stream client, std::shared_ptr<const naru::websocket::options> with) {
    co_await naru::websocket::attend(
        co_await naru::testing::accept_websocket(std::move(client), std::move(with)),
        naru::testing::echo_messages);
}

}  // namespace

int main(int argc, char** argv) try {
    auto options = std::make_shared<naru::websocket::options>();
    options->message_limit = 32 * 1024 * 1024;
    options->deflate.enabled = true;
    const auto engine = naru::engine_named(argc > 2 ? argv[2] : "auto");
    const auto where = naru::address::parse(argc > 1 ? argv[1] : "127.0.0.1:0");
    if (!engine || !where) throw std::runtime_error("usage: ADDRESS:PORT ENGINE THREADS");
    const unsigned threads = argc > 3 ? static_cast<unsigned>(std::strtoul(argv[3], nullptr, 10)) : 1;
    naru::loop_group loops(threads, *engine);
    auto local =
        loops.serve(*where, [options](naru::tcp_stream client) { return serve(std::move(client), options); });
    if (!local) throw std::system_error(local.error(), "cannot listen");
    std::printf("listening on %s\n", local->text().c_str());
    std::fflush(stdout);
    loops.join();
} catch (const std::exception& error) {
    std::fprintf(stderr, "websocket_echo_server: %s\n", error.what());
    return 1;
}
