// Fields of answers that the library has words of its own for, and what is refused: asked without a server.
#include "fixture.hpp"

#include <naru/fs/file.hpp>
#include <naru/http/http.hpp>
#include <naru/testing/http.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>

namespace naru::testing {
namespace {

using http::exchange;

constexpr std::string_view long_ago = "Sun, 06 Nov 1994 08:49:37 GMT";

std::size_t count(const http::test_answer& in, std::string_view name) {
    return static_cast<std::size_t>(
        std::ranges::count_if(in.fields, [&](const auto& each) { return each.first == name; }));
}

// A proxy tells on what it was told.
TEST(AnswerFields, DateAndServerAreTheHandlersIfItAddsThem) {
    static const http::prepared whole(200, "text/plain", "prepared");
    const auto add_both = [](exchange& x) { x.add("Date", long_ago).add("Server", "another"); };
    for (const bool with_hooks : {false, true}) {
        http::site made;
        if (with_hooks)
            made.on_head([](const exchange&, http::answer_head& head) { head.add("X-Hook", "1"); });
        made.get("/at-once",
                 [=](exchange& x) noexcept {
                     add_both(x);
                     x.respond(200, "text/plain", "body");
                 })
            .get("/prepared",
                 [=](exchange& x) noexcept {
                     add_both(x);
                     x.respond(whole);
                 })
            .get("/pieces",
                 [=](exchange& x) -> task<> {
                     add_both(x);
                     (void)co_await x.write("body");
                     (void)co_await x.end();
                 })
            .get("/date",
                 [](exchange& x) noexcept {
                     x.add("date", long_ago);
                     x.respond(204);
                 })
            .get("/server",
                 [](exchange& x) noexcept {
                     x.add("server", "another");
                     x.respond(204);
                 })
            .get("/neither", [](exchange& x) -> task<> {
                x.respond(204);
                co_return;
            });
        http::test site(std::move(made));
        for (int round = 0; round < 2; ++round) {
            for (const std::string_view target : {"/at-once", "/prepared", "/pieces"}) {
                const auto answer = site.ask("GET", target);
                EXPECT_EQ(answer.status, 200u) << target;
                EXPECT_EQ(answer.field("Date"), long_ago) << target;
                EXPECT_EQ(answer.field("Server"), "another") << target;
                EXPECT_EQ(count(answer, "Date") + count(answer, "Server"), 2u) << target;
                EXPECT_EQ(answer.field("X-Hook"), with_hooks ? "1" : "") << target;
            }
            const auto dated = site.ask("GET", "/date");
            EXPECT_EQ(dated.field("Date"), long_ago);
            EXPECT_EQ(dated.field("Server"), "naru");
            const auto served = site.ask("GET", "/server");
            EXPECT_EQ(served.field("Server"), "another");
            EXPECT_EQ(count(served, "Date"), 1u);
            EXPECT_NE(served.field("Date"), long_ago);
            const auto neither = site.ask("GET", "/neither");
            EXPECT_EQ(neither.field("Server"), "naru");
            EXPECT_EQ(count(neither, "Date"), 1u);
        }
    }
}

TEST(AnswerFields, AnswersThatAreNoHandlersHaveTheLibrarys) {
    const temporary_directory files;
    files.write("one.txt", "a file\n");
    for (const bool by_coroutine : {false, true}) {
        http::site made;
        made.before(
            [](exchange& x) noexcept { x.add("Date", long_ago).add("Server", "x").add("X-Step", "1"); });
        if (by_coroutine) made.before([](exchange&) -> task<> { co_return; });
        made.mount("/files/", http::files(files.path().string()));
        http::test site(std::move(made));
        for (const std::string_view target : {"/files/one.txt", "/nothing"}) {
            const auto answer = site.ask("GET", target);
            EXPECT_EQ(answer.field("X-Step"), "1") << target;
            EXPECT_EQ(count(answer, "Date") + count(answer, "Server"), 2u) << target;
            EXPECT_EQ(answer.field("Server"), "naru") << target;
        }
    }
}

TEST(AnswerFields, WhatIsRefusedIsNamed) {
    struct trial {
        std::string_view target;
        std::string_view says;
    };
    http::site made;
    made.get("/connection",
             [](exchange& x) noexcept {
                 x.add("Connection", "close");
                 x.respond(200, "text/plain", "");
             })
        .get("/value",
             [](exchange& x) noexcept {
                 x.add("X-A", "a\nb");
                 x.respond(200, "text/plain", "");
             })
        .get("/twice",
             [](exchange& x) noexcept {
                 x.add("Date", long_ago).add("Date", long_ago);
                 x.respond(200, "text/plain", "");
             })
        .get("/cookie",
             [](exchange& x) noexcept {
                 http::set_cookie(x, "a b", "c");
                 x.respond(200, "text/plain", "");
             })
        .get("/status", [](exchange& x) noexcept { x.respond(99, "text/plain", ""); })
        .get("/type", [](exchange& x) noexcept { x.respond(200, "a\nb", ""); })
        .get("/length", [](exchange& x) -> task<> {
            x.add("Content-Length", "many");
            (void)co_await x.write("1");
        });
    http::test site(std::move(made));
    for (const auto& [target, says] :
         {trial{"/connection", "the handler of /connection added a field that cannot be sent: Connection"},
          trial{"/value", "the handler of /value added a field that cannot be sent: X-A"},
          trial{"/twice", "the handler of /twice added a field that cannot be sent: Date"},
          trial{"/cookie", "the handler of /cookie added a field that cannot be sent: Set-Cookie"},
          trial{"/status", "the handler of /status gave a status that no answer has: 99"},
          trial{"/type", "the handler of /type gave a type that cannot be sent: a?b"},
          trial{"/length", "the handler of /length added a field that cannot be sent: Content-Length"}}) {
        const auto answer = site.ask("GET", target);
        EXPECT_EQ(answer.status, 500u) << target;
        ASSERT_EQ(answer.reports.size(), 1u) << target;
        EXPECT_EQ(answer.reports[0], says);
    }
}

TEST(AnswerFields, PagesOfErrorsHaveAType) {
    http::site made;
    made.error_page(
        [](unsigned status, std::string_view) {
            if (status == 405) throw std::runtime_error("for a test");
            return "{\"status\":" + std::to_string(status) + "}";
        },
        "application/problem+json");
    made.get("/one", [](exchange& x) noexcept { x.respond(204); });
    http::test site(std::move(made));
    const auto none = site.ask("GET", "/nothing");
    EXPECT_EQ(none.body, "{\"status\":404}");
    EXPECT_EQ(none.field("Content-Type"), "application/problem+json");
    EXPECT_EQ(site.ask("POST", "/one").field("Content-Type"), "text/html; charset=utf-8");  // the library's
    const auto page = [](unsigned, std::string_view) { return std::string(); };
    EXPECT_THROW(http::site().error_page(page, ""), std::invalid_argument);
    EXPECT_THROW(http::site().error_page(page, "a\r\nb"), std::invalid_argument);
    EXPECT_THROW(http::site().error_page(page, std::string(1000, 'a')), std::invalid_argument);
}

TEST(AnswerFields, BlockingHandlersSeeWhatMiddlewareLeftAndSetCookies) {
    struct number {
        int value = 0;
    };
    http::site made;
    made.before([](exchange& x) noexcept {
            if (x.field("x-number")) x.value<number>().value = 7;
        })
        .get("/jobs/{name}", http::blocking([](const http::request_view& of, std::stop_token) {
                 const number* const left = of.value<number>();
                 int fields = 0;
                 for (const auto& each : of.fields())
                     fields += each.name == "X-Number" ? 1 : 0;
                 http::answer told(200, "text/plain",
                                   std::to_string(left == nullptr ? -1 : left->value) + " " +
                                       std::to_string(fields) + " " + std::string(of.pattern()));
                 http::set_cookie(told, "session", std::string(of.param("name")));
                 return told;
             }));
    http::test site(std::move(made));
    const auto answer = site.ask("GET", "/jobs/a", "", "X-Number: 1\r\n");
    EXPECT_EQ(answer.body, "7 1 /jobs/{name}");
    EXPECT_TRUE(answer.field("Set-Cookie").starts_with("session=a; Path=/")) << answer.field("Set-Cookie");
    EXPECT_EQ(site.ask("GET", "/jobs/a").body, "-1 0 /jobs/{name}");
    EXPECT_EQ(site.ask("GET", "/jobs/a%20b").status, 500u);
}

TEST(AnswerFields, AFileOfTheLoopsIsWrittenByItself) {
    const temporary_directory files;
    files.write("one.txt", "a file of the loop's\n");
    http::site made;
    made.get("/file", [&](exchange& x) -> task<> {
        auto opened = co_await file::open(x.home(), (files.path() / "one.txt").string());
        EXPECT_TRUE(opened.has_value());
        if (!opened) co_return;
        auto status = co_await opened->status();
        const std::uint64_t size = status ? status->size : 0;
        x.add("Content-Length", std::to_string(size));
        auto sent = co_await x.write_file(*opened, 0, size);
        EXPECT_TRUE(sent.has_value());
    });
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/file").body, "a file of the loop's\n");
    EXPECT_EQ(site.ask("HEAD", "/file").field("Content-Length"), "21");
}

}  // namespace
}  // namespace naru::testing
