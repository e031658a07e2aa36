// Requests that come while the pool has no buffer for their answers: each waits for one, whatever it was at,
// and holds none meanwhile. On every engine.
#include "worker_fixture.hpp"

#include <naru/coro/sync.hpp>

namespace naru::testing {
namespace {

class waiting_test : public worker_test {
 protected:
    void SetUp() override {
        options_.timeouts.buffer = 60s;
        worker_test::SetUp();
    }
    /// A peer whose connection has been accepted and has had an answer.
    peer known() {
        peer one = connect();
        one.say(get("/hello.txt"));
        EXPECT_EQ(read(one).body, hello);
        return one;
    }
    /// Takes the pool's buffers but what requests are received in: a ring has some for that.
    void starve(std::size_t requests = 1) { take_buffers(has_ring() ? 0 : requests); }
    static bool has_ring() { return name_of(GetParam()).starts_with("io_uring"); }
    /// Lets the worker do what it can; what cannot go on, waits.
    void let_it_run() {
        for (int each = 0; each < 30; ++each)
            tick();
    }
    bool has_come(peer& to) {
        to.got.read_from(to.socket.get());
        return !to.got.data.empty() || to.got.ended || to.got.error != 0;
    }
    bool is_over(peer& to) {
        return run_until([&] {
            to.got.read_from(to.socket.get());
            return to.got.ended || to.got.error != 0;
        });
    }
};
NARU_ON_EVERY_ENGINE(waiting_test);

TEST_P(waiting_test, a_request_waits_for_a_buffer_and_holds_none) {
    peer one = known();
    peer other = known();
    starve();
    const std::size_t before = leased();
    one.say(get("/hello.txt"));
    let_it_run();
    EXPECT_FALSE(has_come(one));
    if (!has_ring()) {  // there, what the first one has come in would do for the second one's answer
        other.say(get("/hello.txt"));
        let_it_run();
        EXPECT_FALSE(has_come(one));
        EXPECT_FALSE(has_come(other));
    }
    EXPECT_LE(leased(), before) << "what it came in has gone back";
    give_buffers_back();
    EXPECT_EQ(read(one).body, hello);
    if (!has_ring()) {
        EXPECT_EQ(read(other).body, hello);
    }
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
    EXPECT_TRUE(reports_.empty()) << reports_.front();
}

TEST_P(waiting_test, after_a_body_and_with_more_behind_it) {
    for (const std::size_t behind : {0u, 1u, 3u, 40u}) {
        SCOPED_TRACE(behind);
        peer one = known();
        one.say(request("POST", "/hello.txt", "Content-Length: 10\r\n") + "01234");
        ASSERT_TRUE(comes_to(0));
        starve();
        std::string rest = "56789";
        for (std::size_t each = 0; each < behind; ++each)
            rest += get("/hello.txt");
        one.say(rest);
        let_it_run();
        EXPECT_FALSE(has_come(one));
        give_buffers_back();
        EXPECT_EQ(read(one).status, 405);
        for (std::size_t each = 0; each < behind; ++each)
            ASSERT_EQ(read(one).body, hello) << each;
        EXPECT_TRUE(comes_to(0)) << leased() - unused_;
    }
}

TEST_P(waiting_test, within_a_chunked_body) {
    peer one = known();
    one.say(request("POST", "/hello.txt", "Transfer-Encoding: chunked\r\n") + "5\r\n01");
    ASSERT_TRUE(comes_to(0));
    starve();
    one.say("234\r\n0\r\n\r\n" + get("/hello.txt"));
    let_it_run();
    EXPECT_FALSE(has_come(one));
    give_buffers_back();
    EXPECT_EQ(read(one).status, 405);
    EXPECT_EQ(read(one).body, hello);
}

TEST_P(waiting_test, after_the_disk) {
    struct busy : work_operation {
        busy()
            : work_operation([](work_operation& work) { static_cast<busy&>(work).released.acquire(); },
                             [](operation&) noexcept {}) {}
        std::binary_semaphore released{0};
    };
    std::array<busy, http::limits::listing_threads> all;
    for (busy& each : all)
        threads_->listings.submit(*loop_, each);
    peer one = known();
    one.say(get("/") + get("/hello.txt"));
    let_it_run();
    ASSERT_TRUE(comes_to(0)) << "it waits for the thread that makes listings";
    take_buffers(0);
    for (busy& each : all)
        each.released.release();
    EXPECT_TRUE(
        run_until([&] { return std::ranges::all_of(all, [](const busy& each) { return each.idle(); }); }));
    let_it_run();
    EXPECT_FALSE(has_come(one));
    give_buffers_back();
    const response listing = read(one);
    EXPECT_EQ(listing.status, 200);
    EXPECT_NE(listing.body.find("hello.txt"), std::string::npos);
    EXPECT_EQ(read(one).body, hello);
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
}

TEST_P(waiting_test, at_a_drain_it_is_answered_and_its_connection_ends) {
    options_.timeouts.drain = 20s;
    peer one = known();
    starve();
    one.say(get("/hello.txt"));
    let_it_run();
    EXPECT_FALSE(has_come(one));
    worker_->drain();
    let_it_run();
    give_buffers_back();
    const response got = read(one);
    EXPECT_EQ(got.body, hello);
    EXPECT_EQ(got["Connection"], "close");
    EXPECT_TRUE(is_over(one));
}

TEST_P(waiting_test, whoever_ends_it_costs_nothing) {
    peer gone = known();
    peer reset = known();
    starve(2);
    gone.say(get("/hello.txt"));
    reset.say(get("/hello.txt"));
    let_it_run();
    gone.socket.reset();
    reset_connection(reset.socket);
    let_it_run();
    give_buffers_back();
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
    EXPECT_EQ(ask(get("/hello.txt")).body, hello);
}

TEST_P(waiting_test, a_server_that_ends_does_not_wait_for_it) {
    peer one = known();
    starve();
    one.say(get("/hello.txt"));
    let_it_run();
    worker_->drain();  // for a millisecond
    EXPECT_TRUE(is_over(one));
    EXPECT_TRUE(one.got.data.empty());
}

TEST_P(waiting_test, it_does_not_wait_for_ever) {
    options_.timeouts.buffer = 10ms;
    peer one = known();
    starve();
    one.say(get("/hello.txt"));
    EXPECT_TRUE(is_over(one));
    EXPECT_TRUE(one.got.data.empty());
    EXPECT_TRUE(run_until([&] { return reports_say("1 refused for want of a buffer"); }));
    give_buffers_back();
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
    EXPECT_EQ(ask(get("/hello.txt")).body, hello);
}

/// Handlers that wait with no buffer, and want one when there is none.
class waiting_handler_test : public waiting_test {
 protected:
    http::site site() const override {
        http::site made = options_.site();
        made.get("/silent",
                 [this](http::exchange&) -> task<> {
                     ++begun_;
                     (void)co_await go_on_.wait();
                 })
            .post("/upload", [this](http::exchange& x) -> task<> {
                ++begun_;
                (void)co_await go_on_.wait();
                auto body = co_await x.read();
                x.respond(200, "text/plain", body ? body->text() : std::string_view("no body"));
            });
        return made;
    }
    /// When its handler waits.
    void ask_handler(peer& one, std::string_view text) {
        go_on_.reset();
        const int before = begun_;
        one.say(text);
        ASSERT_TRUE(run_until([&] { return begun_ > before; }) && comes_to(0));
    }
    mutable async_event go_on_;
    mutable int begun_ = 0;
};
NARU_ON_EVERY_ENGINE(waiting_handler_test);

TEST_P(waiting_handler_test, one_that_gives_no_answer) {
    peer one = known();
    ask_handler(one, get("/silent"));
    take_buffers(0);
    go_on_.set();
    let_it_run();
    EXPECT_FALSE(has_come(one));
    one.say(get("/hello.txt"));
    give_buffers_back();
    EXPECT_EQ(read(one).status, 500);
    EXPECT_EQ(read(one).body, hello);
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
}

TEST_P(waiting_handler_test, one_that_gives_no_answer_and_whose_client_leaves) {
    for (const bool reset : {false, true}) {
        peer one = known();
        ask_handler(one, get("/silent"));
        take_buffers(0);
        go_on_.set();
        let_it_run();
        reset ? reset_connection(one.socket) : one.socket.reset();
        let_it_run();
        give_buffers_back();
        EXPECT_TRUE(comes_to(0)) << leased() - unused_;
        EXPECT_EQ(ask(get("/hello.txt")).body, hello);
    }
}

TEST_P(waiting_handler_test, one_whose_client_waits_to_be_told_to_send) {
    peer one = known();
    ask_handler(one, request("POST", "/upload", "Expect: 100-continue\r\nContent-Length: 4\r\n"));
    take_buffers(0);
    go_on_.set();
    EXPECT_EQ(read(one).status, 100);
    give_buffers_back();
    one.say("body");
    EXPECT_EQ(read(one).body, "body");
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
}

}  // namespace
}  // namespace naru::testing
