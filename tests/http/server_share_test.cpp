// What a client holds in each state, and what becomes of it when that runs out. The server's worker runs on
// the test's own thread, so that the loop's pool can be looked at. On every engine.
#include "worker_fixture.hpp"

#include <naru/coro/sleep.hpp>
#include <naru/http/handlers/disk.hpp>
#include <naru/http/http.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/worker.hpp>

#include <array>
#include <deque>
#include <semaphore>

#if defined(__linux__)
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#endif

namespace naru::testing {
namespace {

class share_test : public worker_test {};
NARU_ON_EVERY_ENGINE(share_test);

TEST_P(share_test, an_answer_that_is_in_a_file_holds_no_buffer) {
    peer slow = connect();
    slow.say(get("/large.bin"));
    ASSERT_TRUE(is_under_way(slow));
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
    EXPECT_TRUE(read(slow).body == pattern(large, 5));
}

TEST_P(share_test, little_that_waits_behind_it_holds_no_buffer) {
    peer slow = connect();
    slow.say(get("/large.bin") + get("/hello.txt") + "GET /hel");
    ASSERT_TRUE(is_under_way(slow));
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
    EXPECT_TRUE(read(slow).body == pattern(large, 5));
    EXPECT_EQ(read(slow).body, hello);
    slow.say("lo.txt HTTP/1.1\r\nHost: test\r\n\r\n");
    EXPECT_EQ(read(slow).body, hello);
}

TEST_P(share_test, much_that_waits_behind_it_holds_one) {
    std::string behind;
    for (int each = 0; each < 60; ++each)
        behind += get("/hello.txt");
    peer slow = connect();
    slow.say(get("/large.bin") + behind);
    ASSERT_TRUE(is_under_way(slow));
    EXPECT_TRUE(comes_to(1)) << leased() - unused_;
    EXPECT_TRUE(read(slow).body == pattern(large, 5));
    for (int each = 0; each < 60; ++each)
        ASSERT_EQ(read(slow).body, hello) << each;
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
}

TEST_P(share_test, a_body_that_comes_slowly_holds_none) {
    peer slow = connect();
    slow.say(get("/hello.txt") + request("POST", "/hello.txt", "Content-Length: 10\r\n") + "0");
    EXPECT_EQ(read(slow).body, hello);
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
    slow.say("123456789" + get("/hello.txt"));
    EXPECT_EQ(read(slow).status, 405);
    EXPECT_EQ(read(slow).body, hello);
}

TEST_P(share_test, a_head_that_comes_byte_by_byte_holds_none_and_is_answered) {
    peer slow = connect();
    const std::string text = get("/hello.txt", "X-Long: " + std::string(300, 'x') + "\r\n");
    for (std::size_t at = 0; at < text.size(); ++at) {
        slow.say(text.substr(at, 1));
        loop_->run_for_one_tick(0ms);
    }
    EXPECT_EQ(read(slow).body, hello);
    slow.say("GET /");
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
    slow.say("hello.txt HTTP/1.1\r\nHost: test\r\n\r\n");
    EXPECT_EQ(read(slow).body, hello);
}

TEST_P(share_test, who_waits_for_the_disk_holds_none) {
    // A directory's listing always asks a thread of those for listings; all of them are busy.
    struct busy : work_operation {
        busy()
            : work_operation([](work_operation& work) { static_cast<busy&>(work).released.acquire(); },
                             [](operation&) noexcept {}) {}
        std::binary_semaphore released{0};
    };
    std::array<busy, http::limits::listing_threads> all;
    for (busy& each : all)
        threads_->listings.submit(*loop_, each);
    peer one = connect();
    one.say(get("/") + get("/hello.txt"));
    peer other = connect();
    other.say(get("/"));
    for (int each = 0; each < 3; ++each)
        EXPECT_EQ(ask(get("/hello.txt")).body, hello) << "behind both";
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
    for (busy& each : all)
        each.released.release();
    EXPECT_EQ(read(one).status, 200);
    EXPECT_EQ(read(one).body, hello);
    EXPECT_EQ(read(other).status, 200);
    EXPECT_TRUE(run_until(
        [&] { return std::all_of(all.begin(), all.end(), [](const busy& each) { return each.idle(); }); }));
}

// As many as there are threads are at work, and as many wait as may: the next is told so.
TEST_P(share_test, a_handler_that_no_thread_has_room_for) {
    with_handlers_ = true;
    begin();
    if (IsSkipped()) return;
    struct busy : work_operation {
        busy()
            : work_operation(
                  [](work_operation& work) {
                      auto& self = static_cast<busy&>(work);
                      self.begun.release();
                      self.released.acquire();
                  },
                  [](operation&) noexcept {}) {}
        std::binary_semaphore begun{0};
        std::binary_semaphore released{0};
    };
    std::deque<busy> all(http::limits::blocking_threads + http::limits::blocking_queue);
    for (std::size_t each = 0; each < all.size(); ++each) {
        threads_->blocking.submit(*loop_, all[each]);
        if (each < http::limits::blocking_threads) all[each].begun.acquire();
    }
    for (int each = 0; each < 3; ++each) {
        const response refused = ask(get("/block"));
        EXPECT_EQ(refused.status, 503);
        EXPECT_EQ(refused["Retry-After"], "1");
        EXPECT_EQ(ask(get("/hello.txt")).body, hello);
    }
    for (busy& each : all)
        each.released.release();
    EXPECT_TRUE(run_until(
        [&] { return std::all_of(all.begin(), all.end(), [](const busy& each) { return each.idle(); }); }));
    EXPECT_EQ(ask(get("/block")).body, "done");
}

TEST_P(share_test, who_waits_in_a_handler_holds_none) {
    with_handlers_ = true;
    begin();
    if (IsSkipped()) return;
    constexpr int handlers = 4;
    std::deque<peer> waiting;
    for (int each = 0; each < 40; ++each) {
        waiting.push_back(connect());
        const std::string body(each * 100, 'b');
        switch (each % handlers) {
            case 0:
                waiting.back().say(get("/hello.txt") + get("/wait") + "G");
                break;
            case 1:
                waiting.back().say(get("/wait/1") + get("/wait/2"));
                break;
            case 2:
                waiting.back().say(get("/hello.txt") + get("/wait/1") + "G");
                break;
            default:
                waiting.back().say(request("POST", "/wait", "Content-Length: 5000\r\n") + body);
        }
    }
    for (std::size_t each = 0; each < waiting.size(); ++each) {
        if (each % handlers != 3) {
            EXPECT_TRUE(is_under_way(waiting[each])) << each;
        }
    }
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
    EXPECT_EQ(ask(get("/hello.txt")).body, hello);
}

// Answers that nobody takes fill the pool: those who have taken nothing for longest make room.
TEST_P(share_test, when_buffers_run_out_the_slowest_are_reset_and_others_served) {
    begin(64);
    if (IsSkipped()) return;
    files_.write("page.bin", pattern(4'000, 7));
    std::deque<peer> slow;
    std::string many;
    for (int each = 0; each < 40; ++each)
        many += get("/page.bin");  // they lie in the output, which a part of a large one gives back
    for (int each = 0; each < 100; ++each) {
        slow.push_back(connect());
        slow.back().say(many);
        EXPECT_EQ(ask(get("/hello.txt")).body, hello) << each;
    }
    EXPECT_TRUE(run_until([&] { return reports_say("holding buffers that were needed"); }));
    for (int each = 0; each < 20; ++each)
        EXPECT_EQ(ask(get("/hello.txt")).body, hello) << each;
    slow.clear();
    EXPECT_TRUE(run_until([&] { return leased() <= 32; })) << "what the ring has is lent";
}

// A byte behind each of many slow downloads: what is received ahead of them leaves buffers for others.
TEST_P(share_test, what_is_received_behind_slow_answers_leaves_buffers_for_others) {
    begin(64);
    if (IsSkipped()) return;
    std::deque<peer> slow;
    for (int each = 0; each < 100; ++each) {
        slow.push_back(connect());
        slow.back().say(get("/hello.txt"));  // the first receive is for one completion
        ASSERT_EQ(read(slow.back()).body, hello);
        slow.back().say(get("/large.bin"));
        ASSERT_TRUE(is_under_way(slow.back()));
        slow.back().say("G");
    }
    for (int each = 0; each < 20; ++each)
        EXPECT_EQ(ask(get("/hello.txt")).body, hello) << each;
    EXPECT_TRUE(run_until([&] { return leased() <= 32 + 16 + 8; })) << leased();
}

TEST_P(share_test, pipelined_answers_leave_together_however_much_is_unread) {
    peer one = connect();
    std::string many;
    for (int each = 0; each < 90; ++each)
        many += get("/hello.txt", "X-Padding: " + std::string(100, 'x') + "\r\n");
    ASSERT_GT(many.size(), 8'192u + 4'096);
    ASSERT_LT(many.size(), 16'384u);
    one.say(many);
#if defined(__linux__)
    // A busy machine delivers what was sent bit by bit: the loop, which is this thread's, has not read before
    // all of it has been acknowledged.
    int unacknowledged = 1;
    while (unacknowledged > 0)
        checked(::ioctl(one.socket.get(), SIOCOUTQ, &unacknowledged), "SIOCOUTQ");
#endif
    for (int each = 0; each < 90; ++each)
        ASSERT_EQ(read(one).body, hello) << each;
#if defined(__linux__)
    tcp_info info{};
    socklen_t size = sizeof info;
    checked(::getsockopt(one.socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size), "TCP_INFO");
    // Up to 13 were seen: SQPOLL's thread reads while it comes.
    EXPECT_LE(info.tcpi_data_segs_in, 24u) << "one for each answer past the first 8 KiB is 40 and more";
#endif
}

// The answers before its own are on their way, and lie where they are sent from.
TEST_P(share_test, a_handler_answers_while_what_was_asked_before_is_being_sent) {
    with_handlers_ = true;
    begin();
    if (IsSkipped()) return;
    for (const std::string_view last : {"/later", "/later/own"}) {
        peer one = connect();
        std::string many;
        for (int each = 0; each < 24; ++each)
            many += get("/text/" + std::string(static_cast<std::size_t>(each % 5 + 1), 'x'));
        one.say(many + get(std::string(last)));
        for (int turn = 0; turn < 50; ++turn)  // nobody reads: the handler has its turns meanwhile
            loop_->run_for_one_tick(0ms);
        for (int each = 0; each < 24; ++each)
            ASSERT_EQ(read(one).body, pattern(3'000, static_cast<unsigned>(each % 5 + 1))) << each;
        const response got = read(one);
        EXPECT_EQ(got.body, last == "/later" ? "prepared" : "own");
        EXPECT_EQ(got["Date"].size(), std::string_view("Sun, 06 Nov 1994 08:49:37 GMT").size());
        EXPECT_TRUE(got["Date"].ends_with("GMT")) << got["Date"];
    }
}

}  // namespace
}  // namespace naru::testing
