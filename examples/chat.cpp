// A chat room:
// chat [--listen ADDRESS:PORT] [--threads N] [--engine NAME] [--tls-self-signed NAME] [--status ADDRESS:PORT]
//
// With TLS, browsers speak HTTP/2, and the WebSockets of a page are streams of its connection (RFC 8441): the
// handlers are the same. --status serves the server's metrics.
//
// GET / is the page, /chat?name=NAME the room's WebSocket, /echo one that gives each message back. The room
// is one for all threads: each has a part of it, and a message is made into a frame once and posted to the
// others.
#include "chat_page.hpp"

#include <naru/http/http.hpp>
#include <naru/http/server/status_site.hpp>
#include <naru/naru.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using naru::websocket::prepared_message;

class hall;

/// A thread's part of the room.
struct part {
    part(hall& whole, naru::loop& loop);
    ~part();
    part(const part&) = delete;
    part& operator=(const part&) = delete;

    hall& of;
    naru::loop& home;
    naru::websocket::room members;
};

/// The whole room. Its list of parts is shared by the threads.
class hall {
 public:
    void add(part& each) {
        const std::lock_guard lock(mutex_);
        parts_.push_back(&each);
    }
    void remove(part& each) {
        const std::lock_guard lock(mutex_);
        std::erase(parts_, &each);
    }
    /// From the thread of `here`.
    void tell_all(part& here, const prepared_message& what) {
        here.members.broadcast(what);
        const std::lock_guard lock(mutex_);
        for (part* const each : parts_) {
            if (each != &here) each->home.post([this, each, what] { tell_part(each, what); });
        }
    }
    /// How many are there, with one more or less.
    int count(int change) { return count_.fetch_add(change) + change; }

 private:
    // On the part's own thread, which is the only one that ends it.
    void tell_part(part* to, const prepared_message& what) {
        {
            const std::lock_guard lock(mutex_);
            if (std::find(parts_.begin(), parts_.end(), to) == parts_.end()) return;
        }
        to->members.broadcast(what);
    }

    std::mutex mutex_;
    std::vector<part*> parts_;
    std::atomic<int> count_{0};
};

part::part(hall& whole, naru::loop& loop) : of(whole), home(loop) { of.add(*this); }
part::~part() { of.remove(*this); }

// With more people than this, who comes or goes is not told to all of them: that would be as many messages as
// people, squared.
constexpr int introduced_to = 1000;

naru::task<> chat(naru::http::websocket_peer peer, std::shared_ptr<part> room, std::string name) {
    const naru::websocket::room::member here(room->members, peer);
    const auto tell = [&](std::string_view what, int change) {
        const int people = room->of.count(change);
        const auto line =
            prepared_message::text("* " + name + std::string(what) + ", " + std::to_string(people) + " here");
        if (people <= introduced_to) return room->of.tell_all(*room, line);
        (void)peer.try_send(line);  // to whom it is about
    };
    tell(" has come", 1);
    while (auto message = co_await peer.receive()) {
        if (message->is_text())
            room->of.tell_all(*room, prepared_message::text(name + ": " + std::string(message->text())));
    }
    tell(" has gone", -1);
}

naru::task<> echo(naru::http::websocket_peer peer) {
    while (auto message = co_await peer.receive()) {
        if (!co_await peer.send(*message)) break;
    }
}

