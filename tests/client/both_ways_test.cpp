// Requests that are still being sent when their answer begins.
#include "client_fixture.hpp"

#include <stdexcept>

namespace naru::testing {
namespace {

using http::client_answer;
using http::client_request;
using http::client_step;

class ClientBothWays : public client_conformance {
 protected:
    /// Reads of the answer while the body is sent; what came of both.
    template <class Take>
    outcome_of_request send_beside(client_request what, Take take) {
        auto all = [&]() -> task<outcome_of_request> {
            outcome_of_request made;
            auto done = co_await client().request(std::move(what), take);
            made.failed = !done;
            if (done) {
                made.body = std::move(*done);
            } else {
                made.error = std::move(done.error());
            }
            co_return made;
        };
        return run_task(loop(), all());
    }
    static task<std::string> text_of(client_answer answer) {
        auto text = co_await answer.text();
        if (!text) co_return "failed: " + text.error().text();
        co_return std::to_string(answer.status()) + " " + *text;
    }
};
NARU_ON_EVERY_BACKEND(ClientBothWays);

/// More than is on its way when an answer begins.
const std::string& large() {
    static const std::string one = pattern(1'500'000);
    return one;
}

/// The head of a request that begins; `rest` is what has come of its body.
task<std::string> begun_request(tcp_stream& from, std::string& rest) {
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
        auto data = co_await from.receive();
        if (!data) co_return std::string();
        head += data->text();
    }
    const std::size_t end = head.find("\r\n\r\n") + 4;
    rest = head.substr(end);
    head.resize(end);
    co_return head;
}

/// Answers at once, and sends back each piece of the body when it comes.
task<> echo(served& peer) {
    while (true) {
        std::string piece;
        const std::string head = co_await begun_request(peer.stream, piece);
        const std::size_t field = head.find("Content-Length: ");
        if (field == std::string::npos) co_return;
        std::size_t left = std::stoul(head.substr(field + 16));
        auto begun =
            co_await peer.say("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(left) + "\r\n\r\n");
        if (!begun) co_return;
        while (true) {
            left -= piece.size();
            auto told = co_await peer.say(piece);
            if (!told) co_return;
            if (left == 0) break;
            auto data = co_await peer.stream.receive();
            if (!data) co_return;
            piece = data->text();
        }
    }
}

TEST_P(ClientBothWays, AnEchoIsWhole) {
    scripted_server server(loop(), echo);
    for (const bool streamed : {false, true}) {
        client_request post("POST", server.url());
        std::size_t at = 0;
        auto source = [&]() -> task<result<bytes_view>> {
            const std::string_view piece = std::string_view(large()).substr(at, 100'000);
            at += piece.size();
            co_return as_bytes(piece);
        };
        if (streamed) {
            post.body(std::ref(source), large().size());
        } else {
            post.body(large());
        }
        const auto got = send_beside(std::move(post), text_of);
        ASSERT_FALSE(got.failed) << got.text();
        EXPECT_TRUE(got.body == "200 " + large()) << got.body.size();
        EXPECT_EQ(client().kept_connections(), 1u) << "all of it was sent, and all of it came";
    }
    EXPECT_EQ(server.connections(), 1u);
}

// Each piece waits for the answer to the one before.
TEST_P(ClientBothWays, AConversationGoesOn) {
    scripted_server server(loop(), echo);
    channel<std::string> said(1);
    std::string piece = "1";
    bool first = true;
    auto source = [&]() -> task<result<bytes_view>> {
        if (!std::exchange(first, false)) {
            auto next = co_await said.receive();
            if (!next) co_return bytes_view();
            piece = std::move(*next);
        }
        co_return as_bytes(piece);
    };
    auto take = [&](client_answer answer) -> task<std::string> {
        std::string heard;
        while (true) {
            auto got = co_await answer.read();
            if (!got) co_return "failed: " + got.error().text();
            if (got->empty()) co_return heard;
            heard += as_text(*got);
            if (heard.size() == 9) said.close();
            if (heard.size() < 9) (void)co_await said.send(std::to_string(heard.size() + 1));
        }
    };
    client_request post("POST", server.url());
    post.body(std::ref(source), 9);
    EXPECT_EQ(send_beside(std::move(post), take).body, "123456789");
}

// Whose answer is read elsewhere, when what sends the body is already gone.
TEST_P(ClientBothWays, AnAnswerMayBeGivenAway) {
    async_event taken;
    scripted_server server(loop(), [&](served& peer) -> task<> {
        std::string rest;
        (void)co_await begun_request(peer.stream, rest);
        (void)co_await peer.say(answer_of("thanks"));
        (void)co_await taken.wait();
        // Memory that the kernel has been lent is given back when this has been read.
        while (auto more = co_await peer.stream.receive()) {
        }
    });
    auto all = [&]() -> task<std::string> {
        std::string read;
        (void)co_await with_group([&](task_group& readers) -> task<> {
            client_request post("POST", server.url());
            post.body(pattern(20'000'000));
            (void)co_await client().request(std::move(post), [&](client_answer answer) -> task<> {
                readers.spawn([](client_answer given, std::string& into) -> task<> {
                    into = co_await text_of(std::move(given));
                }(std::move(answer), read));
                co_await yield();
                co_await yield();
                taken.set();
            });
        });
        co_return read;
    };
    EXPECT_EQ(run_task(loop(), all()), "200 thanks");
}

// Of a server that answers at once and reads on, nobody who waits for the answer alone loses a byte.
TEST_P(ClientBothWays, WhoReadsOnGetsTheRest) {
    std::vector<std::size_t> read;
    scripted_server server(loop(), [&](served& peer) -> task<> {
        while (true) {
            std::string rest;
            const std::string head = co_await begun_request(peer.stream, rest);
            if (head.empty()) co_return;
            auto answered = co_await peer.say(answer_of("thanks", "", "202 Accepted"));
            if (!answered) co_return;
            std::size_t size = rest.size();
            while (size < large().size()) {
                auto data = co_await peer.stream.receive();
                if (!data) break;
                size += data->size();
            }
            read.push_back(size);
        }
    });
    client_request post("POST", server.url());
    post.body(large());
    EXPECT_EQ(send(std::move(post)).text(), "202 thanks");
    ASSERT_TRUE(run_until([&] { return read.size() == 1; }));
    std::size_t at = 0;
    auto source = [&]() -> task<result<bytes_view>> {
        (void)co_await yield();
        const std::string_view piece = std::string_view(large()).substr(at, 300'000);
        at += piece.size();
        co_return as_bytes(piece);
    };
    client_request streamed("POST", server.url());
    streamed.body(std::ref(source), large().size());
    EXPECT_EQ(send(std::move(streamed)).text(), "202 thanks");
    ASSERT_TRUE(run_until([&] { return read.size() == 2; }));
    EXPECT_EQ(read, (std::vector<std::size_t>{large().size(), large().size()}));
    EXPECT_EQ(server.connections(), 1u);
}

// The source may wait for what its reader says to the end of the answer.
TEST_P(ClientBothWays, AServerThatEndsFirstIsHeardAtOnce) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        std::string rest;
        (void)co_await begun_request(peer.stream, rest);
        if (!co_await peer.say(answer_of("goodbye"))) co_return;
        while (co_await peer.stream.receive()) {
        }
    });
    channel<std::string> said(1);
    bool first = true;
    bool waits = false;
    bool was_told = false;
    auto source = [&]() -> task<result<bytes_view>> {
        if (std::exchange(first, false)) co_return as_bytes(std::string_view("hello"));
        waits = true;
        auto next = co_await said.receive();
        waits = false;
        was_told = next.has_value();
        co_return bytes_view();
    };
    auto take = [&](client_answer answer) -> task<std::string> {
        auto text = co_await answer.text();
        EXPECT_TRUE(waits) << "it was cut off before its reader had heard of the end";
        (void)co_await said.send("that is all");
        while (waits)
            (void)co_await yield();
        co_return text ? std::move(*text) : text.error().text();
    };
    client_request post("POST", server.url());
    post.body(std::ref(source));
    EXPECT_EQ(send_beside(std::move(post), take).body, "goodbye");
    EXPECT_TRUE(was_told);
}

// One that does not read on has been asked enough; that is noticed, and nobody waits for ever.
TEST_P(ClientBothWays, AnAnswerIsNotLostToWhoReadsNoMore) {
    for (const bool beside : {false, true}) {
        scripted_server server(loop(), [](served& peer) -> task<> {
            std::string rest;
            (void)co_await begun_request(peer.stream, rest);
            if (!co_await peer.say(answer_of("enough"))) co_return;
            (void)co_await sleep_for(1h);
        });
        client_request post("POST", server.url());
        bool ended = false;
        auto source = [&]() -> task<result<bytes_view>> {
            (void)co_await sleep_for(1h);
            ended = true;
            co_return fail_errno(ECANCELED);
        };
        post.body(std::ref(source));
        const auto got = beside ? send_beside(std::move(post), text_of).body : send(std::move(post)).text();
        EXPECT_EQ(got, "200 enough");
        EXPECT_TRUE(ended) << "what the source refers to may be gone from here on";
        EXPECT_EQ(client().open_connections(), 0u) << "half a request was sent there";
    }
}

// A server that waits for the rest before it goes on with its answer.
TEST_P(ClientBothWays, WhatWasLeftOutIsSaid) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        std::string rest;
        (void)co_await begun_request(peer.stream, rest);
        if (!co_await peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun")) co_return;
        (void)co_await sleep_for(1h);
    });
    options_.timeouts.idle = 50ms;
    client_request post("POST", server.url());
    auto source = [&]() -> task<result<bytes_view>> {
        co_return fail_errno(co_await sleep_for(1h) ? EIO : ECANCELED);
    };
    post.body(std::ref(source));
    const auto got = send(std::move(post));
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(got.error.step, client_step::body) << got.text();
    EXPECT_NE(got.text().find("left out"), std::string::npos) << got.text();
}

