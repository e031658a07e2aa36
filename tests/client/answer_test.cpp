// Answers as servers send them: at every split, of every framing, and those that are none.
#include "client_fixture.hpp"

namespace naru::testing {
namespace {

using http::client_request;
using http::client_step;

class ClientAnswer : public client_conformance {};
NARU_ON_EVERY_BACKEND(ClientAnswer);

/// Answers each request of each connection with `text`, in two pieces; closes behind it if told to.
server_script in_two_pieces(const std::string& text, const std::size_t& split, bool closes) {
    return [&text, &split, closes](served& peer) -> task<> {
        while (co_await peer.request()) {
            const std::size_t at = std::min(split, text.size());
            if (!co_await peer.say(text.substr(0, at))) co_return;
            co_await peer.yields(2);
            if (at < text.size() && !co_await peer.say(text.substr(at))) co_return;
            if (closes) co_return;
        }
    };
}

TEST_P(ClientAnswer, AtEverySplit) {
    struct form {
        std::string text;
        std::string expected;
        bool closes;
    };
    const std::vector<form> forms{
        {answer_of("hello"), "200 hello", false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n7\r\n, world\r\n0\r\nA: "
         "b\r\n\r\n",
         "200 hello, world", false},
        {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
         "404 no", false},
        {"HTTP/1.1 204 Nothing\r\n\r\n", "204 ", false},
        {"HTTP/1.1 200 OK\r\n\r\nuntil the end", "200 until the end", true},
        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", "200 old", true},
    };
    std::size_t split = 0;
    for (const form& each : forms) {
        scripted_server server(loop(), in_two_pieces(each.text, split, each.closes));
        for (split = 1; split <= each.text.size(); ++split) {
            const auto got = get(server.url());
            ASSERT_EQ(got.text(), each.expected) << "split at " << split << " of\n" << each.text;
        }
        EXPECT_EQ(server.connections(), each.closes ? each.text.size() : 1u) << each.text;
    }
}

TEST_P(ClientAnswer, AHeadHasNoBody) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        while (auto request = co_await peer.request()) {
            std::string answer = answer_of("get");
            if (request.has("HEAD / ")) answer = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nX-Y: z\r\n\r\n";
            if (!co_await peer.say(answer)) co_return;
        }
    });
    EXPECT_EQ(send(client_request("HEAD", server.url())).text(), "200 ");
    EXPECT_EQ(get(server.url()).text(), "200 get");
    EXPECT_EQ(send(client_request("HEAD", server.url())).text(), "200 ");
    EXPECT_EQ(server.connections(), 1u);
}

TEST_P(ClientAnswer, HalfOfOneIsAnError) {
    const std::string length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345";
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for (const bool resets : {false, true}) {
        for (const std::string& text :
             {std::string(), std::string("HTTP/1.1 2"), std::string("HTTP/1.1 200 OK\r\nA: b\r\n"), length,
              chunked, chunked + "0\r\n", chunked + "0\r\nA: b\r\n"}) {
            scripted_server server(loop(), [&](served& peer) -> task<> {
                (void)co_await peer.request();
                (void)co_await peer.say(text);
                co_await peer.yields(3);
                if (resets) peer.reset();
            });
            const auto got = get(server.url());
            ASSERT_TRUE(got.failed) << got.text() << " of\n" << text;
            const bool headless = text.find("\r\n\r\n") == std::string::npos;
            EXPECT_EQ(got.error.step, headless ? client_step::head : client_step::body) << got.text();
            EXPECT_TRUE(got.error.maybe_processed);
            EXPECT_EQ(got.error.peer, server.where().text());
            if (!resets) {
                EXPECT_EQ(got.error.error, errc::end_of_stream) << got.text();
            }
            EXPECT_EQ(server.connections(), 1u) << "a fresh connection that ends is no idle race";
            EXPECT_EQ(client().open_connections(), 0u);
        }
    }
}

TEST_P(ClientAnswer, ThatIsNoneIsRefused) {
    for (const char* const wrong :
         {"SSH-2.0-OpenSSH_9.2\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
          "HTTP/1.1 200 OK\nContent-Length: 1\n\na", "HTTP/1.1 101 Switching\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"}) {
        scripted_server server(loop(), [&](served& peer) -> task<> {
            (void)co_await peer.request();
            (void)co_await peer.say(wrong);
            (void)co_await peer.request();  // until the client ends it
        });
        const auto got = get(server.url());
        ASSERT_TRUE(got.failed) << wrong;
        EXPECT_EQ(got.error.error, std::errc::bad_message) << got.text();
        EXPECT_FALSE(got.error.detail.empty());
    }
}

TEST_P(ClientAnswer, AHeadWithoutEndIsRefused) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        (void)co_await peer.request();
        if (!co_await peer.say("HTTP/1.1 200 OK\r\n")) co_return;
        const std::string field = "X: " + std::string(1000, 'x') + "\r\n";
        while (co_await peer.say(field)) {
        }
    });
    const auto got = get(server.url());
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(got.error.step, client_step::head);
    EXPECT_EQ(got.error.error, std::errc::bad_message) << got.text();
}

