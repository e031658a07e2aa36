// What the log and the counts tell of answers, on every engine: when they have ended, and what has left.
#include "fixture.hpp"

#include <naru/coro/sleep.hpp>
#include <naru/http/http.hpp>

#include <atomic>
#include <latch>
#include <regex>

namespace naru::testing {
namespace {

using http::exchange;

class record_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.threads = 1;
        options_.send_buffer = 65'536;  // what is larger is not taken before a client reads
        options_.access_log = (logs_.path() / "access.log").string();
        options_.log_format = http::log_format::json;
    }
    std::vector<std::string> lines() const {
        std::ifstream file(*options_.access_log);
        std::vector<std::string> all;
        for (std::string line; std::getline(file, line);)
            all.push_back(line);
        return all;
    }
    bool comes_to(std::size_t count) {
        return eventually([&] { return lines().size() >= count; });
    }
    /// Of a line, what stands behind a name: text without its quotes.
    static std::string value(const std::string& line, const std::string& name) {
        std::smatch found;
        const std::regex member("[{,]\"" + name + "\":(?:\"((?:[^\"\\\\]|\\\\.)*)\"|([0-9.]+))");
        if (!std::regex_search(line, found, member)) return {};
        return found[1].matched ? found[1].str() : found[2].str();
    }
    static std::uint64_t number(const std::string& line, const std::string& name) {
        const std::string text = value(line, name);
        return text.empty() ? ~std::uint64_t{0} : std::stoull(text);
    }
    http::server_metrics metrics() { return server_->metrics(patience_of_loops); }
    template <class Predicate>
    bool counted(Predicate is) {
        return eventually([&] { return is(metrics()); });
    }

