// Sites and handlers, asked without a server.
#include <naru/http/http.hpp>

#include <naru/coro/sleep.hpp>
#include <naru/testing/http.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;
using http::exchange;

constexpr auto says_name = [](exchange& x) noexcept { x.respond(200, "text/plain", x.param("name")); };

http::site greeting() {
    http::site made;
    made.get("/hello/{name}", says_name);
    return made;
}

TEST(Site, AFunctionAnswers) {
    http::test site(greeting());
    const auto answer = site.ask("GET", "/hello/W%6Frld%21");
    EXPECT_EQ(answer.status, 200u);
    EXPECT_EQ(answer.body, "World!");
    EXPECT_EQ(answer.field("content-type"), "text/plain");
    EXPECT_EQ(answer.field("Content-Length"), "6");
    EXPECT_TRUE(answer.reports.empty());
}

TEST(Site, WhatComesByItself) {
    http::test site(greeting());
    const auto head = site.ask("HEAD", "/hello/a");
    EXPECT_EQ(head.status, 200u);
    EXPECT_EQ(head.field("Content-Length"), "1");
    const auto options = site.ask("OPTIONS", "/hello/a");
    EXPECT_EQ(options.status, 204u);
    EXPECT_EQ(options.field("Allow"), "GET, HEAD, OPTIONS");
    const auto wrong = site.ask("POST", "/hello/a", "body");
    EXPECT_EQ(wrong.status, 405u);
    EXPECT_EQ(wrong.field("Allow"), "GET, HEAD, OPTIONS");
    EXPECT_EQ(site.ask("GET", "/hello").status, 404u);
    EXPECT_EQ(site.ask("GET", "/hello/").status, 404u);
    EXPECT_EQ(site.ask("GET", "/hello/a/b").status, 404u);
    EXPECT_EQ(site.ask("BREW", "/hello/a").status, 501u);
    EXPECT_EQ(site.ask("GET", "/%zz").status, 400u);
}

TEST(Site, EachMethodHasItsRoute) {
    http::site made;
    const auto says_method = [](exchange& x) noexcept { x.respond(200, "text/plain", x.method_name()); };
    made.get("/a", says_method)
        .post("/a", says_method)
        .put("/a", says_method)
        .patch("/a", says_method)
        .del("/a", says_method);
    http::test site(std::move(made));
    for (const std::string method : {"GET", "POST", "PUT", "PATCH", "DELETE"})
        EXPECT_EQ(site.ask(method, "/a").body, method);
}

TEST(Site, TheMoreExactGoesFirst) {
    http::site made;
    const auto says = [](const char* text) {
        return [text](exchange& x) noexcept { x.respond(200, "text/plain", text); };
    };
    made.get("/a/{x}", says("parameter"))
        .get("/a/b", says("segment"))
        .get("/a/{rest...}", says("rest"))
        .get("/a/{x}/c", says("deeper"))
        .post("/a/b", says("posted"))
        .mount("/", says("mount"))
        .mount("/m/", [](exchange& x) noexcept { x.respond(200, "text/plain", x.path_in_mount()); });
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/a/b").body, "segment");
    EXPECT_EQ(site.ask("POST", "/a/b", "1").body, "posted");
    EXPECT_EQ(site.ask("GET", "/a/x").body, "parameter");
    EXPECT_EQ(site.ask("GET", "/a/b/c").body, "deeper");
    EXPECT_EQ(site.ask("GET", "/a/b/d").body, "rest");
    EXPECT_EQ(site.ask("GET", "/a/").body, "rest");
    EXPECT_EQ(site.ask("GET", "/elsewhere").body, "mount");
    EXPECT_EQ(site.ask("GET", "/m/n/o").body, "n/o");
    EXPECT_EQ(site.ask("PUT", "/a/b", "1").status, 405u);
    EXPECT_EQ(site.ask("PUT", "/a/b", "1").field("Allow"), "GET, HEAD, OPTIONS, POST");
}

