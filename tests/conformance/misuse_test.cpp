// What a program must not do with a loop ends it with a sentence, on every engine and in every build.
#include "support/conformance.hpp"

#if !defined(_WIN32)

#include <atomic>
#include <csignal>
#include <thread>

#include <sys/wait.h>

namespace naru::testing {
namespace {

class Misuse : public conformance {
 protected:
    /// What a child says before `function` has ended it; "" if it has not. Forks before the child's own loop.
    template <class Function>
    std::string last_words(Function function) {
        int ends[2];
        checked(::pipe(ends), "pipe");
        const unique_descriptor read_end(ends[0]);
        unique_descriptor write_end(ends[1]);
        const pid_t child = ::fork();
        checked(child, "fork");
        if (child == 0) {
            ::dup2(write_end.get(), STDERR_FILENO);
            ::signal(SIGABRT, SIG_DFL);
            rlimit none{};
            ::setrlimit(RLIMIT_CORE, &none);
            function();
            ::_exit(0);
        }
        write_end.reset();
        std::string said;
        char chunk[512];
        for (ssize_t got = 0; (got = ::read(read_end.get(), chunk, sizeof chunk)) > 0;)
            said.append(chunk, static_cast<std::size_t>(got));
        int status = 0;
        ::waitpid(child, &status, 0);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? said : std::string();
    }
};
NARU_ON_EVERY_BACKEND(Misuse);

TEST_P(Misuse, AnOperationFromAnotherThreadIsNoticed) {
    for (const bool cancels : {false, true}) {
        const std::string said = last_words([&] {
            auto choice = GetParam().make();
            naru::loop theirs(std::move(choice.backend));
            auto sockets = local_pair();
            const handle ours = theirs.attach(sockets.ours.release(), descriptor_kind::stream).value();
            a_recv recv(ours);
            if (cancels) theirs.submit(recv);
            std::atomic<bool> runs{false};
            std::thread runner([&] {
                theirs.post([&] { runs.store(true); });
                theirs.run();
            });
            while (!runs.load())
                std::this_thread::yield();
            if (cancels) {
                theirs.cancel(recv);
            } else {
                theirs.submit(recv);
            }
            ::_exit(0);
        });
        EXPECT_NE(said.find("outside the thread that runs its loop"), std::string::npos) << said;
    }
}

TEST_P(Misuse, BetweenTwoRunsALoopBelongsToNobody) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    if (on_uring()) GTEST_SKIP() << "a ring belongs to the thread that has run it first";
    std::thread([&] { ticks(1); }).join();
    a_recv recv(ours);
    loop().submit(recv);
    write_all(sockets.peer.get(), "x");
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "x");
    loop().close(ours);
}

TEST_P(Misuse, AChildThatUsesItsParentsLoopIsNoticed) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_recv recv(ours);
    loop().submit(recv);
    ticks(1);
    const std::string said = last_words([&] { ticks(1); });
    EXPECT_NE(said.find("child made by fork"), std::string::npos) << said;
    // The parent's goes on.
    write_all(sockets.peer.get(), "x");
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "x");
    loop().close(ours);
}

}  // namespace
}  // namespace naru::testing

#endif
