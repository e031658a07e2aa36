// WebSockets and other protocols on streams of HTTP/2 (RFC 8441), on every engine: the handlers are those of
// HTTP/1.1.
#include "fixture.hpp"
#include "http2_client.hpp"

#include <naru/coro/combine.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/http/http.hpp>
#include <naru/http/websocket/errors.hpp>

#include <atomic>
#include <functional>
#include <semaphore>

namespace naru::testing {
namespace {

using http::exchange;
using http::websocket_peer;

const http2_client::field_texts version_13 = {{"sec-websocket-version", "13"}};

// A client's frame, with a mask of zeros.
std::string frame(unsigned first, std::string_view payload) {
    std::string made(1, static_cast<char>(first));
    const std::size_t size = payload.size();
    if (size < 126) {
        made += static_cast<char>(0x80 | size);
    } else if (size < 65'536) {
        made += {static_cast<char>(0x80 | 126), static_cast<char>(size >> 8), static_cast<char>(size)};
    } else {
        made += static_cast<char>(0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            made += static_cast<char>(size >> shift);
    }
    return made.append(4, '\0').append(payload);
}
std::string text(std::string_view payload) { return frame(0x81, payload); }
const std::string close_frame = frame(0x88, "\x03\xe8");

// A server's frame: no mask.
std::string answered(unsigned first, std::string_view payload) {
    std::string made = frame(first, payload);
    made[1] = static_cast<char>(made[1] & 0x7f);
    return made.erase(made.size() - payload.size() - 4, 4);
}

task<> echo_messages(websocket_peer peer) {
    while (auto message = co_await peer.receive())
        if (!co_await peer.send(std::move(*message))) break;
}

class http2_tunnel_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.h2c = true;
        options_.threads = 1;
    }
    void serve(http::site site) {
        site.get("/hello.txt", [](exchange& x) noexcept { x.respond(200, "text/plain", hello); });
        start(std::move(site));
    }
    http2_client speak(std::uint32_t window = 65'535, bool by_hand = false) {
        return http2_client(server_->local_address(), window, by_hand);
    }
    static std::int32_t open(http2_client& by, std::string_view path) {
        return by.open_tunnel("websocket", path, version_13);
    }
    bool streams_are_gone() {
        return eventually([&] { return server_->metrics().open_streams == 0; });
    }
};
NARU_ON_EVERY_ENGINE(http2_tunnel_test);

TEST_P(http2_tunnel_test, a_websocket_is_the_same_on_both) {
    http::site site;
    site.get("/echo", http::websocket(echo_messages));
    serve(std::move(site));
    const std::string large(300'000, 'l');
    client old = connect();
    old.send(get("/echo",
                 "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    old.send(text("small") + text(large) + close_frame);
    const std::string all = old.read_to_end();
    EXPECT_TRUE(all.starts_with("HTTP/1.1 101 "));
    const std::string by_one = all.substr(all.find("\r\n\r\n") + 4);

    http2_client one = speak();
    const std::int32_t id = open(one, "/echo");
    EXPECT_EQ(nghttp2_session_get_remote_settings(one.session(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL),
              1U);
    for (const char* none :
         {"sec-websocket-accept", "upgrade", "connection", "content-length", "transfer-encoding"})
        EXPECT_EQ(one.at(id)[none], "") << none;
    one.add_body(id, text("small"), false);
    EXPECT_EQ(one.read_body(id, 7), answered(0x81, "small"));
    EXPECT_EQ(one.ask("GET", "/hello.txt").body, hello);
    one.add_body(id, text(large) + close_frame, false);
    ASSERT_TRUE(
        one.until([&] { return one.at(id).ended; }));  // the server ends first, behind its close frame
    EXPECT_FALSE(one.at(id).closed);
    one.add_body(id, "", true);
    const http2_client::answer& got = one.wait(id);
    EXPECT_EQ(got.reset_with, 0U);
    EXPECT_TRUE(got.body == answered(0x81, "small") + answered(0x81, large) + answered(0x88, "\x03\xe8"));
    EXPECT_TRUE(got.body == by_one);
    EXPECT_TRUE(streams_are_gone());
    EXPECT_EQ(server_->metrics().upgrades, 2U);
    EXPECT_EQ(server_->metrics().http2_connections, 1U);
}

// Its last frame is empty, and closes the stream; the others on the connection go on.
TEST_P(http2_tunnel_test, a_client_may_end_its_side_last) {
    http::site site;
    site.get("/echo", http::websocket(echo_messages));
    serve(std::move(site));
    http2_client one = speak();
    const std::int32_t other = open(one, "/echo");
    for (int each = 0; each < 3; ++each) {
        const std::int32_t id = open(one, "/echo");
        one.add_body(id, close_frame, false);
        ASSERT_TRUE(one.until([&] { return one.at(id).ended; }));
        one.add_body(id, "", true);
        EXPECT_EQ(one.wait(id).reset_with, 0U);
        EXPECT_EQ(one.ask("GET", "/hello.txt").body, hello);
        EXPECT_TRUE(one.goaways.empty());
    }
    one.add_body(other, text("still here"), false);
    EXPECT_EQ(one.read_body(other, 12), answered(0x81, "still here"));
    one.socket().close();
    EXPECT_TRUE(streams_are_gone());
}

TEST_P(http2_tunnel_test, many_are_under_way_on_one_connection) {
    http::site site;
    site.get("/echo", http::websocket(echo_messages));
    serve(std::move(site));
    http2_client one = speak();
    std::vector<std::int32_t> all;
    for (int each = 0; each < 20; ++each)
        all.push_back(open(one, "/echo"));
    std::string wanted;
    for (int round = 0; round < 50; ++round) {
        const std::string payload(static_cast<std::size_t>(round * 97), static_cast<char>('a' + round % 26));
        wanted += answered(0x81, payload);
        for (const std::int32_t id : all)
            one.add_body(id, text(payload), false);
    }
    for (const std::int32_t id : all)
        EXPECT_TRUE(one.read_body(id, wanted.size()) == wanted);
    EXPECT_EQ(server_->metrics().open_upgraded, all.size());
    one.socket().close();
    EXPECT_TRUE(streams_are_gone());
}

TEST_P(http2_tunnel_test, its_windows_are_the_readers_and_the_writers_pace) {
    std::binary_semaphore begun(0);
    std::atomic<bool> may_read = false;
    std::atomic<int> sent = 0;
    std::atomic<std::size_t> got = 0;
    http::websocket_options narrow;
    narrow.send_queue = 20'000;
    http::site site;
    site.get("/late", http::websocket([&](websocket_peer peer) -> task<> {
                 begun.release();
                 while (!may_read)
                     if (!co_await sleep_for(1ms)) co_return;
                 if (auto message = co_await peer.receive()) got = message->size();
             }))
        .get("/pours", http::websocket(
                           [&](websocket_peer peer) -> task<> {
                               const std::string piece(3'000, 'p');
                               for (int each = 0; each < 100; ++each) {
                                   if (!co_await peer.send_text(piece)) co_return;
                                   ++sent;
                               }
                           },
                           narrow));
    serve(std::move(site));
    http2_client one = speak();
    const std::int32_t late = open(one, "/late");
    const std::string message = text(std::string(1'000'000, 'm'));
    one.add_body(late, message, false);
    one.flush();
    begun.acquire();
    ASSERT_TRUE(one.round_trip());
    ASSERT_TRUE(one.round_trip());
    EXPECT_EQ(one.unsent(late), message.size() - http::limits::h2_stream_window);
    EXPECT_EQ(one.ask("GET", "/hello.txt").body, hello);
    may_read = true;
    EXPECT_EQ(one.read_body(late, 4), answered(0x88, "\x03\xe8"));
    EXPECT_EQ(got, 1'000'000U);

    http2_client slow = speak(10'000, true);
    const std::int32_t pours = open(slow, "/pours");
    EXPECT_EQ(slow.read_body(pours, 10'000).size(), 10'000U);
    ASSERT_TRUE(slow.round_trip());
    EXPECT_LE(sent, 11);  // what the client has taken, what is on its way, and the queue
    EXPECT_EQ(slow.at(pours).body.size(), 10'000U);
    slow.open_window(0, 1'000'000);
    slow.open_window(pours, 1'000'000);
    EXPECT_EQ(slow.read_body(pours, 100 * 3'004 + 4).size(), 100U * 3'004 + 4);
    EXPECT_EQ(sent, 100);
}

TEST_P(http2_tunnel_test, ends_are_told_apart) {
    std::error_code seen;
    std::uint16_t code = 0;
    std::binary_semaphore ended(0);
    std::binary_semaphore looked_at(1);
    http::site site;
    site.get("/echo", http::websocket([&](websocket_peer peer) -> task<> {
                 auto message = co_await peer.receive();
                 while (message) {
                     (void)co_await peer.send(std::move(*message));
                     message = co_await peer.receive();
                 }
                 looked_at.acquire();
                 seen = message.error();
                 code = peer.close_code();
                 ended.release();
             }));
    site.get("/ends", http::websocket([](websocket_peer) -> task<> { co_return; }));
    serve(std::move(site));
    std::error_code why;
    std::uint16_t with = 0;
    const auto wait_for_end = [&] {
        ended.acquire();
        why = seen;
        with = code;
        looked_at.release();
    };
    http2_client one = speak();
    std::int32_t id = open(one, "/echo");
    one.add_body(id, text("a") + std::string("\x81", 1), true);  // END_STREAM within a frame
    (void)one.wait(id);
    wait_for_end();
    EXPECT_EQ(why, make_error_code(websocket::errc::no_close_frame));
    EXPECT_EQ(with, websocket::close_code::abnormal);
    EXPECT_TRUE(one.at(id).ended);

    id = open(one, "/echo");
    one.reset(id);
    one.flush();
    wait_for_end();
    EXPECT_EQ(why, std::errc::connection_reset);

    id = open(one, "/echo");
    one.add_body(id, close_frame, true);
    (void)one.wait(id);
    wait_for_end();
    EXPECT_EQ(why, make_error_code(errc::end_of_stream));
    EXPECT_EQ(with, websocket::close_code::normal);

    id = open(one, "/ends");
    EXPECT_EQ(one.read_body(id, 4), answered(0x88, "\x03\xe8"));
    one.add_body(id, close_frame, true);
    EXPECT_TRUE(one.wait(id).ended);
    EXPECT_EQ(one.at(id).reset_with, 0U);

    (void)open(one, "/echo");
    one.socket().reset();
    wait_for_end();
    EXPECT_EQ(why, std::errc::connection_reset);
    EXPECT_TRUE(streams_are_gone());
    EXPECT_TRUE(answers());
}

// Whatever a client has got to: its stream, or its connection, ends there.
TEST_P(http2_tunnel_test, a_client_may_stop_at_any_step) {
    std::atomic<int> begun = 0;
    std::atomic<int> ended = 0;
    http::site site;
    site.get("/pours", http::websocket([&](websocket_peer peer) -> task<> {
                 ++begun;
                 auto pours = [](websocket_peer& to) -> task<> {
                     const std::string piece(50'000, 'p');
                     while (co_await to.send_text(piece)) {
                     }
                 };
                 auto takes = [](websocket_peer& from) -> task<> {
                     while (co_await from.receive()) {
                     }
                 };
                 co_await when_all(pours(peer), takes(peer));
                 ++ended;
             }));
    serve(std::move(site));
    using step = std::function<void(http2_client&, std::int32_t)>;
    const std::vector<step> steps = {
        [](http2_client& by, std::int32_t) { by.flush(); },
        [](http2_client& by, std::int32_t id) { (void)by.until([&] { return by.at(id).status != 0; }); },
        [](http2_client& by, std::int32_t id) { (void)by.read_body(id, 1); },
        [](http2_client& by, std::int32_t id) { (void)by.read_body(id, 200'000); },
        [](http2_client& by, std::int32_t id) { by.add_body(id, std::string(text("cut"), 0, 5), false); },
        [](http2_client& by, std::int32_t id) { by.add_body(id, text("whole"), false); },
        [](http2_client& by, std::int32_t id) { by.add_body(id, std::string("\x88", 1), false); },
        [](http2_client& by, std::int32_t id) { by.add_body(id, close_frame, false); },
        [](http2_client& by, std::int32_t id) { by.add_body(id, "", true); },
    };
    int opened = 0;
    for (std::size_t last = 0; last < steps.size(); ++last) {
        for (const int how : {0, 1, 2}) {
            http2_client one = speak();
            const std::int32_t id = one.begin_tunnel("websocket", "/pours", version_13);
            for (std::size_t each = 0; each <= last; ++each)
                steps[each](one, id);
            one.flush();
            ++opened;
            if (how == 0) {
                one.reset(id);
                EXPECT_TRUE(one.round_trip());
                EXPECT_EQ(one.ask("GET", "/hello.txt").body, hello);
            } else if (how == 1) {
                one.socket().end_sending();
                EXPECT_FALSE(one.until([] { return false; }));
            } else {
                one.socket().reset();
            }
        }
    }
    EXPECT_TRUE(streams_are_gone());
    EXPECT_TRUE(eventually([&] { return server_->metrics().open_upgraded == 0; }));
    EXPECT_EQ(begun, ended);
    EXPECT_GE(begun, opened - 9);  // those of the first steps may have gone before
}

TEST_P(http2_tunnel_test, what_is_no_tunnel_does_not_look_like_one) {
    http::websocket_options with;
    with.origins = {"https://example.org"};
    with.protocols = {"soup"};
    std::atomic<bool> ended = false;
    http::site site;
    site.get("/echo", http::websocket(echo_messages, with))
        .get("/endless",
             [&ended](exchange& x) -> task<> {
                 const std::string piece(50'000, 'c');
                 while (true) {
                     auto written = co_await x.write(piece);
                     if (!written) break;
                 }
                 ended = true;
             })
        .get("/coroutine",
             [](exchange& x) -> task<> {
                 for (int each = 0; each < 3; ++each)
                     (void)co_await x.write(std::string(50'000, 'c'));
                 (void)co_await x.end();
             })
        .mount("/files/", http::files(files_.path().string()));
    serve(std::move(site));
    http2_client one = speak();
    const auto ask = [&](std::string_view protocol, std::string_view path, http2_client::field_texts more) {
        return one.wait(one.begin_tunnel(protocol, path, std::move(more)));
    };
    for (const std::string_view page : {"/hello.txt", "/coroutine", "/files/hello.txt"}) {
        const auto got = ask("websocket", page, version_13);
        EXPECT_EQ(got.status, 501) << page;
        EXPECT_TRUE(got.ended && got.body.empty()) << page;
    }
    EXPECT_EQ(ask("websocket", "/endless", version_13).status, 501);
    EXPECT_TRUE(eventually([&] { return ended.load(); }));
    for (const std::string_view path : {"/hello.txt", "/echo", "/nobody"})
        EXPECT_EQ(ask("tea", path, version_13).status, 501) << path;
    EXPECT_EQ(ask("websocket", "/nobody", version_13).status, 404);
    EXPECT_EQ(ask("web socket", "/echo", version_13).status, 400);
    EXPECT_EQ(ask("websocket", "/echo", {}).status, 400);
    const auto old = ask("websocket", "/echo", {{"sec-websocket-version", "12"}});
    EXPECT_EQ(old.status, 400);
    EXPECT_EQ(old["sec-websocket-version"], "13");
    EXPECT_EQ(ask("websocket", "/echo", {{"sec-websocket-version", "13"}, {"origin", "https://evil.example"}})
                  .status,
              403);
    const auto sized = ask("websocket", "/echo", {{"sec-websocket-version", "13"}, {"content-length", "9"}});
    EXPECT_EQ(sized.status, 400);
    const auto plain = one.ask("GET", "/echo");
    EXPECT_EQ(plain.status, 426);
    EXPECT_EQ(plain["upgrade"], "");
    EXPECT_NE(one.ask("GET", "/echo", {{":protocol", "websocket"}}).reset_with, 0U);

    const std::int32_t id = one.begin_tunnel("websocket", "/echo",
                                             {{"sec-websocket-version", "13"},
                                              {"origin", "https://example.org"},
                                              {"sec-websocket-protocol", "soup"}});
    ASSERT_TRUE(one.until([&] { return one.at(id).status != 0; }));
    EXPECT_EQ(one.at(id).status, 200);
    EXPECT_EQ(one.at(id)["sec-websocket-protocol"], "soup");
}

TEST_P(http2_tunnel_test, streams_count_until_their_handlers_have_gone) {
    std::atomic<bool> may_end = false;
    std::atomic<std::uint32_t> begun = 0;
    http::site site;
    site.get("/stays", http::websocket([&](websocket_peer) -> task<> {
                 ++begun;
                 while (!may_end)
                     if (!co_await sleep_for(1ms)) co_return;
             }));
    serve(std::move(site));
    http2_client one = speak();
    for (std::uint32_t each = 0; each < http::limits::h2_streams; ++each)
        one.reset(open(one, "/stays"));
    ASSERT_TRUE(one.round_trip());
    EXPECT_EQ(begun, http::limits::h2_streams);
    EXPECT_EQ(one.ask("GET", "/hello.txt").reset_with, std::uint32_t{NGHTTP2_REFUSED_STREAM});
    may_end = true;
    EXPECT_TRUE(streams_are_gone());
    EXPECT_EQ(one.ask("GET", "/hello.txt").body, hello);
}

// A protocol of one's own; its handler and its bytes are those of HTTP/1.1, too.
TEST_P(http2_tunnel_test, an_upgrade_is_the_same_on_both) {
    std::atomic<int> refused = 0;
    const auto serves = [&](http::upgraded_stream stream) -> task<> {
        std::string all;
        while (auto came = co_await stream.receive())
            all += came->text();
        (void)co_await stream.send("got " + all);
        std::array<slice, 2> two = {slice(std::string_view(" and")), slice(std::string_view(" more"))};
        (void)co_await stream.send(two);
        refused += !stream.shutdown_send() ? 1 : 0;
        refused += co_await stream.send(std::string_view("late")) ? 0 : 1;
        (void)co_await stream.close();
    };
    http::site site;
    site.get("/function", [&](exchange& x) noexcept { (void)x.upgrade("mine", serves); })
        .get("/coroutine", [&](exchange& x) -> task<> {
            (void)co_await sleep_for(1ms);
            (void)x.upgrade("mine", serves);
        });
    serve(std::move(site));
    for (const std::string_view path : {"/function", "/coroutine"}) {
        client old = connect();
        old.send(get(path, "Connection: Upgrade\r\nUpgrade: mine\r\n") + "these bytes");
        old.end_sending();
        const std::string all = old.read_to_end();
        EXPECT_TRUE(all.ends_with("\r\n\r\ngot these bytes and more")) << all;
        http2_client one = speak();
        const std::int32_t id = one.begin_tunnel("mine", path);
        one.add_body(id, "these bytes", true);
        EXPECT_EQ(one.wait(id).status, 200);
        EXPECT_EQ(one.at(id).body, "got these bytes and more");
        EXPECT_TRUE(one.at(id).ended);
    }
    EXPECT_EQ(refused, 4);
}

TEST_P(http2_tunnel_test, a_drain_says_going_away) {
    std::binary_semaphore begun(0);
    options_.timeouts.drain = 100ms;
    http::site site;
    site.get("/waits", http::websocket([&](websocket_peer peer) -> task<> {
                 begun.release();
                 (void)co_await peer.receive();
             }));
    serve(std::move(site));
    http2_client one = speak();
    const std::int32_t id = open(one, "/waits");
    begun.acquire();
    server_->drain();
    EXPECT_EQ(one.read_body(id, 4), answered(0x88, "\x03\xe9"));
    EXPECT_FALSE(one.goaways.empty());
    one.add_body(id, close_frame, true);
    EXPECT_TRUE(one.wait(id).ended);
    EXPECT_FALSE(one.until([] { return false; }));
    one.socket().close();
    server_->wait();
}

}  // namespace
}  // namespace naru::testing