TEST(Site, PatternsThatCannotBe) {
    http::site made;
    for (const char* const wrong :
         {"hello", "", "/{}", "/{a}/{a}", "/{rest...}/a", "/a{b}", "/a//b", "/../a"})
        EXPECT_THROW(made.get(wrong, says_name), std::invalid_argument) << wrong;
    for (const char* const wrong : {"//", "/a//", "/a//b", "a"})
        EXPECT_THROW(made.mount(wrong, says_name), std::invalid_argument) << wrong;
    made.get("/{name}", says_name);
    EXPECT_THROW(made.get("/{other}", says_name), std::invalid_argument);
}

TEST(Site, HostsHaveRoutesOfTheirOwn) {
    http::site made = greeting();
    made.host("Example.org").get("/only", says_name);
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/only").status, 404u);
    const std::string bytes =
        site.exchange_bytes("GET /only HTTP/1.1\r\nHost: example.ORG:80\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(bytes.starts_with("HTTP/1.1 200 ")) << bytes;
}

TEST(Site, AHostHasSeveralNames) {
    const auto says = [](const char* text) {
        return [text](exchange& x) noexcept { x.respond(200, "text/plain", text); };
    };
    http::site made = greeting();
    http::site& many = made.hosts({"a.example", "B.example", "*.c.example"});
    many.get("/", says("many"));
    EXPECT_EQ(&made.host("b.example"), &many);
    made.host("exact.c.example").get("/", says("exact"));
    EXPECT_THROW(made.hosts({"d.example", "A.example"}), std::invalid_argument);
    EXPECT_THROW(made.hosts(std::vector<std::string>()), std::invalid_argument);
    http::test site(std::move(made));
    const auto body = [&](const std::string& host) {
        const std::string bytes =
            site.exchange_bytes("GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
        return bytes.starts_with("HTTP/1.1 200 ") ? bytes.substr(bytes.find("\r\n\r\n") + 4) : std::string();
    };
    for (const char* const each : {"a.example", "A.EXAMPLE:1", "b.example", "x.c.example", "X.C.example:80"})
        EXPECT_EQ(body(each), "many") << each;
    EXPECT_EQ(body("exact.c.example"), "exact");
    for (const std::string each :
         {"c.example", "x.y.c.example", "example", "xa.example", "a.example.", "test", "a", "127.0.0.1"})
        EXPECT_EQ(body(each), "") << each;
    EXPECT_EQ(body(std::string(300, 'a') + ".c.example"), "");
}

TEST(Site, SomethingAttachedToARoute) {
    http::site made = greeting();
    static const int mark = 7;
    const std::shared_ptr<const void> attached(std::shared_ptr<const void>(), &mark);
    made.get("/marked", says_name, {.attached = attached});
    made.mount("/beneath/", [](exchange& x) noexcept { x.respond(200, "text/plain", x.path_in_mount()); },
               {.attached = attached});
    made.on_head([](const exchange& x, http::answer_head& head) {
        if (x.attached() == &mark) head.set("X-Marked", "yes");
    });
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/marked").field("X-Marked"), "yes");
    EXPECT_EQ(site.ask("GET", "/beneath/a").field("X-Marked"), "yes");
    EXPECT_EQ(site.ask("GET", "/hello/a").field("X-Marked"), "");
    EXPECT_EQ(site.ask("GET", "/none").field("X-Marked"), "");
}

TEST(Site, WhatARequestSays) {
    http::site made;
    std::string said;
    made.get("/x/{rest...}", [&said](exchange& x) noexcept {
        said = std::string(x.path()) + "|" + std::string(x.raw_target()) + "|" + std::string(x.query()) +
               "|" + x.query_value("b").value_or("-") + "|" + std::string(x.cookie("k").value_or("-")) + "|" +
               std::string(x.authority()) + "|" + std::string(x.field("x-a").value_or("-")) + "|" +
               std::string(x.param("rest")) + "|" + std::string(x.pattern()) + "|" +
               std::string(x.method_name());
        for (const auto& each : x.fields())
            said += "|" + std::string(each.name);
        x.respond(204);
    });
    http::test site(std::move(made));
    const auto answer = site.ask("GET", "/x/../x/a%20b?a=1&b=2+%263", "", "X-A: one\r\nCookie: j=1; k=v\r\n");
    EXPECT_EQ(answer.status, 204u);
    EXPECT_EQ(said,
              "/x/a b|/x/../x/a%20b?a=1&b=2+%263|a=1&b=2+%263|2 &3|v|test|one|a b|/x/{rest...}|GET|Host|"
              "Connection|X-A|Cookie");
}

TEST(Site, ACoroutineAnswersAtOnceOrLater) {
    http::site made;
    made.get("/at-once",
             [](exchange& x) -> task<> {
                 x.respond(200, "text/plain", x.path());
                 co_return;
             })
        .get("/later/{name}", [](exchange& x) -> task<> {
            (void)co_await sleep_for(1ms);
            x.respond(200, "text/plain", x.param("name"));
        });
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/at-once").body, "/at-once");
    EXPECT_EQ(site.ask("GET", "/later/%41").body, "A");
    EXPECT_EQ(site.ask("HEAD", "/later/%41").status, 200u);
}

TEST(Site, BodiesAreRead) {
    http::site made;
    made.post("/echo",
              [](exchange& x) -> task<> {
                  while (auto piece = co_await x.read()) {
                      auto sent = co_await x.write(piece->text());
                      if (!sent) co_return;
                  }
                  (void)co_await x.end();
              })
        .post("/all",
              [](exchange& x) -> task<> {
                  auto all = co_await x.read_all();
                  x.respond(201, "text/plain", all ? *all : all.error().message());
              },
              {.body_limit = 100});
    http::test site(std::move(made));
    const std::string large(300'000, 'x');
    EXPECT_EQ(site.ask("POST", "/echo", large).body, large);
    EXPECT_EQ(site.ask("POST", "/all", "short").body, "short");
    EXPECT_EQ(site.ask("POST", "/all", std::string(101, 'x')).status, 413u);
    const std::string chunked = site.exchange_bytes(
        "POST /all HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: "
        "chunked\r\n\r\n3\r\nabc\r\n4\r\n"
        "defg\r\n0\r\n\r\n");
    EXPECT_TRUE(chunked.ends_with("\r\n\r\nabcdefg")) << chunked;
    const std::string too_much = site.exchange_bytes(
        "POST /all HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n80\r\n" +
        std::string(128, 'a') + "\r\n0\r\n\r\n");
    EXPECT_TRUE(too_much.starts_with("HTTP/1.1 413 ")) << too_much;
}

TEST(Site, HandlersThatFail) {
    http::site made;
    made.get("/silent", [](exchange&) noexcept {})
        .get("/silent-coroutine", [](exchange&) -> task<> { co_return; })
        .get("/throws",
             [](exchange&) -> task<> {
                 (void)co_await sleep_for(1ms);
                 throw std::runtime_error("for a test");
             })
        .get("/twice",
             [](exchange& x) noexcept {
                 x.respond(200, "text/plain", "one");
                 x.respond(200, "text/plain", "two");
             })
        .get("/field",
             [](exchange& x) noexcept {
                 x.add("X-A", "a\r\nSet-Cookie: b");
                 x.respond(200, "text/plain", "one");
             })
        .get("/half", [](exchange& x) -> task<> {
            (void)co_await x.write("half");
            throw std::runtime_error("in the middle");
        });
    http::test site(std::move(made));
    for (const char* const path : {"/silent", "/silent-coroutine", "/throws", "/field"}) {
        const auto answer = site.ask("GET", path);
        EXPECT_EQ(answer.status, 500u) << path;
        ASSERT_EQ(answer.reports.size(), 1u) << path;
        EXPECT_NE(answer.reports[0].find(path), std::string::npos) << answer.reports[0];
    }
    const auto twice = site.ask("GET", "/twice");
    EXPECT_EQ(twice.body, "one");
    EXPECT_EQ(twice.reports.size(), 1u);
    EXPECT_THROW((void)site.ask("GET", "/half"), std::runtime_error);
}

TEST(Site, PiecesAndFields) {
    http::site made;
    made.get("/counted",
             [](exchange& x) -> task<> {
                 x.status(203).add("Content-Length", "6").add("X-A", "b");
                 (void)co_await x.write("abc");
                 (void)co_await x.write("def");
                 auto more = co_await x.write("g");
                 EXPECT_FALSE(more);
                 (void)co_await x.end();
             })
        .get("/informed", [](exchange& x) -> task<> {
            x.add("Link", "</a.css>");
            (void)co_await x.inform(103);
            x.respond(200, "text/plain", "done");
        });
    http::test site(std::move(made));
    const auto counted = site.ask("GET", "/counted");
    EXPECT_EQ(counted.status, 203u);
    EXPECT_EQ(counted.body, "abcdef");
    EXPECT_EQ(counted.field("x-a"), "b");
    EXPECT_EQ(site.ask("GET", "/informed").body, "done");
}

TEST(Site, Middleware) {
    struct user {
        std::string name;
    };
    http::site made = greeting();
    made.before([](exchange& x) noexcept {
            if (x.field("x-user")) {
                x.value<user>().name = *x.field("x-user");
            } else {
                x.respond(401, "text/plain", "who?");
            }
            x.add("X-Before", "1");
        })
        .on_head([](const exchange&, http::answer_head& head) {
            head.set("X-Status", std::to_string(head.status()));
            head.remove("Content-Type");
        })
        .get("/user", [](exchange& x) noexcept { x.respond(200, "text/plain", x.value<user>().name); })
        .get("/later", [](exchange& x) -> task<> {
            (void)co_await sleep_for(1ms);
            x.respond(200, "text/plain", x.value<user>().name);
        });
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/user").status, 401u);
    const auto answer = site.ask("GET", "/user", "", "X-User: me\r\n");
    EXPECT_EQ(answer.body, "me");
    EXPECT_EQ(answer.field("X-Status"), "200");
    EXPECT_EQ(answer.field("X-Before"), "1");
    EXPECT_EQ(answer.field("Content-Type"), "");
    EXPECT_EQ(site.ask("GET", "/later", "", "X-User: me\r\n").body, "me");
    const auto none = site.ask("GET", "/nothing", "", "X-User: me\r\n");
    EXPECT_EQ(none.status, 404u);
    EXPECT_EQ(none.field("X-Status"), "404");
    EXPECT_EQ(none.field("X-Before"), "1");
}

TEST(Site, PagesOfErrors) {
    http::site made = greeting();
    std::size_t size = 0;
    made.error_page([&size](unsigned status, std::string_view) {
            if (size == 1) throw std::runtime_error("for a test");
            return std::to_string(status) + std::string(size, 'x');
        })
        .get("/silent", [](exchange&) noexcept {});
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/missing").body, "404");
    EXPECT_EQ(site.ask("POST", "/hello/a", "1").body, "405");
    EXPECT_EQ(site.ask("GET", "/silent").body, "500");
    size = 100'000;
    EXPECT_EQ(site.ask("GET", "/missing").body.size(), 100'003u);
    EXPECT_EQ(site.ask("HEAD", "/missing").field("Content-Length"), "100003");
    size = 1;
    EXPECT_NE(site.ask("GET", "/missing").body.find("404 Not Found"), std::string::npos);
}

TEST(Site, StateOfALoop) {
    struct counter {
        int count = 0;
    };
    http::site made;
    struct began_at {
        int count;
    };
    made.per_loop([](loop&) { return counter(); })
        .per_loop([] { return began_at{10}; })
        .get("/count",
             [](exchange& x) noexcept {
                 x.respond(200, "text/plain", std::to_string(++x.local<counter>().count));
             })
        .get("/began", [](exchange& x) noexcept {
            x.respond(200, "text/plain", std::to_string(x.local<began_at>().count));
        });
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/count").body, "1");
    EXPECT_EQ(site.ask("GET", "/count").body, "2");
    EXPECT_EQ(site.ask("GET", "/began").body, "10");
}

TEST(Site, WhatBlocksRunsElsewhere) {
    http::site made;
    const auto here = std::this_thread::get_id();
    made.post("/work", http::blocking([here](const http::request_view& request, std::stop_token) {
                  EXPECT_NE(std::this_thread::get_id(), here);
                  http::answer made_there(202, "text/plain", request.body() + std::string(request.path()));
                  made_there.fields.emplace_back("X-Made", "there");
                  return made_there;
              }));
    http::test site(std::move(made));
    const auto answer = site.ask("POST", "/work", "body of ");
    EXPECT_EQ(answer.status, 202u);
    EXPECT_EQ(answer.body, "body of /work");
    EXPECT_EQ(answer.field("X-Made"), "there");
}

TEST(Site, PreparedAnswers) {
    static const http::prepared hello(200, "text/plain", "Hello!", "X-A: b\r\n");
    http::site made;
    made.get("/", [](exchange& x) noexcept { x.respond(hello); });
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/").body, "Hello!");
    const std::string two = site.exchange_bytes(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(two.find("Hello!") != two.rfind("Hello!"), true) << two;
    EXPECT_EQ(site.ask("HEAD", "/").field("Content-Length"), "6");
    EXPECT_THROW(http::prepared(200, "a\r\nb", ""), std::invalid_argument);
    EXPECT_THROW(http::prepared(200, "a", "", "X-A\r\n"), std::invalid_argument);
}

TEST(Site, Events) {
    http::site made;
    made.get("/events", [](exchange& x) -> task<> {
        http::event_stream stream(x);
        (void)co_await stream.send(http::event("one\r\ntwo\n", "1", "both"));
        (void)co_await stream.keep_alive();
        (void)co_await stream.send(http::event(stream.last_id().value_or("none"), "a\nb"));
        (void)co_await stream.send("a text");
        const std::string another = "another";
        (void)co_await stream.send(another);
        (void)co_await stream.end();
    });
    http::test site(std::move(made));
    const auto answer = site.ask("GET", "/events", "", "Last-Event-ID: 7\r\n");
    EXPECT_EQ(answer.field("Content-Type"), "text/event-stream");
    EXPECT_EQ(answer.body,
              "id: 1\nevent: both\ndata: one\ndata: two\ndata: \n\n:\n\ndata: 7\n\ndata: a text\n\ndata: "
              "another\n\n");
}

TEST(Site, AnUpgrade) {
    http::site made;
    made.get("/up", [](exchange& x) noexcept {
        x.add("X-Protocol", "yes").add("X-More", "of it");
        const bool done = x.upgrade("shout", [](http::upgraded_stream stream) -> task<> {
            auto piece = co_await stream.receive();
            if (!piece) co_return;
            (void)co_await stream.send("you said " + std::string(piece->text()));
        });
        if (!done) x.respond(426, "text/plain", "upgrade to shout");
    });
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/up").status, 426u);
    const std::string bytes = site.exchange_bytes(
        "GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nhello");
    EXPECT_TRUE(bytes.starts_with("HTTP/1.1 101 ")) << bytes;
    EXPECT_NE(bytes.find("\r\nX-Protocol: yes\r\nX-More: of it\r\n"), std::string::npos) << bytes;
    EXPECT_TRUE(bytes.ends_with("\r\n\r\nyou said hello")) << bytes;
}

}  // namespace
}  // namespace naru::testing
