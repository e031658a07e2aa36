// Signals of the process, awaited in a loop. Not on Windows.
#ifndef _WIN32
#include "support/conformance.hpp"

#include <naru/loop/environment.hpp>
#include <naru/stream/signal_set.hpp>

#include <array>
#include <csignal>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace naru::testing {
namespace {

class SignalSet : public conformance {
 protected:
    void SetUp() override {
        conformance::SetUp();
        if (loop_ != nullptr && environment::other_than_the_systems() != nullptr)
            GTEST_SKIP() << "in a simulated world no signal comes";
    }
    static task<int> next_of(signal_set& from) {
        auto got = co_await from.next();
        co_return got ? *got : -got.error().value();
    }
};
NARU_ON_EVERY_BACKEND(SignalSet);

/// In a simulated world, too.
class SignalSetAnywhere : public conformance {};
NARU_ON_EVERY_BACKEND(SignalSetAnywhere);

TEST_P(SignalSetAnywhere, AWaitCanBeStoppedAndEnded) {
    auto set = signal_set::take(loop(), {SIGUSR2});
    ASSERT_TRUE(set) << set.error().message();
    auto next = [&]() -> task<int> {
        auto got = co_await set->next();
        co_return got ? *got : -got.error().value();
    };
    auto bounded = [&]() -> task<int> {
        auto got = co_await with_deadline(5ms, set->next());
        co_return got ? *got : -got.error().value();
    };
    EXPECT_EQ(run_task(loop(), bounded()), -ETIMEDOUT);
    started_task<int> waits(loop(), next());
    set->give_back();
    ASSERT_TRUE(run_until([&] { return waits.ended(); }));
    EXPECT_EQ(waits.take(), -EBADF);
    EXPECT_EQ(run_task(loop(), next()), -EBADF);
}

volatile std::sig_atomic_t others_calls = 0;

/// Of somebody else, before and after.
class others_handler {
 public:
    explicit others_handler(int number) : number_(number) {
        struct sigaction how{};
        how.sa_handler = [](int) { others_calls = others_calls + 1; };
        ::sigaction(number, &how, &before_);
        others_calls = 0;
    }
    ~others_handler() { ::sigaction(number_, &before_, nullptr); }

 private:
    int number_;
    struct sigaction before_{};
};

TEST_P(SignalSet, TellsWhatComesInItsOrder) {
    const others_handler others(SIGUSR1);
    auto set = signal_set::take(loop(), {SIGUSR1, SIGUSR2});
    ASSERT_TRUE(set) << set.error().message();
    for (const int each : {SIGUSR1, SIGUSR2, SIGUSR2, SIGUSR1})
        (void)std::raise(each);
    for (const int each : {SIGUSR1, SIGUSR2, SIGUSR2, SIGUSR1})
        EXPECT_EQ(run_task(loop(), next_of(*set)), each);
    EXPECT_EQ(others_calls, 0);
}

TEST_P(SignalSet, WakesALoopThatWaits) {
    const others_handler others(SIGUSR1);
    auto set = signal_set::take(loop(), {SIGUSR1});
    ASSERT_TRUE(set) << set.error().message();
    started_task<int> waits(loop(), next_of(*set));
    run_until([] { return true; });
    ASSERT_FALSE(waits.ended());
    // To a thread that is not the loop's, and to the process, which gives it to any.
    std::thread elsewhere([] { (void)std::raise(SIGUSR1); });
    ASSERT_TRUE(run_until([&] { return waits.ended(); }));
    elsewhere.join();
    EXPECT_EQ(waits.take(), SIGUSR1);
    (void)::kill(::getpid(), SIGUSR1);
    EXPECT_EQ(run_task(loop(), next_of(*set)), SIGUSR1);
}

TEST_P(SignalSet, AllThatHaveASignalAreTold) {
    const others_handler others(SIGUSR1);
    auto one = signal_set::take(loop(), {SIGUSR1});
    auto other = signal_set::take(loop(), {SIGUSR1, SIGUSR2});
    ASSERT_TRUE(one && other);
    (void)std::raise(SIGUSR1);
    EXPECT_EQ(run_task(loop(), next_of(*one)), SIGUSR1);
    EXPECT_EQ(run_task(loop(), next_of(*other)), SIGUSR1);
    one->give_back();
    (void)std::raise(SIGUSR1);
    EXPECT_EQ(run_task(loop(), next_of(*other)), SIGUSR1);
    EXPECT_EQ(others_calls, 0);
    EXPECT_EQ(run_task(loop(), next_of(*one)), -EBADF);
}

TEST_P(SignalSet, GivesBackWhatItTook) {
    const others_handler others(SIGUSR1);
    {
        auto set = signal_set::take(loop(), {SIGUSR1});
        ASSERT_TRUE(set);
        const signal_set moved = std::move(*set);
        (void)std::raise(SIGUSR1);
    }
    EXPECT_EQ(others_calls, 0);
    (void)std::raise(SIGUSR1);
    EXPECT_EQ(others_calls, 1);
    auto set = signal_set::take(loop(), {SIGUSR1});
    ASSERT_TRUE(set);
    started_task<int> waits(loop(), next_of(*set));
    set->give_back();
    (void)std::raise(SIGUSR1);
    EXPECT_EQ(others_calls, 2);
    ASSERT_TRUE(run_until([&] { return waits.ended(); }));
    EXPECT_EQ(waits.take(), -EBADF);
}

// It has the handler, and the pipe, too.
TEST_P(SignalSet, AForkedChildsAreNotTold) {
    auto set = signal_set::take(loop(), {SIGUSR1, SIGUSR2});
    ASSERT_TRUE(set);
    const pid_t child = ::fork();
    if (child == 0) {
        (void)std::raise(SIGUSR1);
        ::_exit(0);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    (void)std::raise(SIGUSR2);
    EXPECT_EQ(run_task(loop(), next_of(*set)), SIGUSR2);
}

TEST_P(SignalSet, AWaitThatIsStoppedLosesNothing) {
    const others_handler others(SIGUSR1);
    auto set = signal_set::take(loop(), {SIGUSR1});
    ASSERT_TRUE(set);
    auto bounded = [&]() -> task<int> {
        auto got = co_await with_deadline(5ms, set->next());
        co_return got ? *got : -got.error().value();
    };
    EXPECT_EQ(run_task(loop(), bounded()), -ETIMEDOUT);
    (void)std::raise(SIGUSR1);
    EXPECT_EQ(run_task(loop(), next_of(*set)), SIGUSR1);
}

TEST_P(SignalSet, RefusesWhatCannotBeTaken) {
    const auto refusal = [&](std::vector<int> signals) {
        auto set = signal_set::take(loop(), signals);
        return set ? std::error_code() : set.error();
    };
    for (const int each : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, 0, -1, 65, 1'000'000})
        EXPECT_EQ(refusal({SIGUSR1, each}), std::errc::invalid_argument) << each;
    EXPECT_EQ(refusal({}), std::errc::invalid_argument);
    std::vector<signal_set> many;
    while (auto set = signal_set::take(loop(), {SIGUSR1}))
        many.push_back(std::move(*set));
    EXPECT_EQ(many.size(), limits::signal_pipes);
    EXPECT_EQ(refusal({SIGUSR1}), std::errc::resource_unavailable_try_again);
    many.clear();
    EXPECT_EQ(refusal({SIGUSR1}), std::error_code());
}

}  // namespace
}  // namespace naru::testing
#endif
