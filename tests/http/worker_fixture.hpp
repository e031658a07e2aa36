// One worker of the server on a loop that the test drives, and peers that do as much as they are told: what a
// client holds, and when, can be seen in between.
#pragma once

#include "fixture.hpp"

#include <naru/coro/sleep.hpp>
#include <naru/http/handlers/disk.hpp>
#include <naru/http/http.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/metrics.hpp>
#include <naru/http/server/worker.hpp>

#include <array>
#include <deque>
#include <optional>
#include <semaphore>
#include <thread>

#if defined(__linux__)
#include <linux/sockios.h>
#include <sys/ioctl.h>
#endif

namespace naru::testing {

class worker_test : public ::testing::TestWithParam<engine> {
 protected:
    static constexpr std::string_view hello = "Hello, ferry.\n";
    static constexpr std::size_t large = 4 * 1024 * 1024;

    void SetUp() override { begin(); }

    /// A worker of its own; `buffers`: of its pool, if not 0. Skips where the engine has no such choice.
    void begin(std::size_t buffers = 0) {
        end();
        uring_options ring;
        ring.sqpoll_idle_milliseconds = 1;
        if (buffers > 0) ring.pool_buffers = buffers;
        backend_choice choice = try_backend(GetParam(), ring);
        if (choice.backend == nullptr) GTEST_SKIP() << name_of(GetParam()) << ": " << choice.reason;
        if (buffers > 0 && choice.backend->buffers().capacity() != buffers)
            GTEST_SKIP() << "the pool has its own size here";
        files_.write("hello.txt", hello);
        files_.write("large.bin", pattern(large, 5));
        files_.write("medium.bin", pattern(50'000, 6));
        options_.root = files_.path().string();
        options_.listings = true;
        options_.timeouts.drain = 1ms;
        options_.defer_accept = 0s;
        listen_options listening;
        listening.send_buffer = 16'384;
        auto listener = listen_on(address::parse("127.0.0.1:0").value(), listening).value();
        where_ = address::local_of(listener.get()).value();
        loop_ = std::make_unique<naru::loop>(std::move(choice.backend));
        threads_.emplace();
        worker_ =
            std::make_unique<http::worker>(*loop_, options_, site().take(), *threads_, log_.get(),
                                           [this](std::string_view line) { reports_.emplace_back(line); });
        worker_->on_end([this] { loop_->stop(); });
        worker_->serve({loop_->attach(listener.release(), descriptor_kind::listener).value()});
        (void)ask(get("/hello.txt"));  // what is there from the first request on
        // The client may have its answer before the server knows that it is sent.
        ASSERT_TRUE(run_until([&] { return open_connections() == 0; }));
        unused_ = leased();
    }
    void TearDown() override { end(); }
    void end() {
        if (worker_ == nullptr) return;
        give_buffers_back();
        worker_->drain();
        loop_->run();
        worker_.reset();
        threads_.reset();
        loop_.reset();
        log_.reset();
    }

    /// The files, and handlers that wait after they have begun in different ways.
    virtual http::site site() const {
        http::site made = options_.site();
        if (!with_handlers_) return made;
        made.get("/wait", [](http::exchange&) -> task<> { (void)co_await sleep_for(1h); })
            .get("/wait/{n}",
                 [](http::exchange& x) -> task<> {
                     (void)co_await x.write(x.param("n"));
                     (void)co_await sleep_for(1h);
                 })
            .get("/text/{n}",
                 [](http::exchange& x) noexcept {
                     x.respond(200, "text/plain", pattern(3'000, x.param("n").size()));
                 })
            .get("/later",
                 [](http::exchange& x) -> task<> {
                     static const http::prepared whole(200, "text/plain", "prepared");
                     co_await yield();
                     x.respond(whole);
                 })
            .get("/later/{n}",
                 [](http::exchange& x) -> task<> {
                     co_await yield();
                     x.respond(200, "text/plain", x.param("n"));
                 })
            .get("/block", http::blocking([](const http::request_view&, std::stop_token) {
                     return http::answer(200, "text/plain", "done");
                 }))
            .post("/wait", [](http::exchange& x) -> task<> {
                (void)co_await x.read();
                (void)co_await x.write("begun");
                (void)co_await sleep_for(1h);
            });
        return made;
    }

    template <class Predicate>
    bool run_until(Predicate done) {
        const auto end = test_clock::now() + patience;
        while (!done()) {
            if (test_clock::now() > end) return false;
            tick();
        }
        return true;
    }
    virtual void tick() { loop_->run_for_one_tick(1ms); }
    std::size_t leased() { return loop_->buffers().leased(); }
    std::size_t open_connections() {
        http::server_metrics now;
        worker_->measure(now, false);
        return now.open_idle + now.open_reading + now.open_working + now.open_starved + now.open_sending +
               now.open_closing;
    }
    /// Whether all buffers but `held` come back to the pool.
    bool comes_to(std::size_t held) {
        return run_until([&] { return leased() == unused_ + held; });
    }

    struct peer {
        unique_descriptor socket;
        received_text got;
        void say(std::string_view text) { write_all(socket.get(), text); }
    };
    peer connect() { return {connect_to(where_, true, 4'096), {}}; }
#if defined(__linux__)
    /// What it has said is in the server's socket: the next ticks find it there.
    static void await_delivery(const peer& of) {
        for (int left = 1; left > 0; std::this_thread::yield())
            ASSERT_EQ(::ioctl(of.socket.get(), SIOCOUTQ, &left), 0);
    }
#endif
    /// The next answer, while the loop runs.
    response read(peer& from) {
        response got;
        EXPECT_TRUE(run_until([&] {
            from.got.read_from(from.socket.get());
            return take_response(from.got.data, got) || from.got.ended || from.got.error != 0;
        }));
        return got;
    }
    response ask(std::string_view text) {
        peer one = connect();
        one.say(text);
        return read(one);
    }
    /// The first bytes of an answer have come; the rest is stuck.
    bool is_under_way(peer& to) {
        return run_until([&] { return to.got.read_from(to.socket.get(), 1) > 0; });
    }
    bool reports_say(std::string_view what) const {
        return std::any_of(reports_.begin(), reports_.end(),
                           [&](const std::string& line) { return line.find(what) != std::string::npos; });
    }

    /// Takes the pool's buffers, but for so many. What a ring has for its receives is not among them.
    void take_buffers(std::size_t left) {
        while (std::byte* const each = loop_->buffers().acquire())
            taken_.push_back(each);
        for (; left > 0 && !taken_.empty(); --left)
            give_back_one();
    }
    void give_back_one() {
        loop_->buffers().release(taken_.back());
        taken_.pop_back();
    }
    void give_buffers_back() {
        while (!taken_.empty())
            give_back_one();
    }

    bool with_handlers_ = false;
    std::unique_ptr<http::access_log> log_;
    std::vector<std::byte*> taken_;
    temporary_directory files_;
    served_options options_;
    std::unique_ptr<naru::loop> loop_;
    std::optional<http::blocking_threads> threads_;  // its work completes in the loop
    std::unique_ptr<http::worker> worker_;
    std::vector<std::string> reports_;
    address where_;
    std::size_t unused_ = 0;
};

}  // namespace naru::testing
