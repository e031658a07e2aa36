// The server's HTTP/2 session against sequences of frames, cut anywhere, with time passing between them, in a
// simulated world: what it sends holds to the protocol whatever came, an honest client beside is answered,
// and at the end nothing is left.
#include "fuzz/http2_judge.hpp"

#include <naru/http/http.hpp>
#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace naru;
using namespace std::chrono_literals;

[[noreturn]] void wrong(const std::string& what) {
    std::fprintf(stderr, "wrong: %s\n", what.c_str());
    std::abort();
}

task<> echo(http::exchange& x) {
    std::string all;
    while (auto piece = co_await x.read())
        all += piece->text();
    x.respond(200, "text/plain", std::move(all));
}
task<> pieces(http::exchange& x) {
    const std::string piece(3000, 'p');
    x.status(200).add("Content-Type", "text/plain");
    for (int each = 0; each < 40; ++each)
        if (!co_await x.write(as_bytes(piece))) co_return;
    x.add("X-Trailer", "end");
    (void)co_await x.end();
}
task<> slow(http::exchange& x) {
    if (!co_await sleep_for(5s)) co_return;
    x.respond(200, "text/plain", "slow");
}

task<> give_back(http::websocket_peer peer) {
    while (auto message = co_await peer.receive())
        if (!co_await peer.send(std::move(*message))) break;
}
task<> pour(http::websocket_peer peer) {
    const std::string piece(3000, 'p');
    for (int each = 0; each < 40; ++each)
        if (!co_await peer.send_binary(piece)) co_return;
}

http::site make_site() {
    http::site made;
    made.get("/hello", [](http::exchange& x) noexcept { x.respond(200, "text/plain", "Hello, ferry.\n"); })
        .post("/echo", echo)
        .get("/pieces", pieces)
        .get("/slow", slow)
        .get("/socket", http::websocket(give_back))
        .get("/pours", http::websocket(pour))
        .mount("/files/", http::files("/srv"));
    return made;
}

/// The input, byte by byte; zeros when it is used up.
class script {
 public:
    script(const std::uint8_t* data, std::size_t size) : left_(reinterpret_cast<const char*>(data), size) {}
    bool ended() const noexcept { return left_.empty(); }
    unsigned byte() {
        if (left_.empty()) return 0;
        const auto value = static_cast<unsigned char>(left_.front());
        left_.remove_prefix(1);
        return value;
    }
    std::uint32_t word() {
        const unsigned high = byte() << 8;
        const unsigned low = high | byte();
        const unsigned more = byte() << 8;
        return low << 16 | more | byte();
    }
    std::string text(std::size_t size) {
        std::string taken(left_.substr(0, size));
        left_.remove_prefix(taken.size());
        return taken;
    }

 private:
    std::string_view left_;
};

std::string number(std::uint32_t value, int bytes) {
    std::string made;
    for (int each = bytes - 1; each >= 0; --each)
        made += static_cast<char>(value >> (8 * each));
    return made;
}

std::string frame(unsigned type, unsigned flags, std::uint32_t id, std::string_view payload) {
    return number(static_cast<std::uint32_t>(payload.size()), 3) + static_cast<char>(type) +
           static_cast<char>(flags) + number(id, 4) + std::string(payload);
}

/// HPACK, with nothing indexed but by the static table.
std::string literal(std::string_view name, std::string_view value) {
    return std::string(1, '\0') + static_cast<char>(name.size()) + std::string(name) +
           static_cast<char>(value.size()) + std::string(value);
}
/// An extended CONNECT (RFC 8441).
std::string tunnel_head(std::string_view protocol, std::string_view path) {
    return literal(":method", "CONNECT") + '\x86' + literal(":protocol", protocol) + literal(":path", path) +
           literal(":authority", "fuzz") + literal("sec-websocket-version", "13");
}
std::string request_head(unsigned which) {
    switch (which % 32) {
        case 27:
            return tunnel_head("websocket", "/hello");
        case 28:
            return tunnel_head("tea", "/socket");
        case 29:
            return tunnel_head("websocket", "/pours");
        case 30:
        case 31:
            return tunnel_head("websocket", "/socket");
        default:
            break;
    }
    constexpr std::string_view paths[] = {"/hello",           "/echo",   "/pieces", "/slow",
                                          "/files/large.bin", "/files/", "*",       "/none"};
    const bool post = which % 8 == 1;
    return std::string(1, post ? '\x83' : '\x82') + '\x86' + literal(":path", paths[which % 8]) +
           literal(":authority", "fuzz");
}

