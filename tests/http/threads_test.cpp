// Several loops and the threads for blocking work, on every engine.
#include "fixture.hpp"

#include <naru/coro/on.hpp>
#include <naru/http/handlers/blocking_threads.hpp>
#include <naru/http/http.hpp>
#include <naru/http/server/worker.hpp>
#include <naru/http/site/site_data.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <semaphore>

namespace naru::testing {
namespace {

class threads_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.threads = 2;
    }
    /// Runs `work(index)` in `count` threads and reports what they threw.
    template <class Work>
    void in_threads(int count, Work work) {
        std::vector<std::thread> threads;
        std::mutex mutex;
        std::vector<std::string> errors;
        for (int index = 0; index < count; ++index) {
            threads.emplace_back([&, index] {
                try {
                    work(index);
                } catch (const std::exception& error) {
                    const std::lock_guard lock(mutex);
                    errors.emplace_back(error.what());
                }
            });
        }
        for (std::thread& each : threads)
            each.join();
        for (const std::string& each : errors)
            ADD_FAILURE() << each;
    }
};
NARU_ON_EVERY_ENGINE(threads_test);

TEST_P(threads_test, many_clients_of_two_loops_with_a_log) {
    const temporary_directory logs;
    options_.access_log = (logs.path() / "access.log").string();
    files_.write("medium.bin", pattern(70'000));
    start();
    std::atomic<int> right{0};
    in_threads(4, [&](int index) {
        for (int round = 0; round < 10; ++round) {
            client one = connect();
            for (int each = 0; each < 10; ++each)
                right += one.ask(get("/hello.txt")).body == hello;
            if (index % 2 == 0) right += one.ask(get("/medium.bin")).body == pattern(70'000);
            right += one.ask(get("/missing")).status == 404;
        }
    });
    EXPECT_EQ(right, 4 * 10 * 11 + 2 * 10);
    stop();
    std::ifstream log(*options_.access_log);
    int lines = 0;
    for (std::string line; std::getline(log, line); ++lines)
        EXPECT_TRUE(line.starts_with("127.0.0.1 - - [") && line.ends_with('"')) << line;
    EXPECT_EQ(lines, 4 * 10 * 11 + 2 * 10);
}

TEST_P(threads_test, work_that_blocks_while_clients_come_and_go) {
    for (int each = 0; each < 50; ++each)
        files_.write("d/" + std::to_string(each), "x");
    options_.listings = true;
    start();
    std::atomic<int> right{0};
    in_threads(4, [&](int index) {
        for (int round = 0; round < 40; ++round) {
            client one = connect();
            one.send(get("/d/") + get("/hello.txt"));
            if (round % 4 == index % 4) {
                one.reset();  // perhaps while a thread still reads the directory
                ++right;
                continue;
            }
            right += one.read().body.find("href=\"./49\"") != std::string::npos && one.read().body == hello;
        }
    });
    EXPECT_EQ(right, 160);
    EXPECT_TRUE(answers());
}

TEST_P(threads_test, one_listener_hands_its_connections_round) {
    options_.threads = 3;
    options_.shared_listener = true;
    options_.defer_accept = 0s;
    start();
    std::vector<client> kept;
    for (int each = 0; each < 30; ++each) {
        kept.push_back(connect());
        EXPECT_EQ(kept.back().ask(get("/hello.txt")).body, hello);
    }
    for (client& each : kept)
        EXPECT_EQ(each.ask(get("/hello.txt")).body, hello);
    // The end reaches all three, while clients still come.
    std::atomic<bool> ending{false};
    std::thread coming([&] {
        while (!ending) {
            try {
                (void)connect().ask(get("/hello.txt"));
            } catch (const std::exception&) {
                return;  // no longer
            }
        }
    });
    server_->drain();
    for (client& each : kept)
        EXPECT_TRUE(each.read_to_end().empty());
    server_->wait();
    ending = true;
    coming.join();
}

TEST_P(threads_test, a_port_is_shared_by_the_loops_and_by_nobody_else) {
    start();
    served_options second = options_;
    second.listen = {{server_->local_address()}};
    second.threads = 1;
    EXPECT_THROW(make_server(second, [](std::string_view) {}), std::runtime_error);
    EXPECT_TRUE(answers());
}

// What has been deferred in the loop's last tick has no tick any more: a ring takes nothing from this thread.
TEST_P(threads_test, a_worker_that_has_something_deferred_is_destroyed_on_another_thread) {
    backend_choice choice = try_backend(GetParam());
    ASSERT_NE(choice.backend, nullptr);
    naru::loop on(std::move(choice.backend));
    http::blocking_threads threads;
    auto ending = std::make_unique<http::worker>(on, options_, options_.site().take(), threads, nullptr,
                                                 [](std::string_view) {});
    bool deferred = false;
    std::thread([&] {
        on.run_for_one_tick(0s);
        ending->on_end([&] {
            ending->replace_or_report(options_.site().take());
            deferred = ending->has_deferred();
            on.stop();
        });
        ending->drain();
        on.run();
    }).join();
    EXPECT_TRUE(deferred);
    ending.reset();
}

// What a loop keeps is there for who comes from another loop, and for the answers to come.
TEST_P(threads_test, a_loop_that_has_no_clients_left_answers_the_others) {
    struct store {
        naru::loop& home;
        std::atomic<store*>& known;
        int asked = 0;
        store(naru::loop& at, std::atomic<store*>& in) : home(at), known(in) { known = this; }
        ~store() { known = nullptr; }
        store(const store&) = delete;
        store& operator=(const store&) = delete;
    };
    options_.shared_listener = true;  // two clients are two loops'
    std::mutex mutex;
    std::deque<std::atomic<store*>> stores;
    std::binary_semaphore begun(0), drained(0);
    http::site site;
    site.per_loop([&](loop& at) {
            const std::lock_guard lock(mutex);
            return std::make_unique<store>(at, stores.emplace_back(nullptr));
        })
        .get("/hello", [](http::exchange& x) noexcept { x.respond(200, "text/plain", "hello"); })
        .get("/others", [&](http::exchange& x) -> task<> {
            begun.release();
            drained.acquire();
            const store* const own = x.local<std::unique_ptr<store>>().get();
            int answers = 0;
            for (int each = 0; each < 50; ++each) {
                for (std::atomic<store*>& other : stores) {
                    store* const there = other.load();
                    if (there == own) continue;
                    if (there == nullptr) co_return x.respond(500, "text/plain", "its store is gone");
                    const auto ask = [there]() -> task<int> { co_return ++there->asked; };
                    answers = co_await on(there->home, ask());
                }
            }
            x.respond(200, "text/plain", std::to_string(answers));
        });
    start(std::move(site));
    client first = connect();
    client second = connect();
    EXPECT_EQ(first.ask(get("/hello")).body + second.ask(get("/hello")).body, "hellohello");
    first.send(get("/others"));
    begun.acquire();
    server_->drain();
    drained.release();
    EXPECT_EQ(first.read().body, "50");
    server_->wait();
    for (std::atomic<store*>& each : stores)
        EXPECT_EQ(each.load(), nullptr) << "in the end they are gone";
}

TEST_P(threads_test, the_server_says_what_is_wrong) {
    const auto message = [](const served_options& options) -> std::string {
        try {
            (void)make_server(options, [](std::string_view) {});
        } catch (const std::exception& error) {
            return error.what();
        }
        return "no error";
    };
    served_options options = options_;
    options.root = (files_.path() / "missing").string();
    EXPECT_NE(message(options).find("there is no such directory"), std::string::npos) << message(options);
    options.root = (files_.path() / "hello.txt").string();
    EXPECT_NE(message(options).find("it is not a directory"), std::string::npos) << message(options);
    options = options_;
    options.access_log = (files_.path() / "missing/log").string();
    EXPECT_NE(message(options).find("cannot write the access log"), std::string::npos) << message(options);
    options = options_;
    options.listen = {{"192.0.2.1:0"}};
    EXPECT_NE(message(options).find("no interface has this address"), std::string::npos) << message(options);
}

}  // namespace
}  // namespace naru::testing
