// An echo server over TLS: tls_echo CHAIN.pem KEY.pem [PORT [ENGINE]]
//
// Talk to it by: openssl s_client -quiet -connect 127.0.0.1:7777
#include <naru/naru.hpp>
#include <naru/stream/tls/tls_stream.hpp>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <system_error>

namespace {

using secure_stream = naru::tls_stream<naru::tcp_stream>;

// Who does not finish the handshake within ten seconds is let go.
naru::task<naru::result<void>> echo(naru::tcp_stream peer, const naru::tls_context& context) {
    auto stream = co_await secure_stream::accept(std::move(peer), context);
    if (!stream) co_return naru::fail(stream.error());
    while (true) {
        const auto data = co_await stream->receive();
        if (!data && data.error() == naru::errc::end_of_stream) break;
        if (!data) co_return naru::fail(data.error());
        const auto sent = co_await stream->send(*data);
        if (!sent) co_return naru::fail(sent.error());
    }
    co_return co_await stream->close();
}

naru::task<> serve(naru::tcp_listener listener, const naru::tls_context& context) {
    auto accept = [&](naru::task_group& clients) -> naru::task<> {
        while (auto peer = co_await listener.accept())
            clients.spawn(echo(std::move(*peer), context));
    };
    co_await naru::with_supervisor(accept, naru::print_failure);
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 3) throw std::runtime_error("usage: tls_echo CHAIN.pem KEY.pem [PORT [ENGINE]]");
    const std::string where = std::string("127.0.0.1:") + (argc > 3 ? argv[3] : "7777");
    const auto engine = naru::engine_named(argc > 4 ? argv[4] : "auto");
    if (!engine || !naru::address::parse(where))
        throw std::runtime_error("usage: tls_echo CHAIN.pem KEY.pem [PORT [ENGINE]]");
    const auto context = naru::tls_context::server(naru::tls_server_options({argv[1], argv[2]}));
    if (!context) throw std::runtime_error(context.error());
    naru::loop loop(naru::choose_backend(*engine));
    auto listener = naru::tcp_listener::bind(loop, where);
    if (!listener) throw std::system_error(listener.error(), "cannot listen on " + where);
    std::printf("listening on %s\n", listener->local_address()->text().c_str());
    std::fflush(stdout);
    naru::run(loop, serve(std::move(*listener), *context));
} catch (const std::exception& error) {
    std::fprintf(stderr, "tls_echo: %s\n", error.what());
    return 1;
}
