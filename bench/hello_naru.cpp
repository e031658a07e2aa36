// hello_naru PORT ENGINE function|coroutine: a server of handlers on naru, for the comparison with other
// libraries. GET /hello is answered by a function or by a coroutine; PUT /upload counts a body, GET /download
// writes 2 GiB.
#include "common.hpp"

#include <naru/http/http.hpp>
#include <naru/naru.hpp>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace {

namespace http = naru::http;

naru::task<> upload(http::exchange& x) {
    std::uint64_t size = 0;
    while (auto piece = co_await x.read())
        size += piece->size();
    x.respond(200, "text/plain", std::to_string(size));
}

naru::task<> download(http::exchange& x) {
    static const std::string piece(256 * 1024, 'x');
    constexpr std::uint64_t size = std::uint64_t{2} << 30;
    x.add("Content-Length", std::to_string(size));
    for (std::uint64_t sent = 0; sent < size; sent += piece.size()) {
        if (!co_await x.write(piece)) co_return;
    }
    (void)co_await x.end();
}

}  // namespace

int main(int count, char** arguments) try {
    const std::string_view kind = count == 4 ? arguments[3] : "";
    if (kind != "function" && kind != "coroutine")
        bench::die("usage: %s PORT ENGINE function|coroutine", arguments[0]);
    (void)bench::parse_number(arguments[1], "PORT", 1, 65535);
    bench::raise_descriptor_limit();
    http::site site;
    if (kind == "function") {
        site.get("/hello", [](http::exchange& x) noexcept { x.respond(200, "text/plain", "Hello, World!"); });
    } else {
        site.get("/hello", [](http::exchange& x) -> naru::task<> {
            x.respond(200, "text/plain", "Hello, World!");
            co_return;
        });
    }
    site.put("/upload", upload, {.body_limit = std::uint64_t{1} << 40}).get("/download", download);
    http::server_options options;
    const auto engine = naru::engine_named(arguments[2]);
    if (!engine) bench::die("hello_naru: there is no engine %s", arguments[2]);
    options.engine = *engine;
    options.threads = 1;
    options.timeouts.keep_alive = std::chrono::hours(1);
    options.connections_per_address = 0;
    http::server(std::move(site), {{.listen = std::string("127.0.0.1:") + arguments[1]}}, std::move(options))
        .run();
    return 0;
} catch (const std::exception& error) {
    bench::die("hello_naru: %s", error.what());
}
