// Requests on their way: bodies, redirects, deadlines, stops, names.
#include "client_fixture.hpp"

#include "support/gate.hpp"

namespace naru::testing {
namespace {

using http::client_request;
using http::client_step;

class ClientRequest : public client_conformance {};
NARU_ON_EVERY_BACKEND(ClientRequest);

/// Answers with what it was sent.
task<> mirror(served& peer) {
    while (auto request = co_await peer.request())
        if (!co_await peer.say(answer_of(request.head + request.body))) co_return;
}

TEST_P(ClientRequest, SaysWhatItIsToSay) {
    scripted_server server(loop(), mirror);
    const std::string host = server.where().text();
    std::string accept = http::gunzip::available() ? "Accept-Encoding: gzip\r\n" : "";
    EXPECT_EQ(get(server.url("/a b?q=\xc3\xa9#part")).body, "GET /a%20b?q=%C3%A9 HTTP/1.1\r\nHost: " + host +
                                                                "\r\nUser-Agent: naru\r\nAccept: */*\r\n" +
                                                                accept + "\r\n");
    client_request put("PUT", server.url("/x"));
    put.add("X-Own", " v ").add("Accept-Encoding", "br").add("user-agent", "me").add("host", "other:1");
    put.body("12345", "text/plain");
    EXPECT_EQ(send(std::move(put)).body,
              "PUT /x HTTP/1.1\r\nAccept: */*\r\nX-Own: v\r\nAccept-Encoding: br\r\nuser-agent: me\r\nhost: "
              "other:1\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n12345");
    EXPECT_TRUE(send(client_request("POST", server.url())).body.ends_with("Content-Length: 0\r\n\r\n"));
    EXPECT_EQ(send(client_request("DELETE", server.url())).body.find("Content-Length"), std::string::npos);
}

TEST_P(ClientRequest, ThatIsNoneIsNotSent) {
    scripted_server server(loop(), mirror);
    const auto refused = [&](client_request what) {
        const auto got = send(std::move(what));
        EXPECT_TRUE(got.failed);
        EXPECT_EQ(got.error.step, client_step::request) << got.text();
        EXPECT_EQ(got.error.error, std::errc::invalid_argument) << got.text();
        EXPECT_FALSE(got.error.maybe_processed);
    };
    for (const char* const url :
         {"", "x", "ftp://a/", "http://", "http:///x", "http://a:0/", "http://a:65536/", "http://a:x/",
          "http://u:p@a/", "http://a b/", "http://[::1/", "//a/", "http://a/\r\nX: y", "http:/a"})
        refused(client_request("GET", url));
    for (const char* const method : {"", "GET /", "GET\r\n", "CONNECT"})
        refused(client_request(method, server.url()));
    for (const char* const name : {"", "a b", "Content-Length", "transfer-encoding", "Connection", "x\r\ny"})
        refused(client_request("GET", server.url()).add(name, "1"));
    refused(client_request("GET", server.url()).add("x", "a\r\nInjected: yes"));
    refused(client_request("GET", server.url()).add("x", std::string_view("a\0b", 3)));
    refused(client_request("GET", server.url()).add("Host", "a").add("Host", "b"));
    EXPECT_EQ(server.connections(), 0u);
}

TEST_P(ClientRequest, ALargeBodyArrives) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        while (auto request = co_await peer.request())
            if (!co_await peer.say(answer_of(request.body))) co_return;
    });
    const std::string body = pattern(3'000'000);
    for (int each = 0; each < 2; ++each) {
        client_request post("PUT", server.url());
        post.body(body);
        const auto got = send(std::move(post));
        ASSERT_FALSE(got.failed) << got.text();
        EXPECT_TRUE(got.body == body);
    }
    EXPECT_EQ(server.connections(), 1u);
}

struct pieces_of {
    std::string text;
    std::size_t step;
    std::size_t at = 0;

