// Servers for the load generator's tests: naru's own, and one that does whatever a test asks of it.
#pragma once

#include "fixture.hpp"

#include <load/request.hpp>
#include <load/run.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <poll.h>

namespace naru::load {

using namespace std::chrono_literals;

/// A blocking server with a thread for each connection, which is told what to do with it.
class scripted_server {
 public:
    /// One connection, in its own thread. Ends when the function that is given it returns.
    class conversation {
     public:
        conversation(int socket, unsigned number) : socket_(socket), number_(number) {}

        /// How many connections came before.
        unsigned number() const { return number_; }

        /// The client's address.
        std::string host() const { return address::peer_of(socket_)->host_text(); }

        /// The next request with its body (Content-Length only); nothing when the client has gone.
        std::optional<std::string> read_request() {
            while (true) {
                const std::size_t head = input_.find("\r\n\r\n");
                if (head != std::string::npos) {
                    const std::size_t field = input_.find("Content-Length: ");
                    const std::size_t body = field < head ? std::stoul(input_.substr(field + 16)) : 0;
                    if (input_.size() >= head + 4 + body) {
                        std::string request = input_.substr(0, head + 4 + body);
                        input_.erase(0, head + 4 + body);
                        return request;
                    }
                }
                if (!read_more()) return std::nullopt;
            }
        }
        void send(std::string_view text) const {
            while (!text.empty()) {
                const ssize_t step = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
                if (step <= 0) return;
                text.remove_prefix(static_cast<std::size_t>(step));
            }
        }
        void answer(std::string_view body = "hello", std::string_view fields = {}) const {
            send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
                 std::string(fields) + "\r\n" + std::string(body));
        }
        /// A piece of a request that is not read to its end.
        bool read_some() { return read_more(); }
        /// So many bytes; fewer when the client has gone.
        std::string read_bytes(std::size_t count) {
            while (input_.size() < count && read_more()) {
            }
            std::string bytes = input_.substr(0, count);
            input_.erase(0, bytes.size());
            return bytes;
        }
        /// Until the client has gone.
        void wait_for_end() {
            while (read_more()) {
            }
        }
        /// Ends this side and takes what still comes: closing with input unread would reset the connection,
        /// and a reset may overtake the last response.
        void end_in_order() {
            ::shutdown(socket_, SHUT_WR);
            wait_for_end();
        }
        void reset() const { reset_on_close(socket_); }

     private:
        bool read_more() {
            char chunk[16384];
            const ssize_t got = ::recv(socket_, chunk, sizeof chunk, 0);
            if (got <= 0) return false;
            input_.append(chunk, static_cast<std::size_t>(got));
            return true;
        }
        int socket_;
        unsigned number_;
        std::string input_;
    };

    explicit scripted_server(std::function<void(conversation&)> script)
        : script_(std::move(script)),
          listener_(testing::listening_socket()),
          where_(*address::local_of(listener_.get())),
          acceptor_([this] { accept_all(); }) {}

    ~scripted_server() {
        stopping_ = true;
        ::shutdown(listener_.get(), SHUT_RDWR);
        acceptor_.join();
        {
            const std::lock_guard lock(mutex_);
            for (const int each : open_)
                ::shutdown(each, SHUT_RDWR);
        }
        for (std::thread& each : threads_)
            each.join();
    }

    const address& where() const { return where_; }
    unsigned connections() const { return accepted_; }

 private:
    void accept_all() {
        while (!stopping_) {
            pollfd waiting{listener_.get(), POLLIN, 0};
            ::poll(&waiting, 1, -1);
            const int socket = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
            if (socket < 0) continue;
            const std::lock_guard lock(mutex_);
            open_.push_back(socket);
            threads_.emplace_back([this, socket, number = accepted_++] {
                conversation client(socket, number);
                script_(client);
                const std::lock_guard closing(mutex_);
                open_.remove(socket);
                ::close(socket);
            });
        }
    }

    std::function<void(conversation&)> script_;
    unique_descriptor listener_;
    address where_;
    std::atomic<bool> stopping_{false};
    std::atomic<unsigned> accepted_{0};
    std::mutex mutex_;
    std::list<int> open_;
    std::list<std::thread> threads_;
    std::thread acceptor_;
};

using conversation = scripted_server::conversation;

/// Answers every request on every connection.
inline void answer_all(conversation& client) {
    while (client.read_request())
        client.answer();
}

/// A small run: a GET on four connections.
inline run_options options_for(const address& target, std::string_view path = "/") {
    run_options made;
    made.target = target;
    made.request = "GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n\r\n";
    made.connections = 4;
    made.run_time = 30s;  // tests end by counting; this is only for those that go wrong
    made.timeout = 30s;   // so is this: on a busy machine an answer may be late
    return made;
}

/// Runs it to its end.
inline report carry_out(const run_options& options) {
    run one(options);
    one.start();
    if (!one.wait_for(40s)) {
        ADD_FAILURE() << "the run does not end";
        one.stop();
        one.wait_for(10s);
    }
    return one.finish();
}

/// Runs it for longer and longer until what is asked for has been seen: a busy machine may leave it no time.
template <class Predicate>
report carry_out_until(run_options options, Predicate seen) {
    report got = carry_out(options);
    while (!seen(got) && options.run_time < 10s) {
        options.run_time *= 4;
        got = carry_out(options);
    }
    return got;
}

inline std::uint64_t errors_of(const report& from, failure kind) {
    return from.counts.errors[static_cast<std::size_t>(kind)];
}

inline bool has_reason(const report& of, std::string_view kind) {
    for (const reason& each : judge(of)) {
        if (each.kind == kind) return true;
    }
    return false;
}

/// Runs on every engine that works here.
class engine_test : public ::testing::TestWithParam<engine> {
 protected:
    void SetUp() override {
        if (const backend_choice choice = try_backend(GetParam()); choice.backend == nullptr)
            GTEST_SKIP() << name_of(GetParam()) << ": " << choice.reason;
        descriptors_before_ = testing::open_descriptors();
    }
    void TearDown() override {
        if (IsSkipped()) return;
        EXPECT_LE(testing::open_descriptors(), descriptors_before_);
    }
    run_options options(const address& target, std::string_view path = "/") const {
        run_options made = options_for(target, path);
        made.engine = GetParam();
        return made;
    }
    /// A thread of the kernel sends and receives, at its own pace: on a busy machine it is behind any
    /// schedule.
    static bool is_paced_by_the_kernel() { return GetParam() == engine::io_uring_sqpoll; }

 private:
    std::size_t descriptors_before_ = 0;
};

}  // namespace naru::load

#define NARU_LOAD_ON_EVERY_ENGINE(suite)                                                 \
    INSTANTIATE_TEST_SUITE_P(                                                            \
        OnEveryEngine, suite,                                                            \
        ::testing::ValuesIn(::naru::all_engines().begin(), ::naru::all_engines().end()), \
        ::naru::testing::engine_test_name)

/// For what takes seconds by its nature: one engine of each family.
#define NARU_LOAD_ON_BOTH_FAMILIES(suite)                                                        \
    INSTANTIATE_TEST_SUITE_P(OnBothFamilies, suite,                                              \
                             ::testing::Values(::naru::engine::epoll, ::naru::engine::io_uring), \
                             ::naru::testing::engine_test_name)