// What comes behind an answer is nobody's: never the next request's answer.
TEST_P(ClientAnswer, WhatIsBehindItIsNotTheNextOne) {
    for (const bool later : {false, true}) {
        scripted_server server(loop(), [later](served& peer) -> task<> {
            while (co_await peer.request()) {
                const std::string first = answer_of("mine " + std::to_string(peer.index));
                const std::string forged = answer_of("forged");
                std::string said = first;
                if (!later) said += forged;
                if (!co_await peer.say(said)) co_return;
                if (!later) continue;
                co_await peer.yields(3);
                if (!co_await peer.say(forged)) co_return;
            }
        });
        for (std::size_t each = 0; each < 3; ++each) {
            EXPECT_EQ(get(server.url()).text(), "200 mine " + std::to_string(each));
            EXPECT_TRUE(run_until([&] { return client().kept_connections() == 0; }));
        }
        EXPECT_EQ(server.connections(), 3u);
    }
}

TEST_P(ClientAnswer, FieldsAndPieces) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        while (co_await peer.request())
            if (!co_await peer.say(
                    "HTTP/1.1 201 Made it\r\nX-One: first \r\nx-one: second\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"))
                co_return;
    });
    auto look = [](http::client& of, std::string url) -> task<std::string> {
        auto answer = co_await of.get(std::move(url));
        if (!answer) co_return answer.error().text();
        std::string seen = std::to_string(answer->status()) + "|" + std::string(answer->reason()) + "|" +
                           std::string(answer->field("X-ONE").value_or("none")) + "|";
        answer->for_each_field([&](std::string_view name, std::string_view value) {
            seen.append(name).append("=").append(value).append(";");
        });
        auto moved = std::move(*answer);
        auto whole = co_await moved.for_each(
            [&](bytes_view piece) { seen.append("[").append(as_text(piece)).append("]"); });
        if (!whole) co_return whole.error().text();
        auto again = co_await moved.read();
        co_return seen + (again && again->empty() ? "end" : "more");
    };
    EXPECT_EQ(run_task(loop(), look(client(), server.url())),
              "201|Made it|first|X-One=first;x-one=second;Transfer-Encoding=chunked;[abc][def]end");
    EXPECT_EQ(client().kept_connections(), 1u);
}

TEST_P(ClientAnswer, ForEachWaitsForACoroutine) {
    const std::string body = pattern(200'000);
    scripted_server server(loop(), [&](served& peer) -> task<> {
        while (co_await peer.request())
            if (!co_await peer.say(answer_of(body))) co_return;
    });
    auto look = [](http::client& of, std::string url) -> task<std::string> {
        auto answer = co_await of.get(std::move(url));
        if (!answer) co_return answer.error().text();
        std::string got;
        auto slowly = [&](bytes_view piece) -> task<> {
            (void)co_await yield();
            got += as_text(piece);
        };
        auto whole = co_await answer->for_each(slowly);
        co_return whole ? got : whole.error().text();
    };
    EXPECT_EQ(run_task(loop(), look(client(), server.url())), body);
}

TEST_P(ClientAnswer, TextHasALimit) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        while (co_await peer.request())
            if (!co_await peer.say(answer_of(std::string(1000, 'x')))) co_return;
    });
    auto look = [](http::client& of, std::string url,
                   std::size_t limit) -> task<http::client_result<std::string>> {
        auto answer = co_await of.get(std::move(url));
        if (!answer) co_return std::unexpected(answer.error());
        co_return co_await answer->text(limit);
    };
    EXPECT_TRUE(run_task(loop(), look(client(), server.url(), 1000)));
    const auto got = run_task(loop(), look(client(), server.url(), 999));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().error, std::errc::message_size);
    EXPECT_EQ(client().open_connections(), 0u) << "with the rest of a body unread";
}

// One that is dropped before its end closes its connection, and what was received goes back.
TEST_P(ClientAnswer, DroppedInTheMiddle) {
    std::size_t ended = 0;
    scripted_server server(loop(), [&](served& peer) -> task<> {
        (void)co_await peer.request();
        const std::string piece(100'000, 'x');
        (void)co_await peer.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        while (co_await peer.say(piece)) {
        }
        ++ended;
    });
    auto look = [](http::client& of, std::string url) -> task<bool> {
        auto answer = co_await of.get(std::move(url));
        if (!answer) co_return false;
        for (int each = 0; each < 3; ++each) {
            auto piece = co_await answer->read();
            if (!piece || piece->empty()) co_return false;
        }
        co_return true;
    };
    EXPECT_TRUE(run_task(loop(), look(client(), server.url())));
    EXPECT_EQ(client().open_connections(), 0u);
    EXPECT_TRUE(run_until([&] { return ended == 1; }));
}

// Nothing is received that nobody asks for: a large body stays with its server.
TEST_P(ClientAnswer, ALargeBodyIsNeverInMemory) {
    constexpr std::size_t size = 20'000'000;
    std::size_t sent = 0;
    scripted_server server(loop(), [&](served& peer) -> task<> {
        (void)co_await peer.request();
        const std::string piece = pattern(100'000);
        (void)co_await peer.say("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
        for (sent = 0; sent < size; sent += piece.size())
            if (!co_await peer.say(piece)) co_return;
    });
    auto look = [](http::client& of, std::string url, std::size_t& already) -> task<std::size_t> {
        auto answer = co_await of.get(std::move(url));
        if (!answer) co_return 0;
        for (int each = 0; each < 300; ++each)
            (void)co_await yield();
        already = of.home().buffers().leased();
        std::size_t got = 0;
        auto whole = co_await answer->for_each([&](bytes_view piece) { got += piece.size(); });
        co_return whole ? got : 0;
    };
    std::size_t leased = 0;
    EXPECT_EQ(run_task(loop(), look(client(), server.url(), leased)), size);
}

}  // namespace
}  // namespace naru::testing
