// The web server's deadlines in virtual time, where they are met to the millisecond: each is neither early
// nor late. On both kinds of backend.
#include <naru/http/http.hpp>
#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;
using http::exchange;

constexpr auto exact = 5ms;  // timers are good to about a millisecond, and so is a loop's time

sim::world_options world_of(sim::manner backends) {
    sim::world_options options;
    options.seed = 5;
    options.backends = backends;
    options.connection_buffer = 16 * 1024;
    return options;
}

class deadlines_test : public ::testing::TestWithParam<sim::manner> {
 protected:
    deadlines_test() : world_(world_of(GetParam())), home_(world_.add_host("server")) {
        options_.threads = 1;
        options_.least_rates = {.body = 0, .answer = 0, .over = 60s};
        options_.report = [this](std::string_view line) { reports_.emplace_back(world_.now(), line); };
    }
    ~deadlines_test() override {
        if (server_) end();
        EXPECT_EQ(world_.open_descriptors(), 0u);
    }
    void start() {
        http::site site;
        site.get("/", [](exchange& x) noexcept { x.respond(200, "text/plain", "here"); })
            .get("/large",
                 [](exchange& x) noexcept { x.respond(200, "text/plain", std::string(1'000'000, 'x')); })
            .get("/slow", [](exchange& x) -> task<> {
                (void)co_await sleep_for(24h);
                x.respond(204);
            });
        const sim::world::visit there(home_);
        server_.emplace(std::move(site), std::vector<http::endpoint>{{"*:80"}}, options_);
        server_->start();
    }
    void end() {
        server_->drain();
        server_->wait();
        server_.reset();
    }

    struct seen {
        std::string got;
        instant said;   // the client's last word
        instant heard;  // the server's first one behind that, or its end
    };
    /// Says each text a while after the last, and reads to the end; behind an answer to the first the clock
    /// begins anew.
    seen talk(std::vector<std::string> says, duration between = 0s, bool answered_first = false) {
        seen result;
        const auto loop = world_.add_host("client").make_loop();
        const auto client = [&]() -> task<> {
            auto to = co_await tcp_stream::connect(*loop, home_.at_port(80));
            if (!to) co_return;
            const auto speak = [&]() -> task<> {
                for (const std::string& each : says) {
                    (void)co_await to->send(each);
                    if (between > 0s) (void)co_await sleep_for(between);
                }
            };
            const auto hear = [&]() -> task<> {
                bool is_first = answered_first;
                while (auto data = co_await to->receive()) {
                    if (std::exchange(is_first, false)) {
                        result.said = world_.now();
                    } else if (result.heard == instant()) {
                        result.heard = world_.now();
                    }
                    result.got += data->text();
                }
                if (result.heard == instant()) result.heard = world_.now();
            };
            result.said = world_.now();
            co_await when_all(speak(), hear());
        };
        run(*loop, client());
        return result;
    }
    static void expect_after(duration deadline, const seen& got) {
        EXPECT_GE(got.heard - got.said, deadline) << got.got;
        EXPECT_LE(got.heard - got.said, deadline + exact) << got.got;
    }

    sim::world world_;
    sim::host& home_;
    http::server_options options_;
    std::optional<http::server> server_;
    std::vector<std::pair<instant, std::string>> reports_;
};
INSTANTIATE_TEST_SUITE_P(InVirtualTime, deadlines_test,
                         ::testing::Values(sim::manner::readiness, sim::manner::completion),
                         [](const auto& each) {
                             return each.param == sim::manner::readiness ? "readiness" : "completion";
                         });

TEST_P(deadlines_test, a_client_that_says_nothing) {
    start();
    const seen got = talk({});
    EXPECT_EQ(got.got, "");
    expect_after(options_.timeouts.head, got);
}

TEST_P(deadlines_test, a_head) {
    start();
    const seen got = talk({"GET / HTTP/1.1\r\nHos"});
    EXPECT_TRUE(got.got.starts_with("HTTP/1.1 408 ")) << got.got;
    expect_after(options_.timeouts.head, got);
}

TEST_P(deadlines_test, a_head_that_comes_byte_by_byte) {
    start();
    std::vector<std::string> says{"GET / HTTP/1.1\r\nHost: a\r\nX: "};
    says.resize(19, "x");
    const seen got = talk(says, 1s);
    EXPECT_TRUE(got.got.starts_with("HTTP/1.1 408 ")) << got.got;
    expect_after(options_.timeouts.head, got);
}

TEST_P(deadlines_test, a_body) {
    start();
    const seen got = talk({"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234"});
    EXPECT_TRUE(got.got.starts_with("HTTP/1.1 408 ")) << got.got;
    expect_after(options_.timeouts.body, got);
}

TEST_P(deadlines_test, between_two_requests) {
    start();
    const seen got = talk({"GET / HTTP/1.1\r\nHost: a\r\n\r\n"}, 0s, true);
    EXPECT_TRUE(got.got.ends_with("here")) << got.got;
    expect_after(options_.timeouts.keep_alive, got);
}

// Who takes nothing is looked at eight times in the time that he has, and once more to say so.
TEST_P(deadlines_test, an_answer_that_is_not_taken) {
    start();
    const auto loop = world_.add_host("client").make_loop();
    instant asked;
    const auto client = [&]() -> task<> {
        auto to = co_await tcp_stream::connect(*loop, home_.at_port(80));
        if (!to) co_return;
        (void)co_await to->send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        asked = world_.now();
        (void)co_await sleep_for(1h);
    };
    run(*loop, client());
    ASSERT_FALSE(reports_.empty());
    const auto& [when, what] = reports_.front();
    EXPECT_NE(what.find("1 too slow to take an answer"), std::string::npos) << what;
    EXPECT_GE(when - asked, options_.timeouts.write);
    EXPECT_LE(when - asked, options_.timeouts.write / 8 * 9 + 2 * http::limits::look_interval);
}

TEST_P(deadlines_test, what_is_in_flight_at_the_servers_end) {
    start();
    const auto loop = world_.add_host("client").make_loop();
    bool ended = false;
    const auto client = [&]() -> task<> {
        auto to = co_await tcp_stream::connect(*loop, home_.at_port(80));
        if (!to) co_return;
        (void)co_await to->send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
        while (co_await to->receive()) {
        }
        ended = true;
    };
    started_task<> asking(*loop, client());
    (void)world_.run_until([] { return false; }, 1s);
    const instant begun = world_.now();
    end();
    EXPECT_GE(world_.now() - begun, options_.timeouts.drain);
    EXPECT_LE(world_.now() - begun, options_.timeouts.drain + exact);
    EXPECT_TRUE(world_.run_until([&] { return asking.ended(); }));
    EXPECT_TRUE(ended);
    asking.take();
}

}  // namespace
}  // namespace naru::testing
