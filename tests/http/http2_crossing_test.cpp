// HTTP/2, on every engine: reads beside writes that wait for the client's window, and reads that end in two
// ways at once.
#include "fixture.hpp"
#include "http2_client.hpp"

#include <naru/coro/combine.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/http/http.hpp>

#include <array>
#include <semaphore>
#include <string>
#include <thread>

namespace naru::testing {
namespace {

using http::exchange;

class http2_crossing_test : public http_server_test {
 protected:
    static constexpr std::uint32_t window = 1'000;
    static constexpr std::size_t piece_bytes = 30'000;

    void SetUp() override {
        http_server_test::SetUp();
        options_.h2c = true;
        options_.threads = 1;
    }

    // Of the fixture, which outlives the server's thread: a test's own would be freed beside its last look.
    const std::string piece_ = std::string(piece_bytes, 'p');
    std::binary_semaphore read_{0};
    std::array<std::string, 2> bodies_;  // one a request: nothing orders the next request behind a look here
};
NARU_ON_EVERY_ENGINE(http2_crossing_test);

TEST_P(http2_crossing_test, a_body_is_read_while_a_piece_waits_for_the_window) {
    const auto writes = [](exchange& x, const std::string& text) -> task<> {
        auto wrote = co_await x.write(text);
        EXPECT_TRUE(wrote);
    };
    const auto reads = [this](exchange& x, bool tries) -> task<> {
        if (tries) {
            auto none = co_await with_deadline(0s, x.read());
            EXPECT_FALSE(none);
            read_.release();
        }
        auto all = co_await x.read_all();
        bodies_[tries ? 1 : 0] = all ? *all : "failed: " + all.error().message();
        read_.release();
    };
    http::site site;
    for (const bool tries : {false, true}) {
        site.post(tries ? "/tries" : "/reads", [&, tries](exchange& x) -> task<> {
            auto write = writes(x, piece_);
            auto read = reads(x, tries);
            co_await when_all(std::move(write), std::move(read));
            (void)co_await x.end();
        });
    }
    start(std::move(site));
    const std::string sent(40'000, 's');
    for (const bool tries : {false, true}) {
        http2_client one(server_->local_address(), window, true);
        const std::int32_t id = one.begin_post(tries ? "/tries" : "/reads", "");
        one.keep_open(id);
        ASSERT_TRUE(one.until([&] { return one.at(id).body.size() == window; }));
        if (tries) {
            ASSERT_TRUE(read_.try_acquire_for(patience)) << "stopped";
        }
        one.add_body(id, sent, true);
        ASSERT_TRUE(one.until([&] { return one.unsent(id) == 0; }));
        ASSERT_TRUE(one.round_trip());
        ASSERT_TRUE(read_.try_acquire_for(patience));
        const std::string& body = bodies_[tries ? 1 : 0];
        EXPECT_TRUE(body == sent) << body.substr(0, 100);
        EXPECT_EQ(one.at(id).body.size(), window);
        one.open_window(id, piece_bytes);
        const auto& got = one.wait(id);
        EXPECT_EQ(got.status, 200);
        EXPECT_TRUE(got.ended);
        EXPECT_TRUE(got.body == piece_) << got.body.size();
    }
}

// The loop stands still until both are past.
TEST_P(http2_crossing_test, a_read_whose_deadline_is_the_bodys) {
    http::site site;
    int number = 0;
    for (const auto& [of_read, of_body] : {std::pair(1ms, 2ms), std::pair(2ms, 1ms), std::pair(1ms, 1ms)}) {
        site.post("/late/" + std::to_string(number++),
                  [of_read](exchange& x) -> task<> {
                      const auto reads = [](exchange& from, std::chrono::milliseconds in) -> task<> {
                          auto none = co_await with_deadline(in, from.read());
                          EXPECT_FALSE(none);
                      };
                      const auto delays = []() -> task<> {
                          std::this_thread::sleep_for(5ms);
                          co_return;
                      };
                      auto read = reads(x, of_read);
                      auto delay = delays();
                      co_await when_all(std::move(read), std::move(delay));
                  },
                  {.body_time = of_body});
    }
    site.get("/next", [](exchange& x) noexcept { x.respond(200, "text/plain", "next"); });
    start(std::move(site));
    http2_client one(server_->local_address());
    for (int each = 0; each < number; ++each) {
        const std::int32_t id = one.begin_post("/late/" + std::to_string(each), "");
        one.keep_open(id);
        const int status = one.wait(id).status;
        EXPECT_TRUE(status == 408 || status == 500) << status;
        EXPECT_EQ(one.ask("GET", "/next").body, "next");
    }
}

}  // namespace
}  // namespace naru::testing