naru::http::site make_site(hall& whole) {
    naru::http::websocket_options for_echo;
    for_echo.message_limit = 32 * 1024 * 1024;
    for_echo.deflate.enabled = true;

    auto for_chat = std::make_shared<naru::http::websocket_options>();
    for_chat->message_limit = 16 * 1024;
    for_chat->when_full = naru::websocket::send_policy::drop_oldest;  // who reads slowly misses something

    naru::http::site site;
    site.per_loop([&whole](naru::loop& loop) { return std::make_shared<part>(whole, loop); });
    site.get("/",
             [](naru::http::exchange& x) noexcept { x.respond(200, "text/html; charset=utf-8", chat_page); });
    site.get("/echo", naru::http::websocket(echo, for_echo));
    site.get("/chat", [options = std::shared_ptr<const naru::http::websocket_options>(for_chat)](
                          naru::http::exchange& x) noexcept {
        try {
            const std::string name = x.query_value("name").value_or("").substr(0, 40);
            if (name.empty() || !naru::websocket::is_utf8(naru::as_bytes(name)))
                return x.respond(400, "text/plain", "a name is wanted: /chat?name=NAME\n");
            (void)naru::http::upgrade_to_websocket(
                x, options, [name, room = x.local<std::shared_ptr<part>>()](naru::http::websocket_peer peer) {
                    return chat(std::move(peer), room, name);
                });
        } catch (const std::bad_alloc&) {
            x.respond(503);
        }
    });
    return site;
}

struct settings {
    std::string listen = "127.0.0.1:8080";
    std::optional<std::string> status;
    std::shared_ptr<naru::http::tls_credentials> tls;
    naru::http::server_options server;
};

// With a certificate that nobody vouches for, made in memory.
std::shared_ptr<naru::http::tls_credentials> make_tls([[maybe_unused]] const std::string& name) {
#ifdef _WIN32
    throw std::runtime_error("there is no TLS on Windows");
#else
    naru::tls_server_options how;
    how.self_signed = {name};
    how.protocols = {"h2", "http/1.1"};
    auto made = naru::tls_context::server(how);
    if (!made) throw std::runtime_error(made.error());
    return std::make_shared<naru::http::tls_credentials>(std::move(*made));
#endif
}

constexpr const char* usage =
    "usage: chat [--listen ADDRESS:PORT] [--threads N] [--engine NAME] [--tls-self-signed NAME] "
    "[--status ADDRESS:PORT]";

settings settings_of(int count, char** arguments) {
    settings chosen;
    for (int each = 1; each < count; each += 2) {
        const std::string_view name = arguments[each];
        if (each + 1 == count) throw std::runtime_error(usage);
        const std::string value = arguments[each + 1];
        if (name == "--listen") {
            chosen.listen = value;
        } else if (name == "--engine") {
            const auto engine = naru::engine_named(value);
            if (!engine) throw std::runtime_error("no such engine: " + value);
            chosen.server.engine = *engine;
        } else if (name == "--status") {
            chosen.status = value;
        } else if (name == "--tls-self-signed") {
            chosen.tls = make_tls(value);
        } else if (name != "--threads") {
            throw std::runtime_error(usage);
        } else {
            char* end = nullptr;
            const long threads = std::strtol(value.c_str(), &end, 10);
            if (value.empty() || *end != '\0' || threads < 1 || threads > 1024)
                throw std::runtime_error("--threads: a number from 1 to 1024");
            chosen.server.threads = static_cast<unsigned>(threads);
        }
    }
    chosen.server.signals = true;
    chosen.server.timeouts.drain = std::chrono::seconds(1);  // then they are told 1001
    chosen.server.connections_per_address = 0;               // all of a room may come through one proxy
    return chosen;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc == 2 && std::string_view(argv[1]) == "--help") return std::puts(usage) < 0 ? 1 : 0;
    const settings chosen = settings_of(argc, argv);
    hall whole;
    naru::http::server server(make_site(whole), {{.listen = chosen.listen, .tls = chosen.tls}},
                              chosen.server);
    std::optional<naru::http::server> status;
    if (chosen.status) {
        status.emplace(naru::http::status_site(server), std::vector{naru::http::endpoint{*chosen.status}},
                       naru::http::server_options());
        status->start();
        std::printf("status on %s\n", status->local_address().text().c_str());
    }
    std::printf("listening on %s\n", server.local_address().text().c_str());
    std::fflush(stdout);
    server.run();
} catch (const std::exception& error) {
    std::fprintf(stderr, "chat: %s\n", error.what());
    return 1;
}