    task<result<bytes_view>> next() {
        (void)co_await yield();
        const std::string_view piece = std::string_view(text).substr(at, step);
        at += piece.size();
        co_return as_bytes(piece);
    }
};

TEST_P(ClientRequest, AStreamedBodyArrives) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        while (auto request = co_await peer.request())
            if (!co_await peer.say(answer_of(request.body))) co_return;
    });
    pieces_of chunked{"hello, world", 5};
    client_request post("POST", server.url());
    post.body([&] { return chunked.next(); });
    EXPECT_EQ(send(std::move(post)).body, "5\r\nhello\r\n5\r\n, wor\r\n2\r\nld\r\n0\r\n\r\n");
    pieces_of counted{pattern(1'000'000), 300'000};
    client_request put("PUT", server.url());
    put.body([&] { return counted.next(); }, counted.text.size());
    EXPECT_TRUE(send(std::move(put)).body == counted.text);
    EXPECT_EQ(server.connections(), 1u);
}

TEST_P(ClientRequest, AStreamedBodyThatFailsEndsIt) {
    bool whole = false;
    scripted_server server(loop(), [&](served& peer) -> task<> { whole = whole || co_await peer.request(); });
    for (const std::size_t said : {9u, 3u}) {
        pieces_of wrong{"hello", 5};
        client_request post("POST", server.url());
        post.body([&] { return wrong.next(); }, said);
        const auto got = send(std::move(post));
        ASSERT_TRUE(got.failed);
        EXPECT_EQ(got.error.step, client_step::send) << got.text();
        EXPECT_EQ(got.error.error, std::errc::message_size) << got.text();
    }
    int calls = 0;
    for (const std::error_code why :
         {std::error_code(naru::errc::end_of_stream), std::make_error_code(std::errc::io_error)}) {
        client_request post("POST", server.url());
        calls = 0;
        post.body([&]() -> task<result<bytes_view>> {
            if (calls++ == 0) co_return as_bytes("begun");
            co_return fail(why);
        });
        const auto got = send(std::move(post));
        ASSERT_TRUE(got.failed);
        EXPECT_EQ(got.error.error, why);
        EXPECT_EQ(got.error.step, client_step::send) << got.text();
    }
    EXPECT_TRUE(run_until([&] { return client().open_connections() == 0; }));
    client_request throws("POST", server.url());
    throws.body([&]() -> task<result<bytes_view>> {
        (void)co_await yield();
        throw std::runtime_error("thrown");
    });
    EXPECT_THROW(send(std::move(throws)), std::runtime_error);
    EXPECT_EQ(client().open_connections(), 0u);
    EXPECT_FALSE(whole);
}