    static constexpr std::size_t large = 2'000'000;
    static constexpr auto patience_of_loops = std::chrono::milliseconds(20'000);
    temporary_directory logs_;
};
NARU_ON_EVERY_ENGINE(record_test);

TEST_P(record_test, pipelined_answers_have_a_line_each_with_their_own_bytes) {
    files_.write("medium.bin", std::string(100'000, 'm'));
    http::site site;
    site.get("/f/{n}", [](exchange& x) noexcept { x.respond(200, "text/plain", x.param("n")); })
        .get("/w/{n}",
             [](exchange& x) -> task<> {
                 (void)co_await x.write(x.param("n"));
                 co_await yield();
                 (void)co_await x.write("-more");
                 (void)co_await x.end();
             })
        .mount("/", http::files(files_.path().string()));
    start(std::move(site));
    client one = connect();
    one.send(get("/f/12345") + get("/hello.txt") + request("HEAD", "/hello.txt") + get("/medium.bin") +
             get("/w/abc") + get("/missing") + get("/f/6", "Connection: close\r\n"));
    const std::string all = one.read_to_end();
    stop();
    const std::vector<std::string> got = lines();
    ASSERT_EQ(got.size(), 7u);
    const char* const routes[] = {"/f/{n}", "/", "/", "/", "/w/{n}", "/", "/f/{n}"};
    const std::uint64_t bytes[] = {5, hello.size(), 0, 100'000, 0, 0, 1};
    std::uint64_t sent = 0;
    for (std::size_t each = 0; each < got.size(); ++each) {
        EXPECT_EQ(value(got[each], "client"), "127.0.0.1");
        EXPECT_EQ(value(got[each], "host"), "test");
        EXPECT_EQ(value(got[each], "route"), routes[each]) << got[each];
        EXPECT_EQ(value(got[each], "cut"), "") << got[each];
        EXPECT_EQ(number(got[each], "status"), each == 5 ? 404u : 200u) << got[each];
        if (each != 4 && each != 5) {
            EXPECT_EQ(number(got[each], "bytes"), bytes[each]) << got[each];
        }
        sent += number(got[each], "sent");
    }
    EXPECT_EQ(number(got[4], "bytes"), std::string("3\r\nabc\r\n5\r\n-more\r\n0\r\n\r\n").size()) << got[4];
    EXPECT_EQ(sent, all.size()) << "each byte that has left is somebody's";
}

TEST_P(record_test, an_answer_has_its_line_when_it_has_ended) {
    files_.write("large.bin", std::string(large, 'l'));
    start();
    client slow = connect(4'096);
    slow.send(get("/large.bin", "Connection: close\r\n"));
    EXPECT_EQ(slow.read_some(1), "H");
    EXPECT_TRUE(answers());
    ASSERT_TRUE(comes_to(1));
    EXPECT_TRUE(lines().front().contains("/hello.txt")) << "the one that began first is still being sent";
    EXPECT_EQ(lines().size(), 1u);
    const std::size_t size = slow.read_to_end().size() + 1;
    ASSERT_TRUE(comes_to(2));
    const std::string line = lines().back();
    EXPECT_EQ(number(line, "bytes"), large) << line;
    EXPECT_EQ(number(line, "sent"), size) << line;
    EXPECT_EQ(value(line, "cut"), "") << line;
}

TEST_P(record_test, a_client_that_leaves_within_an_answer) {
    files_.write("large.bin", std::string(large, 'l'));
    start();
    client one = connect(4'096);
    one.send(get("/hello.txt") + get("/large.bin"));
    EXPECT_EQ(one.read_some(1), "H");
    one.reset();
    ASSERT_TRUE(comes_to(2));
    const std::vector<std::string> got = lines();
    EXPECT_TRUE(got[0].contains("/hello.txt")) << got[0];
    EXPECT_EQ(value(got[0], "cut"), "") << "it has got that: " << got[0];
    EXPECT_EQ(number(got[1], "status"), 200u);
    EXPECT_EQ(value(got[1], "cut"), "the client left") << got[1];
    EXPECT_LT(number(got[1], "bytes"), large) << got[1];
    EXPECT_GT(number(got[1], "sent"), number(got[1], "bytes")) << got[1];
    EXPECT_TRUE(counted([](const auto& all) { return all.cut_answers == 1 && all.answers[100] == 2; }));
}

TEST_P(record_test, a_client_that_leaves_before_there_is_an_answer) {
    std::latch begun(1);
    http::site site;
    site.get("/wait", [&begun](exchange& x) -> task<> {
        begun.count_down();
        (void)co_await sleep_for(1h);
        x.respond(200);
    });
    start(std::move(site));
    client one = connect();
    one.send(get("/wait", "User-Agent: ferry\r\n"));
    begun.wait();
    one.reset();
    ASSERT_TRUE(comes_to(1));
    const std::string line = lines().front();
    EXPECT_EQ(number(line, "status"), 499u) << line;
    EXPECT_EQ(number(line, "sent"), 0u) << line;
    EXPECT_EQ(value(line, "route"), "/wait") << line;
    EXPECT_EQ(value(line, "client"), "127.0.0.1") << line;
    EXPECT_EQ(value(line, "user_agent"), "ferry") << line;
    EXPECT_EQ(value(line, "cut"), "the client left") << line;
}

TEST_P(record_test, what_could_be_read_of_a_refused_request) {
    options_.timeouts.head = 200ms;
    start();
    EXPECT_EQ(ask(get("/hello.txt", "Bad Name: x\r\n")).status, 400);
    EXPECT_EQ(ask("\r\nGET /\x01\xff HTTP/1.1\r\n\r\n").status, 400);
    EXPECT_EQ(ask("GET / HTTP/1.1\r\nReferer: http://a/\r\n").status, 408);
    EXPECT_EQ(ask(get("/" + std::string(9'000, 'a'))).status, 414);
    stop();
    const std::vector<std::string> got = lines();
    ASSERT_EQ(got.size(), 4u);
    EXPECT_EQ(value(got[0], "request"), "GET /hello.txt HTTP/1.1");
    EXPECT_TRUE(value(got[0], "reason").starts_with("The request was refused: ")) << got[0];
    EXPECT_EQ(value(got[1], "request"), R"(GET /\u0001\\xff HTTP/1.1)");
    EXPECT_EQ(value(got[2], "request"), "GET / HTTP/1.1");
    EXPECT_EQ(value(got[2], "reason"), "The request took too long.");
    EXPECT_TRUE(value(got[3], "request").starts_with("GET /aaaa")) << got[3];
    EXPECT_LE(value(got[3], "request").size(), http::limits::unreadable_bytes);
    for (const std::string& each : got)
        EXPECT_EQ(value(each, "client"), "127.0.0.1") << each;
}

TEST_P(record_test, requests_have_a_name_in_the_log_and_in_the_answer) {
    http::site site;
    site.before(http::request_ids())
        .get("/f", [](exchange& x) noexcept { x.respond(200, "text/plain", x.request_id()); })
        .get("/c",
             [](exchange& x) -> task<> {
                 const std::string before(x.request_id());
                 co_await yield();
                 EXPECT_EQ(x.request_id(), before);
                 x.respond(200, "text/plain", before);
             })
        .mount("/", http::files(files_.path().string()));
    start(std::move(site));
    client one = connect();
    std::vector<std::string> names;
    for (const char* const path : {"/f", "/c", "/hello.txt", "/f"}) {
        const response got = one.ask(get(path));
        names.push_back(got["X-Request-Id"]);
        EXPECT_EQ(names.back().size(), 32u);
        if (path[2] == '\0') {
            EXPECT_EQ(got.body, names.back());
        }
    }
    EXPECT_NE(names[0], names[3]);
    const std::string given = "3f2a.7-b_c~d+e/f=g:h";
    EXPECT_EQ(one.ask(get("/c", "x-request-ID: " + given + "\r\n"))["X-Request-Id"], given);
    names.push_back(given);
    for (const std::string& bad : {std::string("a b"), std::string("a\"b"), std::string(129, 'a'),
                                   std::string("caf\xc3\xa9"), std::string()}) {
        names.push_back(one.ask(get("/hello.txt", "X-Request-Id: " + bad + "\r\n"))["X-Request-Id"]);
        EXPECT_EQ(names.back().size(), 32u) << bad;
    }
    stop();
    const std::vector<std::string> got = lines();
    ASSERT_EQ(got.size(), names.size());
    for (std::size_t each = 0; each < got.size(); ++each)
        EXPECT_EQ(value(got[each], "id"), names[each]);
}

TEST_P(record_test, an_upgrade_has_a_line) {
    http::site site;
    site.get("/up", [](exchange& x) noexcept {
        EXPECT_TRUE(x.upgrade("own", [](http::upgraded_stream) -> task<> { co_return; }));
    });
    start(std::move(site));
    client one = connect();
    one.send(get("/up", "Connection: upgrade\r\nUpgrade: own\r\n"));
    const std::string all = one.read_to_end();
    ASSERT_TRUE(comes_to(1));
    EXPECT_EQ(number(lines()[0], "status"), 101u);
    EXPECT_EQ(number(lines()[0], "sent"), all.size());
    EXPECT_TRUE(counted([](const auto& of) { return of.upgrades == 1 && of.answers[1] == 1; }));
}

TEST_P(record_test, a_websocket_has_its_line_when_it_ends) {
    http::site site;
    site.get("/echo", http::websocket([](http::websocket_peer peer) -> task<> {
                 while (auto message = co_await peer.receive())
                     if (!co_await peer.send(std::move(*message))) break;
             }))
        .get("/hello", [](exchange& x) noexcept { x.respond(200, "text/plain", hello); });
    start(std::move(site));
    const std::string asks = get("/echo",
                                 "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    const auto frame = [](unsigned first, const std::string& payload) {
        return std::string{static_cast<char>(first), static_cast<char>(0x80 | payload.size())} +
               std::string(4, '\0') + payload;
    };
    const std::string ahead = frame(0x81, "ahead");
    const std::string close = frame(0x88, "\x03\xe8");
    client first = connect();
    client second = connect();
    first.send(asks + ahead);
    second.send(asks);
    std::string got;
    while (!got.ends_with("ahead")) {
        const std::string piece = first.read_some(1'000);
        ASSERT_NE(piece, "");
        got += piece;
    }
    const std::size_t head = second.read_some(1'000).size();
    EXPECT_EQ(connect().ask(get("/hello")).body, hello);
    ASSERT_TRUE(comes_to(1));
    EXPECT_EQ(value(lines()[0], "route"), "/hello") << "it ended after the 101s had left";

    first.send(close);
    got += first.read_to_end();
    first.close();  // for which the server waits
    ASSERT_TRUE(comes_to(2));
    std::string line = lines()[1];
    EXPECT_EQ(value(line, "route"), "/echo");
    EXPECT_EQ(number(line, "status"), 101u);
    EXPECT_EQ(number(line, "bytes"), got.size() - got.find("\r\n\r\n") - 4) << line;
    EXPECT_EQ(number(line, "sent"), got.size()) << line;
    EXPECT_EQ(number(line, "received"), ahead.size() + close.size()) << line;
    EXPECT_EQ(value(line, "cut"), "");
    EXPECT_EQ(metrics().answers[1], 2u) << "they are counted when the 101 has left";

    second.close();
    ASSERT_TRUE(comes_to(3));
    line = lines()[2];
    EXPECT_EQ(number(line, "status"), 101u);
    EXPECT_EQ(number(line, "received"), 0u) << line;
    EXPECT_GE(number(line, "sent"), head) << line;
}

TEST_P(record_test, counts_are_exact) {
    options_.access_log.reset();
    options_.threads = 2;
    http::site site;
    site.get("/f/{n}", [](exchange& x) noexcept { x.respond(200, "text/plain", x.param("n")); })
        .mount("/files/", http::files(files_.path().string()));
    start(std::move(site));
    std::uint64_t asked = 0;
    std::uint64_t got = 0;
    for (int round = 0; round < 6; ++round) {
        client one = connect();
        const std::string text = get("/f/1") + get("/f/2") + get("/files/hello.txt") + get("/files/no") +
                                 get("/no") + request("GET", "/f/3", "Connection: close\r\n");
        asked += text.size();
        one.send(text);
        got += one.read_to_end().size();
    }
    EXPECT_TRUE(counted(
        [&](const http::server_metrics& of) { return of.bytes_out == got && of.answers[304] == 12; }));
    const http::server_metrics of = metrics();
    EXPECT_EQ(of.loops, 2u);
    EXPECT_EQ(of.silent_loops, 0u);
    EXPECT_EQ(of.engine, name_of(GetParam()));
    EXPECT_EQ(of.connections, 6u);
    EXPECT_EQ(of.bytes_in, asked);
    EXPECT_EQ(of.answers[100], 24u);
    EXPECT_EQ(of.protocols[1], 36u);
    EXPECT_EQ(of.cut_answers, 0u);
    EXPECT_EQ(of.cache_hits + of.cache_misses, 12u);
    EXPECT_GE(of.cache_hits, 2u);
    std::uint64_t by_route = 0;
    for (const http::route_latency& each : of.routes) {
        by_route += each.latency.count();
        if (each.pattern == "/f/{n}") {
            EXPECT_EQ(each.latency.count(), 18u);
        }
        if (each.pattern == "/files/") {
            EXPECT_EQ(each.latency.count(), 12u);
        }
    }
    EXPECT_EQ(by_route, 36u);
    server_->replace(http::site());
    EXPECT_EQ(metrics().reloads, 1u);
    server_->drain();
    server_->wait();
    EXPECT_EQ(metrics().answers[100], 24u) << "what has been counted is there after the end";
    EXPECT_TRUE(metrics().draining);
}

TEST_P(record_test, answers_that_are_alike_are_counted_each) {
    options_.access_log.reset();
    http::site site;
    site.get("/text", [](exchange& x) noexcept { x.respond(200, "text/plain", "the same each time"); })
        .mount("/files/", http::files(files_.path().string()));
    start(std::move(site));
    client one = connect();
    std::string text;
    for (int each = 0; each < 40; ++each)
        text += get("/files/hello.txt");
    text += request("HEAD", "/files/hello.txt") + get("/files/no");
    for (int each = 0; each < 30; ++each)
        text += get("/text") + get("/text") + get("/files/no");
    one.send(text + get("/text", "Connection: close\r\n"));
    const std::string got = one.read_to_end();
    EXPECT_TRUE(counted([&](const http::server_metrics& of) { return of.bytes_out == got.size(); }));
    const http::server_metrics of = metrics();
    EXPECT_EQ(of.answers[100], 41u + 61u);
    EXPECT_EQ(of.answers[304], 31u);
    EXPECT_EQ(of.protocols[1], 41u + 61u + 31u);
    EXPECT_EQ(of.cut_answers, 0u);
    for (const http::route_latency& each : of.routes) {
        if (each.pattern == "/text") {
            EXPECT_EQ(each.latency.count(), 61u);
        }
        if (each.pattern == "/files/") {
            EXPECT_EQ(each.latency.count(), 41u + 31u);
        }
    }
}

TEST_P(record_test, of_answers_that_are_alike_those_are_cut_that_have_not_left) {
    options_.access_log.reset();
    http::site site;
    site.get("/text", [](exchange& x) noexcept { x.respond(200, "text/plain", std::string(1'800, 't')); });
    start(std::move(site));
    client first = connect();
    first.send(get("/text"));
    EXPECT_TRUE(counted([](const http::server_metrics& of) { return of.answers[100] == 1; }));
    const std::uint64_t size = metrics().bytes_out;  // of one
    client one = connect(4'096);
    std::string text;
    for (int each = 0; each < 250; ++each)  // more than the system takes before somebody reads
        text += get("/text");
    one.send(text);
    EXPECT_EQ(one.read_some(1), "H");
    one.reset();
    EXPECT_TRUE(counted([&](const http::server_metrics& of) {
        return of.cut_answers > 0 && of.answers[100] == of.bytes_out / size + of.cut_answers;
    }));
}

TEST_P(record_test, connections_are_told_by_what_they_do) {
    files_.write("large.bin", std::string(large, 'l'));
    std::latch begun(1);
    http::site site;
    site.get("/wait",
             [&begun](exchange&) -> task<> {
                 begun.count_down();
                 (void)co_await sleep_for(1h);
             })
        .mount("/", http::files(files_.path().string()));
    options_.timeouts.drain = 1ms;
    start(std::move(site));
    client idle = connect();
    EXPECT_EQ(idle.ask(get("/hello.txt")).status, 200);
    client sending = connect(4'096);
    sending.send(get("/large.bin"));
    EXPECT_EQ(sending.read_some(1), "H");
    client working = connect();
    working.send(get("/wait"));
    begun.wait();
    client reading = connect();
    reading.send(request("POST", "/x", "Content-Length: 10\r\n") + "abc");
    EXPECT_TRUE(counted([](const http::server_metrics& of) {
        return of.open_idle == 1 && of.open_sending == 1 && of.open_working == 1 && of.open_reading == 1;
    }));
    EXPECT_GT(metrics().buffers, 0u);
}

TEST_P(record_test, whoever_holds_a_loop_up_is_named) {
    options_.access_log.reset();
    std::latch begun(1);
    std::latch seen(1);
    http::site site;
    site.get("/slow", [&](exchange& x) noexcept {
        begun.count_down();
        seen.wait();
        x.respond(200);
    });
    start(std::move(site));
    client one = connect();
    one.send(get("/slow"));
    begun.wait();
    const http::server_metrics without = server_->metrics(1ms);
    EXPECT_EQ(without.silent_loops, 1u) << "its thread is in the handler";
    seen.count_down();
    EXPECT_EQ(one.read().status, 200);
    const http::server_metrics of = server_->metrics(patience_of_loops, true);
    EXPECT_EQ(of.longest_tick.route, "/slow");
    EXPECT_GE(of.longest_tick.took, 1ms) << "so long it was waited for";
}

TEST_P(record_test, loops_have_turned_when_none_is_held_up) {
    options_.threads = 2;
    std::latch begun(1);
    std::latch seen(1);
    http::site site;
    site.get("/slow", [&](exchange& x) noexcept {
        begun.count_down();
        seen.wait();
        x.respond(200);
    });
    start(std::move(site));
    std::latch first(1);
    server_->when_loops_turn([&first] { first.count_down(); });
    first.wait();
    client one = connect();
    one.send(get("/slow"));
    begun.wait();
    std::atomic<bool> told = false;
    std::latch last(1);
    server_->when_loops_turn([&] {
        told = true;
        last.count_down();
    });
    EXPECT_FALSE(told) << "one of them is in the handler";
    seen.count_down();
    last.wait();
    EXPECT_EQ(one.read().status, 200);
    server_->drain();
    server_->wait();
    bool at_once = false;
    server_->when_loops_turn([&at_once] { at_once = true; });
    EXPECT_TRUE(at_once) << "no thread is left that could be held up";
}

TEST_P(record_test, a_site_shows_what_goes_on) {
    start();
    EXPECT_TRUE(answers());
    http::server_options own;
    own.engine = GetParam();
    http::server shown(http::status_site(*server_), {{"127.0.0.1:0"}}, std::move(own));
    shown.start();
    client one(shown.local_address());
    EXPECT_EQ(one.ask(get("/healthz")).status, 200);
    EXPECT_EQ(one.ask(get("/readyz")).status, 200);
    const response text = one.ask(get("/metrics"));
    EXPECT_EQ(text["Content-Type"], "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_TRUE(text.body.contains("naru_connections_accepted_total{tls=\"no\"} 1\n")) << text.body;
    EXPECT_TRUE(one.ask(get("/")).body.contains("<title>"));
    server_->drain();
    server_->wait();
    EXPECT_EQ(one.ask(get("/healthz")).status, 200);
    EXPECT_EQ(one.ask(get("/readyz")).status, 503);
    EXPECT_EQ(one.ask(get("/metrics")).status, 200);
}

}  // namespace
}  // namespace naru::testing