TEST_P(ClientBothWays, ARefusalStopsTheBody) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        std::string rest;
        (void)co_await begun_request(peer.stream, rest);
        if (!co_await peer.say(answer_of("too much", "", "413 Too Large"))) co_return;
        while (co_await peer.stream.receive()) {
        }
    });
    bool ended = false;
    auto source = [&]() -> task<result<bytes_view>> {
        (void)co_await sleep_for(1h);
        ended = true;
        co_return fail_errno(ECANCELED);
    };
    auto take = [&](client_answer answer) -> task<std::string> {
        EXPECT_TRUE(ended);
        co_return co_await text_of(std::move(answer));
    };
    client_request post("POST", server.url());
    post.body(std::ref(source));
    EXPECT_EQ(send_beside(std::move(post), take).body, "413 too much");
}

// However `take` ends, its source has ended, too.
TEST_P(ClientBothWays, NothingIsUnderWayAfterwards) {
    enum class how { drops, throws, stopped, keeps };
    for (const how each : {how::drops, how::throws, how::stopped, how::keeps}) {
        scripted_server server(loop(), [](served& peer) -> task<> {
            std::string rest;
            (void)co_await begun_request(peer.stream, rest);
            if (!co_await peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun")) co_return;
            while (co_await peer.stream.receive()) {
            }
        });
        int running = 0;
        auto source = [&]() -> task<result<bytes_view>> {
            ++running;
            (void)co_await sleep_for(1h);
            --running;
            co_return fail_errno(ECANCELED);
        };
        std::optional<client_answer> kept;
        auto take = [&](client_answer answer) -> task<std::string> {
            EXPECT_EQ(running, 1);
            if (each == how::drops) co_return "dropped";
            if (each == how::throws) throw std::runtime_error("thrown");
            if (each == how::stopped) {
                (void)co_await answer.text();
                co_return "stopped";
            }
            kept = std::move(answer);
            co_return "kept";
        };
        auto all = [&]() -> task<std::string> {
            client_request post("POST", server.url());
            post.body(std::ref(source));
            try {
                auto done = co_await with_deadline(each == how::stopped ? duration(50ms) : duration(1h),
                                                   client().request(std::move(post), take));
                co_return done ? *done : done.error().text();
            } catch (const std::runtime_error& error) {
                co_return error.what();
            }
        };
        const std::string got = run_task(loop(), all());
        EXPECT_EQ(running, 0);
        constexpr std::array<const char*, 4> ends{"dropped", "thrown", "stopped", "kept"};
        if (each != how::stopped) {
            EXPECT_EQ(got, ends[static_cast<std::size_t>(each)]);
        }
        if (kept) {
            auto piece = [&]() -> task<std::string> {
                auto read = co_await kept->read();
                co_return read ? std::string(as_text(*read)) : read.error().text();
            };
            EXPECT_EQ(run_task(loop(), piece()), "begun");
            kept.reset();
        }
        EXPECT_TRUE(run_until([&] { return client().open_connections() == 0; }));
    }
}

// Whoever has the answer may let it go before anybody has heard that the request's head was sent.
TEST_P(ClientBothWays, AnAnswerIsLetGoAtOnce) {
    auto source = []() -> task<result<bytes_view>> { co_return as_bytes(std::string_view("piece")); };
    auto take = [](client_answer answer) -> task<unsigned> { co_return answer.status(); };
    for (int ticks = 0; ticks < 6; ++ticks) {
        const unique_descriptor listener = listening_socket();
        client_request post("POST", "http://" + local_of(listener.get()).value().text() + "/");
        post.body(source);
        auto all = [&]() -> task<unsigned> {
            auto done = co_await client().request(std::move(post), take);
            co_return done ? *done : 0u;
        };
        started_task<unsigned> asking(loop(), all());
        ASSERT_TRUE(run_until([&] { return wait_readable(listener.get(), 0); }));
        for (int each = 0; each < ticks; ++each)
            loop().run_for_one_tick(0ms);
        const unique_descriptor peer(checked(accept_socket(listener.get()), "accept"));
        write_all(peer.get(), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun");
        ASSERT_TRUE(run_until([&] { return asking.ended(); }));
        EXPECT_EQ(asking.take(), 200u);
        EXPECT_TRUE(run_until([&] { return client().open_connections() == 0; }));
    }
}

TEST_P(ClientBothWays, ASourceThatFailsStopsTheRest) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        std::string rest;
        (void)co_await begun_request(peer.stream, rest);
        if (!co_await peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun")) co_return;
        while (co_await peer.stream.receive()) {
        }
    });
    for (const bool throws : {false, true}) {
        async_event begun;
        auto source = [&]() -> task<result<bytes_view>> {
            (void)co_await begun.wait();
            if (throws) throw std::runtime_error("thrown by the source");
            co_return fail_errno(EIO);
        };
        bool told = false;
        auto take = [&](client_answer answer) -> task<std::string> {
            begun.set();
            auto text = co_await answer.text();
            told = !text;
            co_return "ended";
        };
        client_request post("POST", server.url());
        post.body(std::ref(source));
        if (throws) {
            EXPECT_THROW(send_beside(std::move(post), take), std::runtime_error);
        } else {
            const auto got = send_beside(std::move(post), take);
            ASSERT_TRUE(got.failed);
            EXPECT_EQ(got.error.step, client_step::send) << got.text();
            EXPECT_EQ(got.error.error, std::errc::io_error) << got.text();
        }
        EXPECT_TRUE(told);
    }
}