// A server that has seen enough answers before the body has ended, and the answer is not lost.
TEST_P(ClientRequest, AnAnswerBeforeTheBodysEndIsOne) {
    for (const bool endless : {true, false}) {
        scripted_server server(loop(), [](served& peer) -> task<> {
            auto begun = [](const std::string& text) { return text.find("\r\n\r\n") != std::string::npos; };
            (void)co_await peer.more_until(begun);
            if (!co_await peer.say("HTTP/1.1 102 Processing\r\n\r\n")) co_return;
            co_await peer.yields(5);
            if (!co_await peer.say(answer_of("enough", "", "413 Too Large"))) co_return;
            while (co_await peer.stream.receive()) {
            }
        });
        std::string piece(50'000, 'x');
        client_request post("POST", server.url());
        auto source = [&]() -> task<result<bytes_view>> {
            if (endless) co_return as_bytes(piece);
            co_return fail_errno((co_await sleep_for(1h)) ? EIO : ECANCELED);
        };
        post.body(std::move(source));
        EXPECT_EQ(send(std::move(post)).text(), "413 enough");
        EXPECT_EQ(client().open_connections(), 0u) << "half a request was sent there";
    }
}

TEST_P(ClientRequest, FollowsRedirects) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        while (auto request = co_await peer.request()) {
            std::string answer =
                answer_of(request.head.substr(0, request.head.find(" HTTP")) + " " + request.body);
            const std::string_view target = std::string_view(request.head).substr(request.head.find(' ') + 1);
            if (target.starts_with("/3"))
                answer = answer_of("moved", "Location: ../to/./x?y#z\r\n",
                                   std::string(target.substr(1, 3)) + " Moved");
            if (target.starts_with("/loop")) answer = answer_of("moved", "Location: /loop\r\n", "302 Found");
            if (target.starts_with("/none")) answer = answer_of("no place", "", "302 Found");
            if (target.starts_with("/large"))
                answer = answer_of(std::string(200'000, 'x'), "Location: /3\r\n", "302 Found");
            if (target.starts_with("/large")) answer.replace(answer.find("/3\r\n"), 2, "/t");
            if (target.starts_with("/tls"))
                answer = answer_of("", "Location: https://127.0.0.1:1/\r\n", "301 Moved");
            if (target.starts_with("/bad")) answer = answer_of("", "Location: http://u@x/\r\n", "301 Moved");
            if (request.has("HEAD ")) answer.erase(answer.find("\r\n\r\n") + 4);
            if (!co_await peer.say(answer)) co_return;
        }
    });
    const auto body_of = [&](const char* method, const char* target) {
        client_request what(method, server.url(target));
        if (std::string_view(method) == "POST" || std::string_view(method) == "PUT")
            what.body("data", "text/plain");
        return send(std::move(what)).text();
    };
    EXPECT_EQ(body_of("GET", "/302/b"), "200 GET /to/x?y ");
    for (const char* const status : {"/301/b", "/302/b", "/303/b"})
        EXPECT_EQ(body_of("POST", status), "200 GET /to/x?y ") << status;
    EXPECT_EQ(body_of("PUT", "/303/b"), "200 GET /to/x?y ");
    EXPECT_EQ(body_of("PUT", "/301/b"), "200 PUT /to/x?y data");
    for (const char* const status : {"/307/b", "/308/b"})
        EXPECT_EQ(body_of("POST", status), "200 POST /to/x?y data") << status;
    EXPECT_EQ(body_of("HEAD", "/303/b"), "200 ");
    EXPECT_EQ(get(server.url("/302/b")).url, server.url("/to/x?y"));
    EXPECT_EQ(server.connections(), 1u) << "a short body is read, and its connection used again";
    EXPECT_EQ(body_of("GET", "/large"), "200 GET /t ");
    EXPECT_EQ(server.connections(), 2u);
    EXPECT_EQ(body_of("GET", "/none"), "302 no place");
    const auto looped = get(server.url("/loop"));
    ASSERT_TRUE(looped.failed);
    EXPECT_EQ(looped.error.step, client_step::redirect);
    EXPECT_NE(looped.text().find("more than 10 redirects"), std::string::npos) << looped.text();
    EXPECT_EQ(get(server.url("/tls")).error.url, "https://127.0.0.1:1/");
    EXPECT_EQ(get(server.url("/bad")).error.step, client_step::redirect);
    client_request streamed("POST", server.url("/307/b"));
    pieces_of body{"once", 4};
    streamed.body([&] { return body.next(); });
    const auto got = send(std::move(streamed));
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(got.error.step, client_step::redirect) << got.text();
    end_client();
    options_.redirects = 0;
    EXPECT_EQ(get(server.url("/302/b")).text(), "302 moved");
}

