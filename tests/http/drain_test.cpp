// How the server stops, on every engine: what is idle ends at once, what is in flight may finish, for a
// while.
#include "fixture.hpp"

#include <atomic>
#include <optional>

namespace naru::testing {
namespace {

constexpr std::size_t large = 4 * 1024 * 1024;

class drain_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.threads = 2;
        options_.timeouts.drain = 30s;  // longer than a test may take: it must not be what ends the server
        options_.send_buffer = 16'384;
    }
    bool refuses() const {
        const unique_descriptor made = blocking_socket(AF_INET);
        return connect_socket(made.get(), where_) < 0 && errno == ECONNREFUSED;
    }
    void drain() {
        where_ = server_->local_address();
        server_->drain();
    }
    /// The server ends by itself, well before the drain deadline.
    void expect_end() {
        const auto before = test_clock::now();
        server_->wait();
        EXPECT_LT(test_clock::now() - before, 15s);
        // With SQPOLL the kernel lets go of the listener in its own time.
        EXPECT_TRUE(GetParam() == engine::io_uring_sqpoll ? eventually([this] { return refuses(); })
                                                          : refuses());
    }

 private:
    address where_;
};
NARU_ON_EVERY_ENGINE(drain_test);

TEST_P(drain_test, idle_connections_are_closed_at_once) {
    options_.defer_accept = 0s;  // also those that never said anything
    start();
    std::vector<client> idle;
    for (int each = 0; each < 20; ++each) {
        idle.push_back(connect());
        if (each % 2 == 0) {
            EXPECT_EQ(idle.back().ask(get("/hello.txt")).body, hello);
        }
    }
    drain();
    for (client& each : idle)
        EXPECT_TRUE(each.read_to_end().empty());
    expect_end();
}

TEST_P(drain_test, without_connections_it_ends_at_once) {
    start();
    drain();
    drain();
    expect_end();
}

TEST_P(drain_test, a_download_in_flight_finishes) {
    files_.write("large.bin", pattern(large));
    start();
    client one = connect(4'096);
    one.send(get("/large.bin"));
    std::string got = one.read_some(100);
    drain();
    EXPECT_TRUE(eventually([this] { return refuses(); })) << "new connections are refused while it goes on";
    got += one.read_to_end();
    EXPECT_FALSE(one.was_reset());
    ASSERT_GT(got.size(), large);
    EXPECT_TRUE(std::string_view(got).substr(got.size() - large) == pattern(large));
    expect_end();
}

TEST_P(drain_test, requests_under_way_are_answered) {
    options_.threads = 1;  // what the witness sees has reached the loop of the others, too
    start();
    client in_head = connect();
    client in_body = connect();
    EXPECT_EQ(in_head.ask(get("/hello.txt") + "GET /hello").body, hello);
    EXPECT_EQ(in_body.ask(get("/hello.txt") + request("POST", "/x", "Content-Length: 4\r\n") + "ab").body,
              hello);
    client witness = connect();
    EXPECT_EQ(witness.ask(get("/hello.txt")).body, hello);
    drain();
    EXPECT_TRUE(witness.ends());
    const response first = in_head.ask(".txt HTTP/1.1\r\nHost: a\r\n\r\n" + get("/hello.txt"));
    EXPECT_EQ(first.body, hello);
    EXPECT_EQ(first["Connection"], "close");
    EXPECT_TRUE(in_head.ends());
    EXPECT_EQ(in_body.ask("cd").status, 405);
    EXPECT_TRUE(in_body.ends());
    expect_end();
}

TEST_P(drain_test, the_deadline_cuts_a_client_that_does_not_read) {
    files_.write("large.bin", pattern(large));
    options_.timeouts.drain = 200ms;
    start();
    client one = connect(4'096);
    one.send(get("/large.bin"));
    const std::string begin = one.read_some(100);
    client other = connect();
    other.send("GET /never");
    const auto before = test_clock::now();
    drain();
    server_->wait();
    const auto taken = test_clock::now() - before;
    EXPECT_GE(taken, 195ms);
    EXPECT_LT(taken, 10s);
    EXPECT_LT(one.read_to_end().size(), large);
    EXPECT_TRUE(other.read_to_end().empty());
}

TEST_P(drain_test, under_load) {
    files_.write("d/file", "x");
    options_.listings = true;
    start();
    std::vector<std::thread> clients;
    std::atomic<int> answered{0};
    std::atomic<int> wrong{0};
    for (int each = 0; each < 4; ++each) {
        clients.emplace_back([&, each] {
            const std::string text = each % 2 == 0 ? get("/hello.txt") : get("/d/");
            try {
                while (true) {
                    client one = connect();
                    while (!one.has_ended()) {
                        if (one.ask(text).status != 200) ++wrong;
                        ++answered;
                    }
                }
            } catch (const std::exception&) {
                // The end of a connection, or of all.
            }
        });
    }
    EXPECT_TRUE(eventually([&] { return answered > 100; }));
    drain();
    server_->wait();
    for (std::thread& each : clients)
        each.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_TRUE(refuses());
}

TEST_P(drain_test, what_waits_in_the_listeners_queue_is_served) {
    for (const bool shared : {false, true}) {
        options_.shared_listener = shared;
        server_ = make_server(options_, [](std::string_view) {});
        std::vector<client> waiting;
        for (int each = 0; each < 100; ++each) {
            waiting.push_back(connect());
            waiting.back().send(get("/hello.txt"));
        }
        server_->start();
        drain();
        for (client& each : waiting)
            EXPECT_TRUE(each.read_to_end().ends_with(hello));
        expect_end();
    }
}

TEST_P(drain_test, whoever_connects_meanwhile_is_refused_or_served) {
    options_.defer_accept = 0s;
    start();
    std::atomic<int> answered{0};
    std::atomic<int> lost{0};
    std::vector<std::thread> clients;
    for (int each = 0; each < 4; ++each) {
        clients.emplace_back([&] {
            while (true) {
                std::optional<client> one;
                try {
                    one.emplace(connect());
                } catch (const std::exception&) {
                    return;  // refused
                }
                try {
                    one->send(get("/hello.txt", "Connection: close\r\n"));
                    one->read_to_end().ends_with(hello) ? ++answered : ++lost;
                } catch (const std::exception&) {
                    ++lost;
                }
            }
        });
    }
    EXPECT_TRUE(eventually([&] { return answered > 100; }));
    drain();
    server_->wait();
    for (std::thread& each : clients)
        each.join();
    EXPECT_EQ(lost, 0);
}

TEST_P(drain_test, a_server_that_never_started_ends_too) {
    server_ = make_server(options_, [](std::string_view) {});
    EXPECT_NE(server_->local_address().port(), 0);
    server_.reset();
    SUCCEED();
}

}  // namespace
}  // namespace naru::testing
