// A handler with a hole in it, through which somebody does what he likes: within the sandbox it all fails,
// and the server goes on. On every engine.
#include "fixture.hpp"

#include <naru/loop/loop.hpp>

#include <process/sandbox.hpp>

#include <atomic>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace naru::testing {
namespace {

// What came of it: 0 or an errno.
int outcome_of(long result) { return result < 0 ? errno : 0; }

class sandbox_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        if (IsSkipped()) return;
        options_.defer_accept = 0s;
        victim_ = listening_socket();
        victim_at_ = address::local_of(victim_.get()).value();
        own_ = unique_descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        rings_ = unique_descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const unique_descriptor reading(ends[0]);
        unique_descriptor writing(ends[1]);
        ASSERT_EQ(::pipe(ends), 0);
        unique_descriptor until(ends[0]);
        alive_ = unique_descriptor(ends[1]);
        child_ = ::fork();
        if (child_ == 0) {
            alive_.reset();
            ::_exit(serve(writing.get(), until.get()));
        }
        writing.reset();
        std::uint16_t port = 0;
        ASSERT_EQ(::read(reading.get(), &port, sizeof port), static_cast<ssize_t>(sizeof port));
        where_ = address::parse("127.0.0.1:" + std::to_string(port)).value();
    }
    void TearDown() override {
        alive_.reset();
        int status = 0;
        if (child_ > 0) {
            ::waitpid(child_, &status, 0);
            EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
        }
        victim_.reset();
        own_.reset();
        rings_.reset();
        http_server_test::TearDown();
    }

    std::string through_the_hole(std::string_view what) {
        return client(where_).ask(get("/hole/" + std::string(what))).body;
    }
    void expect_refused(std::string_view what) {
        const std::string errors = through_the_hole(what);
        EXPECT_TRUE(errors == "1" || errors == "13" || errors == "38")
            << what << ": " << errors;  // EPERM, EACCES, ENOSYS
    }

    address victim_at_;
    unique_descriptor victim_;
    address where_;

 private:
    // The child: one thread until it serves.
    int serve(int ready, int until) noexcept try {
        served_options own = options_;
        own.listen = http::bind_endpoints(own.listen, own);  // a master's work
        naru::program::sandbox_rules rules;
        rules.readable = {options_.root};
        for (const std::string& each : naru::program::enter_sandbox(rules))
            std::fprintf(stderr, "%s\n", each.c_str());
        uring_options chosen;
        chosen.sqpoll_idle_milliseconds = 1;
        chosen.connects = false;
        own.engine_options = std::make_shared<const uring_options>(chosen);
        http::site site = own.site();
        site.get("/hole/{what}", [this](http::exchange& x) noexcept {
            x.respond(200, "text/plain", std::to_string(fall_in(x.param("what"), x.home())));
        });
        http::server server(std::move(site), own.listen, own);
        for (const std::string& each : naru::program::confine_calls())
            std::fprintf(stderr, "%s\n", each.c_str());
        server.start();
        const std::uint16_t port = server.local_address().port();
        if (::write(ready, &port, sizeof port) != static_cast<ssize_t>(sizeof port)) return 2;
        char end = 0;
        (void)!::read(until, &end, 1);
        server.drain();
        server.wait();
        return 0;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        return 3;
    }

    int fall_in(std::string_view what, loop& on) {
        const auto* const to = reinterpret_cast<const sockaddr*>(victim_at_.data());
        const auto size = static_cast<socklen_t>(victim_at_.size());
        if (what == "passwd") return outcome_of(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
        if (what == "write")
            return outcome_of(::open((options_.root + "/new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
        if (what == "rename")
            return outcome_of(
                ::rename((options_.root + "/hello.txt").c_str(), (options_.root + "/gone").c_str()));
        if (what == "execute") {
            char name[] = "/bin/true";
            char* const arguments[] = {name, nullptr};
            return outcome_of(::execv(name, arguments));
        }
        if (what == "socket") return outcome_of(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (what == "connect") return outcome_of(::connect(own_.get(), to, size));
        if (what == "fast-open")
            return outcome_of(::sendto(own_.get(), "?", 1, MSG_FASTOPEN | MSG_NOSIGNAL, to, size));
        if (what == "new-ring") {
            char parameters[256] = {};
            return outcome_of(::syscall(SYS_io_uring_setup, 4, parameters));
        }
        if (what == "ptrace")
            return outcome_of(::syscall(SYS_process_vm_writev, ::getppid(), nullptr, 0, nullptr, 0, 0));
        if (what == "loop-connect") {  // by the ring that exists; its end is asked for
            connect_.address = to;
            connect_.count = size;
            const auto attached = on.attach(rings_.release(), descriptor_kind::socket, ownership::own);
            if (!attached) return -1;
            connect_.target = *attached;
            on.submit(connect_);
            return 0;
        }
        return connected_;  // "loop-connected"
    }

    struct connecting : operation {
        explicit connecting(std::atomic<int>& into)
            : operation(operation_kind::connect,
                        [](operation& ended) noexcept {
                            auto& self = static_cast<connecting&>(ended);
                            self.outcome = self.failed() ? self.error().value() : 0;
                        }),
              outcome(into) {}
        std::atomic<int>& outcome;
    };

    unique_descriptor own_;    // made before the sandbox
    unique_descriptor rings_;  // this, too
    unique_descriptor alive_;
    std::atomic<int> connected_{-1};
    connecting connect_{connected_};
    pid_t child_ = -1;
};
NARU_ON_EVERY_ENGINE(sandbox_test);

TEST_P(sandbox_test, what_is_tried_through_a_hole_fails_and_the_server_goes_on) {
    if (naru::program::examine_sandbox().findings.front().good) {
        for (const char* each : {"passwd", "write", "rename"})
            expect_refused(each);
    }
    for (const char* each : {"execute", "socket", "connect", "fast-open", "new-ring", "ptrace"})
        expect_refused(each);
    EXPECT_EQ(through_the_hole("loop-connect"), "0");
    EXPECT_TRUE(eventually([&] { return through_the_hole("loop-connected") != "-1"; }));
    expect_refused("loop-connected");
    pollfd looked_at{victim_.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&looked_at, 1, 0), 0) << "somebody has connected";
    EXPECT_EQ(client(where_).ask(get("/hello.txt")).body, hello);
    EXPECT_EQ(client(where_).ask(get("/none")).status, 404);
}

}  // namespace
}  // namespace naru::testing