TEST_P(ClientRequest, SecretsStayWithTheirOrigin) {
    scripted_server other(loop(), mirror);
    std::string location = other.url("/there");
    scripted_server server(loop(), [&](served& peer) -> task<> {
        while (auto request = co_await peer.request()) {
            if (request.has(" /near "))
                (void)co_await peer.say(answer_of(request.head));
            else
                (void)co_await peer.say(answer_of("", "Location: " + location + "\r\n", "307 Moved"));
        }
    });
    const auto ask_with_secrets = [&] {
        client_request what("GET", server.url());
        what.add("Authorization", "Basic c2VjcmV0")
            .add("Cookie", "secret=1")
            .add("X-Mine", "kept")
            .add("Host", "h");
        return send(std::move(what)).body;
    };
    std::string got = ask_with_secrets();
    EXPECT_EQ(got.find("ecre"), std::string::npos) << got;
    EXPECT_NE(got.find("X-Mine: kept"), std::string::npos) << got;
    EXPECT_NE(got.find("Host: " + other.where().text()), std::string::npos) << got;
    location = "/near";
    got = ask_with_secrets();
    EXPECT_NE(got.find("Authorization: Basic"), std::string::npos) << got;
    EXPECT_NE(got.find("Cookie: secret=1"), std::string::npos) << got;
}

TEST_P(ClientRequest, EachStepHasADeadline) {
    enum class slow { head, head_drips, body, body_drips };
    for (const slow which : {slow::head, slow::head_drips, slow::body, slow::body_drips}) {
        scripted_server server(loop(), [which](served& peer) -> task<> {
            (void)co_await peer.request();
            if (which == slow::head_drips) (void)co_await peer.say("HTTP/1.1 200 OK\r\nX: ");
            if (which == slow::body || which == slow::body_drips)
                (void)co_await peer.say("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nx");
            while (which == slow::head_drips || which == slow::body_drips) {
                if (!co_await peer.say("x")) co_return;
                if (!co_await sleep_for(1ms)) co_return;
            }
            (void)co_await peer.request();
        });
        const bool body = which == slow::body || which == slow::body_drips;
        const client_step expected = body ? client_step::body : client_step::head;
        options_ = http::client_options();
        options_.timeouts.head = body ? 1h : duration(20ms);
        options_.timeouts.idle = which == slow::body ? duration(20ms) : 1h;
        const auto ask = [&] {
            const auto got = get(server.url());
            EXPECT_TRUE(got.failed);
            EXPECT_EQ(got.error.error, std::errc::timed_out) << got.text();
            EXPECT_GE(got.error.after, 20ms);
            EXPECT_EQ(client().open_connections(), 0u);
            end_client();
            return got;
        };
        if (which != slow::body_drips) {
            const auto got = ask();
            EXPECT_EQ(got.error.step, expected) << got.text();
            continue;
        }
        client_step step = client_step::resolve;  // on a busy machine the head may take all of a short time
        for (duration total = 50ms; step != expected && total < 10s; total *= 4) {
            options_.timeouts.total = total;
            step = ask().error.step;
        }
        EXPECT_EQ(step, expected);
    }
}

TEST_P(ClientRequest, ASendThatNobodyTakesHasADeadline) {
    if (is_zero_copy(GetParam())) GTEST_SKIP() << "what was sent without a copy ends when the peer has it";
    scripted_server server(loop(), [](served&) -> task<> { (void)co_await sleep_for(1h); });
    options_.timeouts.send = 20ms;
    client_request put("PUT", server.url());
    put.body(std::string(30'000'000, 'x'));
    const auto got = send(std::move(put));
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(got.error.step, client_step::send) << got.text();
    EXPECT_EQ(got.error.error, std::errc::timed_out) << got.text();
}

