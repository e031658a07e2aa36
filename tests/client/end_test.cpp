// Ends of all kinds: stops at each step, clients and loops that end, connects that nobody answers, misuse.
#include "client_fixture.hpp"

#include "support/gate.hpp"

#include <optional>

namespace naru::testing {
namespace {

using http::client_request;
using http::client_step;

class ClientEnd : public client_conformance {
 protected:
    task<> note(task<outcome_of_request> what, outcome_of_request& into) { into = co_await std::move(what); }

    /// Begins a request, stops it as soon as `begun` is true, and expects it to say at which step that was.
    template <class Predicate>
    void stop_when(Predicate begun, client_request what, client_step step) {
        outcome_of_request got;
        background asker(loop());
        asker.spawn(note(ask(client(), std::move(what)), got));
        ASSERT_TRUE(run_until(begun));
        ticks(3);
        ASSERT_EQ(asker.running(), 1u) << got.text();
        asker.stop();
        ASSERT_TRUE(run_until([&] { return asker.running() == 0; }));
        ASSERT_TRUE(got.failed);
        EXPECT_EQ(got.error.error, std::errc::operation_canceled) << got.text();
        EXPECT_EQ(got.error.step, step) << got.text();
    }
};
NARU_ON_EVERY_BACKEND(ClientEnd);

TEST_P(ClientEnd, AStopInEachStep) {
    std::size_t requests = 0;
    scripted_server silent(loop(), [&](served& peer) -> task<> {
        while (co_await peer.request())
            ++requests;
    });
    stop_when([&] { return requests == 1; }, client_request("GET", silent.url()), client_step::head);
    scripted_server half(loop(), [&](served& peer) -> task<> {
        (void)co_await peer.request();
        (void)co_await peer.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        ++requests;
        (void)co_await peer.request();
    });
    stop_when([&] { return requests == 2; }, client_request("GET", half.url()), client_step::body);
    bool asked = false;
    client_request streamed("POST", silent.url());
    streamed.body([&]() -> task<result<bytes_view>> {
        asked = true;
        auto slept = co_await sleep_for(1h);
        co_return slept ? result<bytes_view>() : fail(slept.error());
    });
    stop_when([&] { return asked; }, std::move(streamed), client_step::send);
    EXPECT_EQ(client().open_connections(), 0u);
}

TEST_P(ClientEnd, AStopWhileItWaitsForItsTurnOrForAName) {
    gate held;
    options_.connections_per_origin = 1;
    options_.resolve = [&](const std::string&, std::uint16_t) -> result<std::vector<address>> {
        held.pass();
        return std::vector<address>();
    };
    std::size_t requests = 0;
    scripted_server silent(loop(), [&](served& peer) -> task<> {
        while (co_await peer.request())
            ++requests;
    });
    outcome_of_request first;
    background busy(loop());
    busy.spawn(note(ask(client(), client_request("GET", silent.url())), first));
    ASSERT_TRUE(run_until([&] { return requests == 1; }));
    stop_when([] { return true; }, client_request("GET", silent.url()), client_step::wait);
    const auto is_looked_up = [&] {
        held.wait_for_arrival();
        return true;
    };
    stop_when(is_looked_up, client_request("GET", "http://held.example/"), client_step::resolve);
    busy.stop();
    ASSERT_TRUE(run_until([&] { return busy.running() == 0; }));
    held.open();
    end_client();  // which waits for its threads
}

#if defined(__linux__)  // whose listeners drop what does not fit into their queues
TEST_P(ClientEnd, AConnectThatNobodyAnswersHasADeadline) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    listen_options few;
    few.backlog = 1;
    const unique_descriptor listener = listening_socket(few);
    const address where = address::local_of(listener.get()).value();
    std::vector<unique_descriptor> fill;
    for (int each = 0; each < 8; ++each)
        fill.push_back(connect_to(where, false));
    options_.timeouts.connect = 20ms;
    options_.resolve = [&](const std::string&, std::uint16_t) -> result<std::vector<address>> {
        return std::vector<address>{where, where};
    };
    const auto got = get("http://full.example/");
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(got.error.step, client_step::connect) << got.text();
    EXPECT_EQ(got.error.error, std::errc::timed_out) << got.text();
    EXPECT_EQ(got.error.peer, where.text());
    EXPECT_GE(got.error.after, 40ms) << "each address has its time";
    end_client();
    options_.timeouts.connect = 1h;
    stop_when([] { return true; }, client_request("GET", "http://" + where.text() + "/"),
              client_step::connect);
}
#endif

// A client that ends with kept connections, on a loop that ends right behind it.
TEST_P(ClientEnd, AClientAndItsLoopEnd) {
    backend_choice other = GetParam().make();
    ASSERT_NE(other.backend, nullptr);
    auto second = std::make_unique<naru::loop>(std::move(other.backend));
    {
        scripted_server server(*second, [](served& peer) -> task<> {
            while (co_await peer.request())
                if (!co_await peer.say(answer_of("ok"))) co_return;
        });
        http::client ends(*second);
        EXPECT_EQ(run_task(*second, ask(ends, client_request("GET", server.url()))).text(), "200 ok");
        EXPECT_EQ(ends.kept_connections(), 1u);
    }
    {
        std::optional<http::client> never_used(std::in_place, *second);
        never_used.reset();
    }
    second.reset();
}

#if GTEST_HAS_DEATH_TEST && !defined(_WIN32)  // the same code: once is enough
TEST(ClientMisuseDeathTest, AClientThatEndsBeforeItsAnswer) {
    const auto misuse = [] {
        loop on(try_backend(engine::poll).backend);
        scripted_server server(on, [](served& peer) -> task<> {
            (void)co_await peer.request();
            (void)co_await peer.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
            (void)co_await peer.request();
        });
        auto ends = std::make_unique<http::client>(on);
        auto body = [](http::client& of, std::string url) -> task<http::client_result<http::client_answer>> {
            co_return co_await of.get(std::move(url));
        };
        const auto answer = run_task(on, body(*ends, server.url()));
        ends.reset();
    };
    EXPECT_DEATH(misuse(),
                 "bug: an http::client ended before its requests and answers; it must outlive them");
}
#endif

}  // namespace
}  // namespace naru::testing
