// HTTP/2 of the client, chosen by ALPN: against the server on a thread of its own, and against one that
// follows a script, frame by frame.
#include "client_fixture.hpp"
#include "http2_by_hand.hpp"

#include <naru/http/server/server.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

using http::client_step;

/// More than a stream's window.
const std::string& large() {
    static const std::string one = pattern(800'000);
    return one;
}

class ClientHttp2 : public client_conformance {
 protected:
    void SetUp() override {
        client_conformance::SetUp();
        if (loop_ != nullptr) options_.tls.ca_file = common_authority().root_file();
    }
    void TearDown() override {
        end_client();
        // A connection that is still there the server would wait for.
        if (loop_ != nullptr) (void)run_until([this] { return loop().in_flight() == 0; }, a_minute);
        server_.reset();
        client_conformance::TearDown();
    }
    void start(std::vector<std::string> protocols = {"h2"}, bool wants_certificates = false) {
        http::site site;
        site.get("/", [](http::exchange& x) noexcept { x.respond(200, "text/plain", "by HTTP/2"); })
            .get("/large", [](http::exchange& x) noexcept { x.respond(200, "text/plain", large()); })
            .get("/none", [](http::exchange& x) noexcept { x.respond(204, "", ""); })
            .get("/moved", [](http::exchange& x) noexcept { x.redirect(302, "/"); })
            .get("/cut", [](http::exchange& x) -> task<> { (void)co_await x.write("not the whole"); })
            .get("/pieces",
                 [](http::exchange& x) -> task<> {
                     for (int each = 0; each < 20; ++each)
                         (void)co_await x.write(pattern(10'000));
                     (void)co_await x.end();
                 })
            .post("/both",
                  [](http::exchange& x) -> task<> {
                      while (auto piece = co_await x.read()) {
                          auto written = co_await x.write(piece->bytes());
                          if (!written) co_return;
                      }
                      (void)co_await x.end();
                  },
                  {.body_limit = 1u << 30})
            .post("/early",
                  [this](http::exchange& x) -> task<> {
                      (void)co_await x.write("thanks");
                      while (auto piece = co_await x.read())
                          read_ += piece->size();
                      (void)co_await x.end();
                  },
                  {.body_limit = 1u << 30})
            .post("/echo", [](http::exchange& x) -> task<> {
                auto body = co_await x.read_all();
                if (body) x.respond(200, "text/plain", std::move(*body));
            });
        site.encode();
        http::server_options how;
        how.engine = engine::poll;
        how.report = [](std::string_view) {};
        auto credentials =
            std::make_shared<http::tls_credentials>(server_context([&](tls_server_options& change) {
                change.protocols = std::move(protocols);
                if (!wants_certificates) return;
                change.client_certificates = tls_client_certificates::required;
                change.client_ca_file = common_authority().root_file();
            }));
        server_ = std::make_unique<http::server>(
            std::move(site), std::vector<http::endpoint>{{.listen = "127.0.0.1:0", .tls = credentials}},
            std::move(how));
        server_->start();
        where_ = server_->local_address();
    }
    std::string url(std::string_view target = "/") {
        options_.resolve = [where = where_](const std::string&, std::uint16_t) {
            return result<std::vector<address>>({where});
        };
        return "https://localhost:" + std::to_string(where_.port()) + std::string(target);
    }
    outcome_of_request get_patiently(std::string_view target) {
        outcome_of_request got;
        background one(loop());
        http::client_request what("GET", url(target));  // before there is a client, which looks names up
        one.spawn(note(ask(client(), std::move(what)), got));
        (void)run_until([&] { return one.running() == 0; }, a_minute);
        return got;
    }
    outcome_of_request send_patiently(http::client_request what) {
        outcome_of_request got;
        background one(loop());
        one.spawn(note(ask(client(), std::move(what)), got));
        (void)run_until([&] { return one.running() == 0; }, a_minute);
        return got;
    }

    std::atomic<std::size_t> read_ = 0;  // by /early
    std::unique_ptr<http::server> server_;
    address where_ = address::parse("127.0.0.1:1").value();
};
NARU_ON_SOME_BACKENDS(ClientHttp2);

TEST_P(ClientHttp2, ManyRequestsAreUnderWayOnOneConnection) {
    start();
    std::vector<outcome_of_request> got(120);  // more than there may be at once
    background askers(loop());
    for (std::size_t each = 0; each < got.size(); ++each) {
        const bool large = each % 40 == 7;
        askers.spawn(
            note(ask(client(), http::client_request("GET", url(large ? "/large" : "/"))), got[each]));
    }
    ASSERT_TRUE(run_until([&] { return askers.running() == 0; }, a_minute));
    for (std::size_t each = 0; each < got.size(); ++each) {
        EXPECT_EQ(got[each].status, 200u) << got[each].text();
        EXPECT_TRUE(got[each].body == (each % 40 == 7 ? large() : "by HTTP/2")) << each;
    }
    EXPECT_EQ(client().open_connections(), 1u);
    EXPECT_EQ(client().kept_connections(), 1u);
}

TEST_P(ClientHttp2, AnAlertBehindTheHandshakeIsNamed) {
    for (const bool http2 : {true, false}) {
        start({http2 ? "h2" : "http/1.1"}, true);
        options_.resolve = {};
        const auto got = get_patiently("/");
        ASSERT_TRUE(got.failed);
        EXPECT_EQ(got.error.error, tls_errc::alert) << got.text();
        EXPECT_NE(got.error.text().find("certificate"), std::string::npos) << got.text();
        end_client();
        (void)run_until([this] { return loop().in_flight() == 0; }, a_minute);
    }
}

TEST_P(ClientHttp2, ABodyIsSentWhileItsAnswerComes) {
    start();
    const std::string body = pattern(4'000'000);
    for (const bool streamed : {false, true}) {
        http::client_request post("POST", url("/both"));
        std::size_t at = 0;
        auto source = [&]() -> task<result<bytes_view>> {
            const std::string_view piece = std::string_view(body).substr(at, 100'000);
            at += piece.size();
            co_return as_bytes(piece);
        };
        if (streamed) {
            post.body(std::ref(source));
        } else {
            post.body(body);
        }
        std::string got;
        auto take = [&](http::client_answer answer) -> task<> {
            auto text = co_await answer.text();
            got = text ? std::move(*text) : text.error().text();
        };
        auto both = [&]() -> task<> {
            auto done = co_await client().request(std::move(post), take);
            if (!done) got = done.error().text();
        };
        background one(loop());
        one.spawn(both());
        ASSERT_TRUE(run_until([&] { return one.running() == 0; }, a_minute));
        EXPECT_TRUE(got == body) << got.size() << " " << got.substr(0, 200);
    }
    EXPECT_EQ(client().open_connections(), 1u);
}

TEST_P(ClientHttp2, AnAnswerThatBeginsEarlyCutsNothingOff) {
    start();
    const std::string body = pattern(2'000'000);
    http::client_request post("POST", url("/early"));
    post.body(body);
    EXPECT_EQ(send_patiently(std::move(post)).text(), "200 thanks");
    EXPECT_EQ(read_, body.size());
}

TEST_P(ClientHttp2, WhatARequestCanBe) {
    start();
    EXPECT_EQ(get_patiently("/none").status, 204u);
    EXPECT_EQ(get_patiently("/moved").text(), "200 by HTTP/2");
    std::string pieces;
    for (int each = 0; each < 20; ++each)
        pieces += pattern(10'000);
    EXPECT_TRUE(get_patiently("/pieces").body == pieces) << "in gzip, without a length";
    http::client_request post("POST", url("/echo"));
    post.body(pattern(700'000)).add("Keep-Alive", "has no place here");
    EXPECT_TRUE(send_patiently(std::move(post)).body == pattern(700'000));
    for (const bool told : {false, true}) {
        http::client_request streamed("POST", url("/echo"));
        streamed.body(
            [left = 5, piece = pattern(50'000)]() mutable -> task<result<bytes_view>> {
                co_return left-- > 0 ? as_bytes(std::string_view(piece)) : bytes_view();
            },
            told ? std::optional<std::uint64_t>(250'000) : std::nullopt);
        EXPECT_EQ(send_patiently(std::move(streamed)).body.size(), 250'000u);
    }
    http::client_request empty("POST", url("/echo"));
    EXPECT_EQ(send_patiently(std::move(empty)).text(), "200 ");
    const auto head = send_patiently(http::client_request("HEAD", url("/large")));
    EXPECT_EQ(head.text(), "200 ");
    EXPECT_EQ(client().open_connections(), 1u);
}

TEST_P(ClientHttp2, HalfAnAnswerIsNoAnswer) {
    start();
    const auto cut = get_patiently("/cut");
    ASSERT_TRUE(cut.failed) << cut.text();
    EXPECT_EQ(cut.error.step, client_step::body) << cut.text();
    EXPECT_EQ(get_patiently("/").text(), "200 by HTTP/2");
    EXPECT_EQ(client().open_connections(), 1u) << "only its stream has ended";
}

TEST_P(ClientHttp2, WhoDoesNotReadHoldsUpNobody) {
    start();
    bool done = false;
    auto script = [&]() -> task<> {
        auto unread = co_await client().get(url("/large"));
        EXPECT_TRUE(unread) << unread.error().text();
        if (!unread) co_return;
        {
            auto dropped = co_await client().get(url("/large"));
            EXPECT_TRUE(dropped);
        }
        for (int each = 0; each < 3; ++each) {
            auto other = co_await client().get(url("/large"));
            EXPECT_TRUE(other);
            if (!other) co_return;
            auto body = co_await other->text();
            EXPECT_TRUE(body && *body == large());
        }
        auto late = co_await unread->text();
        EXPECT_TRUE(late && *late == large());
        EXPECT_EQ(client().open_connections(), 1u);
        done = true;
    };
    background one(loop());
    one.spawn(script());
    ASSERT_TRUE(run_until([&] { return one.running() == 0; }, a_minute));
    EXPECT_TRUE(done);
}

TEST_P(ClientHttp2, TheServerChooses) {
    start({"http/1.1"});
    EXPECT_EQ(get_patiently("/").text(), "200 by HTTP/2");
    std::vector<outcome_of_request> got(40);
    options_.connections_per_origin = 3;
    end_client();
    background askers(loop());
    for (auto& each : got)
        askers.spawn(note(ask(client(), http::client_request("GET", url())), each));
    ASSERT_TRUE(run_until(
        [&] {
            EXPECT_LE(client().open_connections(), 3u) << "of HTTP/1.1";
            return askers.running() == 0;
        },
        a_minute));
    for (const auto& each : got)
        EXPECT_EQ(each.text(), "200 by HTTP/2");
    end_client();
    start({"h2", "http/1.1"});
    options_.http2 = false;
    EXPECT_EQ(get_patiently("/").text(), "200 by HTTP/2");
    end_client();
    start({"h2"});
    const auto refused = get_patiently("/");
    ASSERT_TRUE(refused.failed) << refused.text();
    EXPECT_EQ(refused.error.step, client_step::tls) << refused.text();
}

TEST_P(ClientHttp2, AConnectionEndsAfterItsTime) {
    start();
    options_.idle_time = 1ms;
    EXPECT_EQ(get_patiently("/").text(), "200 by HTTP/2");
    EXPECT_TRUE(run_until([&] { return client().open_connections() == 0; }, a_minute));
    end_client();
    options_.idle_time = 0ms;
    EXPECT_EQ(get_patiently("/").text(), "200 by HTTP/2");
    EXPECT_EQ(client().open_connections(), 0u);
}

// ---------------------------------------------------------------------------------------- by a script

class ClientHttp2Script : public ClientHttp2 {
 protected:
    void serve(std::function<task<>(by_hand&, std::size_t)> script) {
        script_ = std::move(script);
        scripted_ = std::make_unique<scripted_server>(loop(), [this](served& peer) -> task<> {
            const std::size_t index = peer.index;
            by_hand talk;
            if (co_await talk.begin(peer)) co_await script_(talk, index);
        });
        where_ = scripted_->where();
    }
    void TearDown() override {
        end_client();
        scripted_.reset();
        ClientHttp2::TearDown();
    }
    http::client_request post(std::size_t size = 10) {
        http::client_request made("POST", url());
        made.body(pattern(size));
        return made;
    }

    std::function<task<>(by_hand&, std::size_t)> script_;
    std::unique_ptr<scripted_server> scripted_;
};
NARU_ON_SOME_BACKENDS(ClientHttp2Script);

TEST_P(ClientHttp2Script, RefusedStreamsAreTriedAgain) {
    std::size_t answered = 0;
    serve([&](by_hand& talk, std::size_t) -> task<> {
        for (unsigned each = 0;; ++each) {
            const by_hand::request got = co_await talk.next();
            if (got.id == 0) co_return;
            if (each % 3 == 2) {
                ++answered;
                co_await talk.answer(got.id);
            } else {
                co_await talk.reset(got.id, refused_stream);
            }
        }
    });
    EXPECT_EQ(get_patiently("/").text(), "200 ok");
    EXPECT_EQ(send_patiently(post()).text(), "200 ok") << "whatever it is: nobody has looked at it";
    EXPECT_EQ(answered, 2u);
    EXPECT_EQ(scripted_->connections(), 1u);
}

TEST_P(ClientHttp2Script, AServerThatRefusesAllIsNotAskedForEver) {
    std::size_t asked = 0;
    serve([&](by_hand& talk, std::size_t) -> task<> {
        while (true) {
            const by_hand::request got = co_await talk.next();
            if (got.id == 0) co_return;
            ++asked;
            co_await talk.reset(got.id, refused_stream);
        }
    });
    const auto got = get_patiently("/");
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(asked, http::limits::client_tries);
    EXPECT_FALSE(got.error.maybe_processed);
    EXPECT_NE(got.text().find("REFUSED_STREAM"), std::string::npos) << got.text();
}

TEST_P(ClientHttp2Script, AGoawaySaysWhatMayBeSentAgain) {
    std::size_t answered = 0;
    serve([&](by_hand& talk, std::size_t index) -> task<> {
        if (index == 0) {  // three requests are taken, one of them is looked at
            const by_hand::request first = co_await talk.next();
            (void)co_await talk.next();
            (void)co_await talk.next();
            co_await talk.goaway(first.id);
            ++answered;
            co_await talk.answer(first.id);
            co_return co_await talk.end();
        }
        while (true) {
            const by_hand::request got = co_await talk.next();
            if (got.id == 0) co_return;
            ++answered;
            co_await talk.answer(got.id);
        }
    });
    std::vector<outcome_of_request> got(3);
    background askers(loop());
    for (auto& each : got)
        askers.spawn(note(ask(client(), post()), each));
    ASSERT_TRUE(run_until([&] { return askers.running() == 0; }, a_minute));
    for (const auto& each : got)
        EXPECT_EQ(each.text(), "200 ok");
    EXPECT_EQ(answered, 3u) << "each of them once";
    EXPECT_EQ(scripted_->connections(), 2u);
}

TEST_P(ClientHttp2Script, APostIsNotSentTwice) {
    std::size_t posted = 0;
    serve([&](by_hand& talk, std::size_t index) -> task<> {
        if (index == 0) {
            const by_hand::request first = co_await talk.next();
            co_await talk.answer(first.id);
        }
        if ((co_await talk.next()).id != 0) ++posted;
        co_await talk.end();  // without a word
    });
    EXPECT_EQ(get_patiently("/").text(), "200 ok");
    const auto got = send_patiently(post());
    ASSERT_TRUE(got.failed);
    EXPECT_TRUE(got.error.maybe_processed);
    EXPECT_EQ(posted, 1u);
    EXPECT_EQ(scripted_->connections(), 1u);
}

TEST_P(ClientHttp2Script, AGetIsSentAgainOnce) {
    std::size_t asked = 0;
    serve([&](by_hand& talk, std::size_t index) -> task<> {
        const by_hand::request first = co_await talk.next();
        ++asked;
        if (index != 1) co_await talk.answer(first.id);
        if (index == 0 && (co_await talk.next()).id != 0) ++asked;
        if (index < 2) co_await talk.end();
        (void)co_await talk.next();
    });
    EXPECT_EQ(get_patiently("/").text(), "200 ok");
    const auto twice = get_patiently("/");
    EXPECT_TRUE(twice.failed) << "on the kept connection, and on a fresh one";
    EXPECT_EQ(asked, 3u);
    EXPECT_EQ(get_patiently("/").text(), "200 ok");
    EXPECT_EQ(scripted_->connections(), 3u);
}

TEST_P(ClientHttp2Script, InterimAnswersAndTrailersAreNoAnswers) {
    serve([&](by_hand& talk, std::size_t) -> task<> {
        const by_hand::request got = co_await talk.next();
        const std::string interim(
            "\x08\x03"
            "103",
            5);  // ":status: 103", the name from HPACK's table
        co_await talk.send(type_headers, end_headers, got.id, interim);
        co_await talk.send(type_headers, end_headers, got.id, "\x88");
        co_await talk.send(type_data, 0, got.id, "body");
        co_await talk.send(type_headers, end_headers | end_stream, got.id, std::string("\0\1x\1y", 5));
        (void)co_await talk.next();
    });
    EXPECT_EQ(get_patiently("/").text(), "200 body");
}

TEST_P(ClientHttp2Script, ErrorsAreNamed) {
    serve([&](by_hand& talk, std::size_t) -> task<> {
        const by_hand::request first = co_await talk.next();
        co_await talk.send(type_headers, end_headers, first.id, "\x88");
        co_await talk.send(type_data, 0, first.id, "half");
        co_await talk.reset(first.id, internal_error);
        const by_hand::request second = co_await talk.next();
        const std::string no_status("\0\1x\1y", 5);
        co_await talk.send(type_headers, end_headers | end_stream, second.id, no_status);
        (void)co_await talk.next();
        co_await talk.send(type_settings, 0, 0, "five!");
        (void)co_await talk.next();
    });
    const auto half = get_patiently("/");
    ASSERT_TRUE(half.failed) << half.text();
    EXPECT_EQ(half.error.step, client_step::body);
    EXPECT_NE(half.text().find("INTERNAL_ERROR"), std::string::npos) << half.text();
    const auto none = get_patiently("/");
    ASSERT_TRUE(none.failed) << none.text();
    EXPECT_EQ(none.error.step, client_step::head);
    EXPECT_NE(none.text().find("PROTOCOL_ERROR"), std::string::npos) << none.text();
    EXPECT_EQ(client().open_connections(), 1u) << "only streams have ended";
    const auto broken = send_patiently(post());
    ASSERT_TRUE(broken.failed) << broken.text();
    EXPECT_EQ(broken.error.error, std::errc::protocol_error) << broken.text();
    EXPECT_EQ(scripted_->connections(), 1u);
}

TEST_P(ClientHttp2Script, WhoGivesUpEndsTheStreamOnly) {
    bool has_asked = false;
    serve([&](by_hand& talk, std::size_t) -> task<> {
        const by_hand::request first = co_await talk.next();
        has_asked = true;
        const by_hand::request second = co_await talk.next();
        co_await talk.answer(first.id);  // nobody wants it
        co_await talk.answer(second.id);
        const by_hand::request third = co_await talk.next();
        co_await talk.answer(third.id);
        (void)co_await talk.next();
    });
    {
        outcome_of_request given_up;
        http::client_request what("GET", url());
        background one(loop());
        one.spawn(note(ask(client(), std::move(what)), given_up));
        ASSERT_TRUE(run_until([&] { return has_asked; }, a_minute));
        one.stop();
        ASSERT_TRUE(run_until([&] { return one.running() == 0; }, a_minute));
        EXPECT_TRUE(given_up.failed);
    }
    EXPECT_EQ(get_patiently("/").text(), "200 ok");
    EXPECT_EQ(get_patiently("/").text(), "200 ok");
    EXPECT_EQ(scripted_->connections(), 1u);
    EXPECT_EQ(client().open_connections(), 1u);
}

}  // namespace
}  // namespace naru::testing
