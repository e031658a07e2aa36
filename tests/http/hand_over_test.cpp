// One server follows another on the same sockets, on every engine: nobody is refused and nothing is reset.
#include "fixture.hpp"

#include <naru/os/os_sockets.hpp>

#include <unistd.h>
#include <atomic>
#include <optional>

namespace naru::testing {
namespace {

std::vector<http::endpoint> copies_of(const std::vector<http::endpoint>& bound, bool outlives_server = true) {
    std::vector<http::endpoint> copies = bound;
    for (http::endpoint& each : copies) {
        each.outlives_server = outlives_server;
        for (int& socket : each.adopted)
            socket = ::dup(socket);
    }
    return copies;
}

class hand_over_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.timeouts.drain = 30s;
        options_.defer_accept = 0s;
    }
    void TearDown() override {
        server_.reset();
        for (const http::endpoint& each : bound_) {
            for (const int socket : each.adopted)
                ::close(socket);
        }
        http_server_test::TearDown();
    }
    void bind(unsigned threads) {
        options_.threads = threads;
        bound_ = http::bind_endpoints(options_.listen, options_);
    }
    std::unique_ptr<http::server> successor(unsigned threads) {
        served_options own = options_;
        own.threads = threads;
        own.listen = copies_of(bound_);
        auto made = make_server(own, [](std::string_view) {});
        made->start();
        return made;
    }
    client connect() const { return client(bound_.front().listen); }

    std::vector<http::endpoint> bound_;
};
NARU_ON_EVERY_ENGINE(hand_over_test);

TEST_P(hand_over_test, endpoints_that_are_bound_have_their_ports) {
    bind(2);
    ASSERT_EQ(bound_.size(), 1u);
    EXPECT_NE(bound_.front().listen.port(), 0);
    EXPECT_EQ(bound_.front().adopted.size(), 2u);
    server_ = successor(2);
    EXPECT_EQ(server_->local_address().port(), bound_.front().listen.port());
    EXPECT_EQ(connect().ask(get("/hello.txt")).body, hello);
}

TEST_P(hand_over_test, all_sockets_of_a_port_are_accepted_from) {
    for (const unsigned threads : {1u, 2u, 5u}) {
        bind(3);
        std::vector<client> waiting;  // in the queues of all three, for all that one knows
        for (int each = 0; each < 30; ++each) {
            waiting.push_back(connect());
            waiting.back().send(get("/hello.txt"));
        }
        server_ = successor(threads);
        for (client& each : waiting)
            EXPECT_EQ(each.read().body, hello);
        server_.reset();
        for (const int socket : bound_.front().adopted)
            ::close(socket);
        bound_.clear();
    }
}

TEST_P(hand_over_test, a_descriptor_that_does_not_listen_is_refused) {
    options_.listen = {http::endpoint{"127.0.0.1:0"}};
    options_.listen.front().adopted = {blocking_socket(AF_INET).release()};
    EXPECT_THROW(server_ = make_server(options_, [](std::string_view) {}), std::runtime_error);
}

TEST_P(hand_over_test, who_is_idle_is_answered_once_more_by_the_old_one) {
    bind(1);
    server_ = successor(1);
    client kept = connect();
    EXPECT_EQ(kept.ask(get("/hello.txt")).body, hello);
    const auto next = successor(1);
    server_->retire();
    EXPECT_TRUE(eventually([&] {  // it comes to it in its own time
        const response got = kept.ask(get("/hello.txt"));
        return got.body == hello && got["Connection"] == "close";
    }));
    EXPECT_TRUE(kept.read_to_end().empty());
    server_->wait();
    client fresh = connect();
    EXPECT_EQ(fresh.ask(get("/hello.txt")).body, hello);
    EXPECT_EQ(fresh.ask(get("/hello.txt")).body, hello);
}

TEST_P(hand_over_test, a_drain_hurries_the_retired) {
    bind(2);
    server_ = successor(2);
    client kept = connect();
    EXPECT_EQ(kept.ask(get("/hello.txt")).body, hello);
    server_->retire();
    server_->drain();
    EXPECT_TRUE(kept.read_to_end().empty());
    server_->wait();
}

TEST_P(hand_over_test, what_outlives_the_server_keeps_its_queue) {
    bind(2);
    server_ = successor(2);
    EXPECT_EQ(connect().ask(get("/hello.txt")).body, hello);
    server_->drain();
    server_->wait();
    client waiting = connect();
    waiting.send(get("/hello.txt"));
    server_ = successor(1);
    EXPECT_EQ(waiting.read().body, hello);
}

TEST_P(hand_over_test, ten_times_under_load) {
    bind(2);
    server_ = successor(2);
    std::atomic<int> answered{0};
    std::atomic<int> failed{0};
    std::atomic<bool> done{false};
    std::vector<std::thread> clients;
    for (int each = 0; each < 4; ++each) {
        clients.emplace_back([&, each] {
            while (!done) {
                try {
                    client one = connect();
                    for (int left = each % 2 == 0 ? 1 : 5; left > 0 && !one.has_ended(); --left) {
                        const response got = one.ask(get("/hello.txt"));
                        got.body == hello ? ++answered : ++failed;
                        if (got["Connection"] == "close") break;
                    }
                } catch (const std::exception&) {
                    ++failed;
                }
            }
        });
    }
    for (const unsigned threads : {1u, 2u, 3u, 1u, 2u, 3u, 1u, 2u, 3u, 2u}) {
        const int before = answered;
        EXPECT_TRUE(eventually([&] { return answered > before + 20; }));
        auto next = successor(threads);
        server_->retire();
        server_->wait();
        server_ = std::move(next);
    }
    done = true;
    for (std::thread& each : clients)
        each.join();
    EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace naru::testing
