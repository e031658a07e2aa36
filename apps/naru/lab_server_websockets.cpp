// naru lab-server --websockets: what `naru lab` holds a million WebSockets on.
#include "lab_server.hpp"

#include "output.hpp"

#include <naru/http/http.hpp>

#include <chrono>
#include <deque>
#include <memory>
#include <string>

#include <fmt/format.h>

namespace naru::program {

namespace {

task<> stay(http::websocket_peer peer) {
    while (co_await peer.receive()) {
    }
}

}  // namespace

int serve_websockets(const lab_server_settings& given) {
    backend_options ring;
    ring.direct_descriptors = backend_options::direct::always;
    http::server_options options;
    options.engine = engine::io_uring;
    options.engine_options = std::make_shared<const backend_options>(ring);
    options.threads = given.threads;
    options.signals = true;
    options.timeouts.keep_alive = std::chrono::hours(1);
    options.connections_per_address = 0;

    http::websocket_options silent;
    silent.ping_after = duration(0);
    silent.idle_timeout = duration(0);

    std::deque<std::string> bodies;
    http::site site;
    for (const std::size_t size : lab::body_sizes) {
        const std::string& body = bodies.emplace_back(size, 'x');
        site.get(fmt::format("/{}", size),
                 [&body](http::exchange& x) noexcept { x.respond(200, "application/octet-stream", body); });
    }
    site.get(lab::websocket_path, http::websocket(stay, silent));
    http::server server(std::move(site), {{.listen = given.listen}}, options);
    put(fmt::format("ready {}\n", server.local_address().port()));
    server.run();
    return 0;
}

}  // namespace naru::program