class attack {
 public:
    attack(script from, naru::testing::http2_judge& by) : from_(from), judge_(by) {}

    /// What the next step says; nothing where it only waits.
    std::string step() {
        const unsigned what = from_.byte();
        switch (what % 16) {
            case 0:
            case 1: {
                newest_ += 2;
                judge_.began(newest_);
                return frame(1, what % 16 == 0 ? 5 : 4, newest_, request_head(from_.byte()));
            }
            case 2: {
                const unsigned flags = from_.byte();
                const std::uint32_t id = known();
                const std::size_t size = from_.byte();
                if ((flags & 4u) == 0) return frame(0, flags & 9u, id, std::string(size * 16, 'd'));
                // Of a WebSocket: text, a ping, or its end.
                const char opcode = (flags & 2u) == 0 ? '\x81' : (flags & 16u) == 0 ? '\x89' : '\x88';
                const std::string payload =
                    opcode == '\x88' ? std::string("\x03\xe8") : std::string(size % 126, 't');
                return frame(0, flags & 1u, id,
                             std::string(1, opcode) + static_cast<char>(0x80 | payload.size()) +
                                 std::string(4, '\0') + payload);
            }
            case 3:
                return frame(3, 0, known(), number(from_.byte(), 4));
            case 4: {
                const unsigned id = from_.byte() % 10;
                const std::uint32_t value = from_.word();
                if (id == 4) judge_.set_window(value);
                if (id == 5) judge_.set_frame_size(value);
                return frame(4, 0, 0, number(id, 2) + number(value, 4));
            }
            case 5:
                return frame(6, from_.byte() & 1u, 0, "12345678");
            case 6: {
                const std::uint32_t id = from_.byte() % 2 == 0 ? 0 : known();
                const std::uint32_t by = from_.word() & 0x7fffffffu;
                judge_.opened(id, by);
                return frame(8, 0, id, number(by, 4));
            }
            case 7:
                return frame(2, 0, known(), number(from_.word(), 4) + static_cast<char>(from_.byte()));
            case 8:
                return frame(7, 0, 0, number(known(), 4) + number(from_.byte(), 4));
            case 9:
                return frame(9, from_.byte() & 4u, known(), from_.text(from_.byte()));
            case 10:
                return frame(4, 1, 0, {});
            case 11: {
                newest_ += 2;
                judge_.began(newest_);
                const unsigned flags = from_.byte() & 0x2du;
                const std::size_t size = from_.byte();
                return frame(1, flags, newest_, from_.text(size));
            }
            case 12: {  // anything: no more than what cannot be told apart from the above
                const unsigned type = from_.byte();
                const unsigned flags = from_.byte();
                const std::uint32_t id = from_.byte();
                const std::size_t size = from_.byte();
                if (type == 4 || type == 8 || type == 1) return {};
                return frame(type, flags, id, from_.text(size));
            }
            case 13: {  // the same again, many times
                std::string all;
                const unsigned times = 1 + from_.byte() % 64;
                const std::string one = frame(from_.byte() % 2 == 0 ? 6u : 3u, 0, 0, "12345678");
                for (unsigned each = 0; each < times; ++each)
                    all += one;
                return all;
            }
            case 14:
                pause = std::chrono::milliseconds(1u << (from_.byte() % 17));
                return {};
            default:
                reads = from_.byte() % 2 == 0;
                return {};
        }
    }
    bool ended() const noexcept { return from_.ended(); }

    std::chrono::milliseconds pause{0};
    bool reads = true;

 private:
    std::uint32_t known() {
        const unsigned back = from_.byte() % 8 * 2;
        return newest_ > back ? newest_ - back : 1;
    }