TEST_P(ClientBothWays, WithoutAnAnswerNobodyIsCalled) {
    bool called = false;
    auto take = [&](client_answer) -> task<std::string> {
        called = true;
        co_return "called";
    };
    options_.timeouts.head = 50ms;
    scripted_server server(loop(), [](served& peer) -> task<> {
        auto request = co_await peer.request();
        if (request.has("/silent")) (void)co_await sleep_for(1h);
    });
    const auto ends = send_beside(client_request("POST", server.url()).body("data"), take);
    EXPECT_TRUE(ends.failed);
    EXPECT_EQ(ends.error.step, client_step::head) << ends.text();
    const auto silent = send_beside(client_request("POST", server.url("/silent")).body("data"), take);
    EXPECT_TRUE(silent.failed);
    EXPECT_EQ(silent.error.error, std::errc::timed_out) << silent.text();
    const auto none = send_beside(client_request("POST", "http://"), take);
    EXPECT_EQ(none.error.step, client_step::request) << none.text();
    EXPECT_FALSE(called);
}

TEST_P(ClientBothWays, RedirectsAreFollowed) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        while (auto request = co_await peer.request()) {
            std::string answer = answer_of("", "Location: /there\r\n", "307 Moved");
            if (request.has(" /there ")) answer = answer_of(request.body);
            auto told = co_await peer.say(answer);
            if (!told) co_return;
        }
    });
    EXPECT_EQ(send_beside(client_request("POST", server.url()).body("data"), text_of).body, "200 data");
}

}  // namespace
}  // namespace naru::testing
