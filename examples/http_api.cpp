// A small HTTP service: http_api [--listen ADDRESS:PORT] [--threads N] [--engine NAME] [--root DIR].
//
//   GET  /hello/{name}                   says hello
//   POST /echo                           gives the body back while it comes, whatever its size
//   GET  /events?count=N&interval=MS     server-sent events
//   GET  /slow                           works for 50 ms, on a worker thread
//   PUT, GET, DELETE /notes/{id}         notes of up to 1 MiB, kept in memory
//   GET  /static/...                     files from DIR
#include <naru/http/http.hpp>
#include <naru/naru.hpp>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>

namespace {

namespace http = naru::http;
using http::exchange;

constexpr std::string_view text = "text/plain; charset=utf-8";

void hello(exchange& x) noexcept {
    const std::string_view name = x.param("name");
    std::string greeting = "Hello, ";
    greeting.append(name).append("!");
    x.respond(200, text, std::move(greeting));
}

naru::task<> echo(exchange& x) {
    x.status(200).add("Content-Type", x.field("content-type").value_or("application/octet-stream"));
    if (const auto size = x.content_length()) x.add("Content-Length", std::to_string(*size));
    while (auto piece = co_await x.read()) {
        if (!co_await x.write(piece->text())) co_return;
    }
    (void)co_await x.end();
}

std::optional<unsigned> number(exchange& x, std::string_view name, unsigned otherwise, unsigned most) {
    const auto given = x.query_value(name);
    if (!given) return otherwise;
    unsigned value = 0;
    const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), value);
    if (error != std::errc() || end != given->data() + given->size() || value > most) return std::nullopt;
    return value;
}

naru::task<> events(exchange& x) {
    const auto count = number(x, "count", 10, 1'000'000);
    const auto interval = number(x, "interval", 1000, 3'600'000);
    if (!count || !interval) {
        x.respond(400, text, "count and interval are numbers: events?count=10&interval=1000\n");
        co_return;
    }
    http::event_stream stream(x);
    for (unsigned each = 1; each <= *count && !x.draining(); ++each) {
        if (each > 1 && !co_await naru::sleep_for(std::chrono::milliseconds(*interval))) co_return;
        const std::string id = std::to_string(each);
        const std::string data = "event " + id + " of " + std::to_string(*count);
        if (!co_await stream.send(http::event(data, id))) co_return;
    }
    (void)co_await stream.end();
}

http::answer slow(const http::request_view&, std::stop_token) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return {200, "text/plain; charset=utf-8", "That took a while.\n"};
}

/// Shared by all loops. Handlers hold the lock for a look-up, and never while they wait.
class notebook {
 public:
    using note = std::shared_ptr<const std::string>;

    /// True if there was none of that id.
    bool put(std::string_view id, note fresh) {
        const std::lock_guard lock(mutex_);
        return notes_.insert_or_assign(std::string(id), std::move(fresh)).second;
    }
    note get(std::string_view id) const {
        const std::lock_guard lock(mutex_);
        const auto found = notes_.find(std::string(id));
        return found == notes_.end() ? nullptr : found->second;
    }
    bool erase(std::string_view id) {
        const std::lock_guard lock(mutex_);
        return notes_.erase(std::string(id)) > 0;
    }

 private:
    mutable std::mutex mutex_;
    std::unordered_map<std::string, note> notes_;
};

void add_notes(http::site& site, std::shared_ptr<notebook> notes) {
    site.put("/notes/{id}",
             [notes](exchange& x) -> naru::task<> {
                 auto body = co_await x.read_all();
                 if (!body) co_return;  // the client is told why
                 auto fresh = std::make_shared<const std::string>(std::move(*body));
                 x.respond(notes->put(x.param("id"), std::move(fresh)) ? 201 : 204, text, "");
             },
             {.body_limit = 1024 * 1024})
        .get("/notes/{id}",
             [notes](exchange& x) -> naru::task<> {
                 const notebook::note found = notes->get(x.param("id"));
                 if (found) {
                     x.respond(200, text, *found);
                 } else {
                     x.respond(404, text, "There is no such note.\n");
                 }
                 co_return;
             })
        .del("/notes/{id}", [notes](exchange& x) -> naru::task<> {
            if (notes->erase(x.param("id"))) {
                x.respond(204);
            } else {
                x.respond(404, text, "There is no such note.\n");
            }
            co_return;
        });
}

struct settings {
    std::string listen = "127.0.0.1:8080";
    std::string engine = "auto";
    std::string root = ".";
    unsigned threads = 1;
};

constexpr const char* usage =
    "usage: http_api [--listen ADDRESS:PORT] [--threads N] [--engine NAME] [--root DIR]";

settings settings_of(int count, char** arguments) {
    settings chosen;
    if (count % 2 == 0) throw std::runtime_error(usage);
    for (int each = 1; each < count; each += 2) {
        const std::string_view name = arguments[each];
        const std::string value = arguments[each + 1];
        if (name == "--listen") {
            chosen.listen = value;
        } else if (name == "--engine") {
            chosen.engine = value;
        } else if (name == "--root") {
            chosen.root = value;
        } else if (name == "--threads") {
            const auto [end, error] =
                std::from_chars(value.data(), value.data() + value.size(), chosen.threads);
            if (error != std::errc() || *end != '\0' || chosen.threads < 1 || chosen.threads > 1024)
                throw std::runtime_error("--threads: a number from 1 to 1024");
        } else {
            throw std::runtime_error(usage);
        }
    }
    return chosen;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc == 2 && std::string_view(argv[1]) == "--help") return std::puts(usage) < 0 ? 1 : 0;
    const settings chosen = settings_of(argc, argv);
    http::server_options options;
    const auto engine = naru::engine_named(chosen.engine);
    if (!engine) throw std::runtime_error("no such engine: " + chosen.engine);
    options.engine = *engine;
    options.threads = chosen.threads;
    options.signals = true;

    http::site site;
    site.get("/hello/{name}", hello)
        .post("/echo", echo, {.body_limit = ~0ull})
        .get("/events", events)
        .get("/slow", http::blocking(slow))
        .mount("/static/", http::files(chosen.root));
    add_notes(site, std::make_shared<notebook>());

    http::server server(std::move(site), {{.listen = chosen.listen}}, options);
    std::printf("listening on %s\n", server.addresses().front().text().c_str());
    std::fflush(stdout);
    server.run();
    return server.has_failed() ? 1 : 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "http_api: %s\n", error.what());
    return 1;
}
