// Threads that cannot be had, and listeners that fail, on every engine.
#include "fixture.hpp"

#include <functional>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace naru::testing {
namespace {

class start_failure_test : public http_server_test {
 protected:
    /// The descriptors of this process that listen on the server's port.
    std::vector<int> listeners() const {
        std::vector<int> found;
        for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
            const int number = std::stoi(each.path().filename().string());
            int listens = 0;
            socklen_t size = sizeof listens;
            if (::getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0)
                continue;
            const auto where = address::local_of(number);
            if (where && where->port() == server_->local_address().port()) found.push_back(number);
        }
        return found;
    }
};
NARU_ON_EVERY_ENGINE(start_failure_test);

// A child, because it becomes another user, who may have few threads. Its exit status is what it found.
int in_a_child_with_few_threads(const std::function<int()>& child) {
    const pid_t pid = checked(::fork(), "fork");
    if (pid == 0) {
        constexpr rlimit few{3, 3};
        constexpr uid_t nobody_else = 54'321;
        const bool limited = ::setrlimit(RLIMIT_NPROC, &few) == 0 && ::setuid(nobody_else) == 0;
        int found = 99;
        try {
            if (limited) found = child();
        } catch (const std::exception& thrown) {
            const std::string_view text = thrown.what();
            (void)!::write(STDERR_FILENO, text.data(), text.size());
            found = 98;
        }
        ::_exit(found);
    }
    int status = 0;
    checked(::waitpid(pid, &status, 0), "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_P(start_failure_test, a_thread_that_cannot_start) {
    if (::geteuid() != 0) GTEST_SKIP() << "wants to be another user";
    for (const bool shared : {false, true}) {
        options_.threads = 6;
        options_.shared_listener = shared;
        options_.defer_accept = 0s;
        const int status = in_a_child_with_few_threads([this] {
            std::string said;
            {
                const auto server = make_server(options_, [](std::string_view) {});
                client waiting(server->local_address(), 0);  // to be handed on by whoever has begun
                waiting.send(get("/hello.txt"));
                try {
                    server->start();
                } catch (const std::exception& none) {
                    said = none.what();
                }
            }
            return said.starts_with("only ") && said.find("of 6 threads") != std::string::npos ? 0 : 1;
        });
        EXPECT_EQ(status, 0) << (shared ? "shared" : "one each");
    }
}

TEST_P(start_failure_test, a_server_with_a_listener_that_fails_ends) {
    options_.threads = 2;
    start();
    std::atomic<int> told{0};
    stop();
    server_ = make_server(options_, [](std::string_view line) {
        EXPECT_NE(line.find("has failed: "), std::string_view::npos) << line;
    });
    server_->start([&told] { ++told; });
    EXPECT_TRUE(answers());
    EXPECT_FALSE(server_->has_failed());
    const std::vector<int> found = listeners();
    ASSERT_FALSE(found.empty());
    checked(::shutdown(found.front(), SHUT_RD), "shutdown");
    server_->wait();
    EXPECT_TRUE(server_->has_failed());
    EXPECT_EQ(told, 1);
    const unique_descriptor refused = blocking_socket(AF_INET);
    EXPECT_LT(connect_socket(refused.get(), server_->local_address()), 0);
}

}  // namespace
}  // namespace naru::testing