TEST_P(ClientRequest, EveryAddressOfANameIsTried) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    const socket_pair taken = tcp_pair();  // a port that stays somebody's, who does not listen
    const address closed = address::local_of(taken.peer.get()).value();
    scripted_server alive(loop(), mirror);
    std::vector<address> told{closed, closed, alive.where()};
    options_.resolve = [&](const std::string& host, std::uint16_t) -> result<std::vector<address>> {
        if (host == "known.example") return told;
        return fail_errno(EHOSTUNREACH);
    };
    EXPECT_EQ(get("http://known.example/").status, 200u);
    EXPECT_EQ(alive.connections(), 1u);
    end_client();
    told = {closed, closed};
    const auto refused = get("http://known.example/");
    ASSERT_TRUE(refused.failed);
    EXPECT_EQ(refused.error.step, client_step::connect);
    EXPECT_EQ(refused.error.error, std::errc::connection_refused) << refused.text();
    EXPECT_NE(refused.text().find("the last of 2 addresses"), std::string::npos) << refused.text();
    EXPECT_FALSE(refused.error.maybe_processed);
    const auto unknown = get("http://unknown.example/");
    EXPECT_EQ(unknown.error.step, client_step::resolve);
    EXPECT_EQ(client().open_connections(), 0u);
    told.clear();
    EXPECT_EQ(get("http://known.example/").error.step, client_step::resolve);
}

TEST_P(ClientRequest, TheSystemsResolverIsAsked) {
    scripted_server server(loop(), mirror);
    const std::string port = std::to_string(server.where().port());
    EXPECT_EQ(get("http://localhost:" + port + "/").status, 200u);
    EXPECT_EQ(get("http://LOCALHOST:" + port + "/").status, 200u);
    EXPECT_EQ(server.connections(), 1u);
}

TEST_P(ClientRequest, ANameHasADeadline) {
    gate held;
    options_.timeouts.resolve = 20ms;
    options_.resolve = [&](const std::string&, std::uint16_t) -> result<std::vector<address>> {
        held.pass();
        return std::vector<address>();
    };
    const auto got = get("http://slow.example/");
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(got.error.step, client_step::resolve);
    EXPECT_EQ(got.error.error, std::errc::timed_out) << got.text();
    held.open();   // a thread is in it, unless the deadline came before
    end_client();  // which waits for its threads
}

task<> note(task<outcome_of_request> what, outcome_of_request& into) { into = co_await std::move(what); }

// A stop at any moment ends it: with its answer, or as cancelled; nothing is left behind.
TEST_P(ClientRequest, CanBeStoppedAtAnyMoment) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        while (auto request = co_await peer.request()) {
            for (const char* const piece :
                 {"HTTP/1.1 200", " OK\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n", "0\r\n\r\n"}) {
                if (!co_await peer.say(piece)) co_return;
                co_await peer.yields(2);
            }
        }
    });
    std::size_t whole = 0;
    for (int after = 0; after < 60; ++after) {
        outcome_of_request got;
        background asker(loop());
        pieces_of body{"hello", 1};
        client_request post("POST", "http://127.0.0.1:" + std::to_string(server.where().port()) + "/");
        post.body([&] { return body.next(); });
        asker.spawn(note(ask(client(), std::move(post)), got));
        ticks(after);
        asker.stop();
        ASSERT_TRUE(run_until([&] { return asker.running() == 0; }));
        if (got.failed) {
            EXPECT_EQ(got.error.error, std::errc::operation_canceled) << got.text();
        } else {
            ++whole;
            EXPECT_EQ(got.text(), "200 abc");
        }
    }
    EXPECT_EQ(get(server.url()).text(), "200 abc");
    (void)whole;
}

TEST_P(ClientRequest, ADeadlineOfTheUsersEndsIt) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        (void)co_await peer.request();
        (void)co_await peer.request();
    });
    auto bounded = [](http::client& of, std::string url) -> task<std::error_code> {
        auto answer = co_await with_deadline(20ms, of.get(std::move(url)));
        co_return answer ? std::error_code() : answer.error().error;
    };
    EXPECT_EQ(run_task(loop(), bounded(client(), server.url())), std::errc::operation_canceled);
    client_request what("GET", server.url());
    what.total(20ms);
    EXPECT_EQ(send(std::move(what)).error.error, std::errc::timed_out);
}

}  // namespace
}  // namespace naru::testing