    script from_;
    naru::testing::http2_judge& judge_;
    std::uint32_t newest_ = 1;
};

/// The connection's end, or nothing more for so long.
task<bool> read_what_comes(tcp_stream& peer, naru::testing::http2_judge& judge, duration longest) {
    while (true) {
        auto got = co_await with_deadline(longest, peer.receive());
        if (!got) co_return got.error() != std::errc::timed_out;
        if (std::string what = judge.take(got->text()); !what.empty()) wrong(what);
    }
}

duration paused{0};  // by the attack, in all

task<> attack_server(loop& home, std::string where, script from, std::size_t cut) {
    naru::testing::http2_judge judge;
    attack steps(from, judge);
    auto connected = co_await tcp_stream::connect(home, where);
    if (!connected) co_return;  // it is draining
    tcp_stream peer = std::move(*connected);
    std::string text = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, {});
    while (true) {
        for (std::size_t at = 0; at < text.size(); at += cut) {
            const std::string piece = text.substr(at, cut);
            auto sent = co_await peer.send(piece);
            if (!sent) co_return;
            if (cut < 100) (void)co_await sleep_for(1us);
        }
        paused += steps.pause;
        if (steps.pause > 0ms) (void)co_await sleep_for(std::exchange(steps.pause, 0ms));
        if (steps.reads && co_await read_what_comes(peer, judge, 2ms)) co_return;
        if (steps.ended()) break;
        text = steps.step();
    }
    (void)co_await read_what_comes(peer, judge, 10s);
}

task<std::string> ask(loop& home, std::string where) {
    auto connected = co_await tcp_stream::connect(home, where);
    if (!connected) co_return connected.error().message();
    tcp_stream peer = std::move(*connected);
    auto sent =
        co_await peer.send(std::string("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    if (!sent) co_return sent.error().message();
    std::string all;
    while (true) {
        auto piece = co_await peer.receive();
        if (!piece) co_return all;
        all += piece->text();
    }
}

}  // namespace

// The first byte: how the world is, and how the bytes are cut.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    paused = {};
    sim::world_options options;
    options.seed = data[0];
    options.short_counts = (data[0] & 1u) != 0;
    options.least_latency = 1us;
    options.most_latency = (data[0] & 2u) != 0 ? duration(20ms) : duration(1us);
    sim::world world(options);
    sim::host& server_host = world.add_host("server");
    sim::host& client_host = world.add_host("client");
    server_host.write_file("/srv/large.bin", std::string(100'000, 'f'));
    std::optional<http::server> server;
    {
        const sim::world::visit there(server_host);
        http::server_options how;
        how.h2c = true;
        how.report = [](std::string_view) {};
        server.emplace(make_site(), std::vector<http::endpoint>{{"*:80"}}, std::move(how));
        server->start();
    }
    const bool drains_early = (data[0] & 4u) != 0;
    {
        const auto home = client_host.make_loop();
        const std::string where = server_host.at_port(80);
        const std::size_t cuts[] = {1, 7, 50, 100'000};
        started_task<> attacking(*home,
                                 attack_server(*home, where, script(data + 1, size - 1), cuts[data[0] >> 6]));
        if (!drains_early) {
            const std::string answer = run(*home, ask(*home, where));
            if (!answer.starts_with("HTTP/1.1 200 ") || !answer.ends_with("Hello, ferry.\n"))
                wrong("an honest client got: " + answer);
            if (!world.run_until([&] { return attacking.ended(); })) wrong("the attack does not end");
        } else {
            (void)world.run_until([&] { return attacking.ended(); }, std::chrono::milliseconds(data[0]));
        }
        const instant begun = world.now();
        server->drain();
        server->wait();
        // Time may have passed to the ends of the attack's pauses before it was looked at.
        if (world.now() - begun > 30s + paused)
            wrong("the server takes more than its time to end: " +
                  std::to_string((world.now() - begun).count() / 1000000) + " ms");
        if (!world.run_until([&] { return attacking.ended(); }))
            wrong("the attack does not end behind the server");
        attacking.take();
    }
    server.reset();
    if (world.open_descriptors() != 0) wrong("descriptors are left");
    return 0;
}
