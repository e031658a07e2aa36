// Groups: children that are joined on every way out, whose failures are told, and of which nothing is left.
#include "support/conformance.hpp"
#include "support/ending.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

class Group : public conformance {};
NARU_ON_EVERY_BACKEND(Group);

task<result<std::string>> receive_text(tcp_stream& from) {
    auto data = co_await from.receive();
    if (!data) co_return fail(data.error());
    co_return std::string(data->text());
}

task<> throw_after(duration span) {
    (void)co_await sleep_for(span);
    throw std::runtime_error("thrown in a group");
}

task<result<void>> fail_after(duration span) {
    (void)co_await sleep_for(span);
    co_return fail_errno(EPIPE);
}

// A permit that a child holds as a parameter has been given back when the join returns: the semaphore may go.
TEST_P(Group, NoFrameAndNoParameterOfAChildIsLeftAfterTheJoin) {
    std::vector<std::string> log;
    auto main = [&]() -> task<> {
        auto child = [](end_note) -> task<> { (void)co_await sleep_for(1ms); };
        auto body = [&](task_group& group) -> task<> {
            for (int each = 0; each < 3; ++each)
                group.spawn(child(end_note(log, "child")));
            group.spawn(child, end_note(log, "argument"));
            group.spawn([note = end_note(log, "capture")]() -> task<> { co_await yield(); });
            co_return;
        };
        EXPECT_TRUE(co_await with_group(body));
        log.push_back("joined");
    };
    run_task(loop(), main());
    ASSERT_EQ(log.size(), 6u);
    EXPECT_EQ(log.back(), "joined");
}

TEST_P(Group, JoinInTheBodyWaitsForAllAndTheGroupGoesOn) {
    std::vector<std::string> log;
    auto main = [&]() -> task<> {
        auto child = [](end_note) -> task<> { (void)co_await sleep_for(1ms); };
        auto body = [&](task_group& group) -> task<> {
            group.spawn(child(end_note(log, "first")));
            co_await group.join();
            log.push_back("joined");
            co_await group.join();  // nothing to wait for
            group.spawn(child(end_note(log, "second")));
        };
        EXPECT_TRUE(co_await with_group(body));
    };
    run_task(loop(), main());
    EXPECT_EQ(log, (std::vector<std::string>{"first", "joined", "second"}));
}

TEST_P(Group, AnExceptionOfTheBodyStopsTheChildrenAndComesOut) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    result<std::string> received;
    auto keep = [&]() -> task<> { received = co_await receive_text(stream); };
    auto body = [&](task_group& group) -> task<> {
        group.spawn(keep);
        co_await yield();
        throw std::bad_alloc();  // what the frame of the next child might do
    };
    EXPECT_THROW((void)run_task(loop(), with_group(body)), std::bad_alloc);
    EXPECT_EQ(received.error(), std::errc::operation_canceled);
    EXPECT_EQ(loop().in_flight(), 0u);
}

TEST_P(Group, TheFirstExceptionStopsTheOthersAndComesOut) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    result<std::string> received;
    auto keep = [&]() -> task<> { received = co_await receive_text(stream); };
    auto body = [&](task_group& group) -> task<> {
        group.spawn(keep);
        group.spawn(throw_after(1ms));
        co_return;
    };
    EXPECT_THROW((void)run_task(loop(), with_group(body)), std::runtime_error);
    EXPECT_EQ(received.error(), std::errc::operation_canceled);
}

TEST_P(Group, TheFirstErrorStopsTheOthersAndIsTheResult) {
    auto body = [&](task_group& group) -> task<int> {
        group.spawn(fail_after(1ms));
        EXPECT_EQ((co_await sleep_for(1h)).error(),
                  std::errc::operation_canceled);  // the body is stopped, too
        co_return 1;
    };
    const auto got = run_task(loop(), with_group(body));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), std::errc::broken_pipe);
}

TEST_P(Group, TheBodysValueOrErrorIsTheResult) {
    auto value = [&](task_group& group) -> task<result<int>> {
        group.spawn(yield_once());
        co_return 7;
    };
    EXPECT_EQ(run_task(loop(), with_group(value)), 7);
    auto error = [&](task_group& group) -> task<result<int>> {
        group.spawn(sleep_task(1h));
        co_return fail_errno(ENOENT);
    };
    EXPECT_EQ(run_task(loop(), with_group(error)).error(), std::errc::no_such_file_or_directory);
    auto plain = [](task_group& group) { group.spawn(yield_once()); };
    EXPECT_TRUE(run_task(loop(), with_group(plain)));
}

TEST_P(Group, StoppingItsScopeEndsEverythingAndSoDoesADeadline) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    result<std::string> received;
    auto keep = [&]() -> task<> { received = co_await receive_text(stream); };
    auto body = [&](task_group& group) -> task<> {
        group.spawn(keep);
        group.spawn(sleep_task(1h));
        co_return;
    };
    const auto late = run_task(loop(), with_deadline(5ms, with_group(body)));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error(), std::errc::timed_out);
    EXPECT_EQ(received.error(), std::errc::operation_canceled);
    auto stopped = [&](task_group& group) -> task<> {
        group.spawn(sleep_task(1h));
        co_await yield();
        group.stop();                 // wanted: no failure
        group.spawn(sleep_task(1h));  // ends at its first wait
    };
    EXPECT_TRUE(run_task(loop(), with_group(stopped)));
}

TEST_P(Group, WithStopInAChildDoesNotKeepTheGroupsStopAway) {
    stop_scope other;
    auto body = [&](task_group& group) -> task<> {
        group.spawn([&]() -> task<> { (void)co_await with_stop(other, sleep_task(1h)); });
        co_await yield();
        group.stop();
    };
    EXPECT_TRUE(run_task(loop(), with_group(body)));  // would hang
    EXPECT_FALSE(other.stopped());
}

TEST_P(Group, SeveralMayJoin) {
    int joined = 0;
    auto join = [&](task_group& group) -> task<> {
        co_await group.join();
        ++joined;
    };
    auto body = [&](task_group& group) -> task<> {
        group.spawn(sleep_task(1ms));
        co_await when_all(join(group), join(group));
    };
    EXPECT_TRUE(run_task(loop(), with_group(body)));
    EXPECT_EQ(joined, 2);
}

TEST_P(Group, AJoinCanBeBounded) {
    auto body = [&](task_group& group) -> task<> {
        group.spawn(sleep_task(1h));
        co_await with_deadline(2ms, group.join());
        EXPECT_EQ(group.running(), 0u);
    };
    EXPECT_TRUE(run_task(loop(), with_group(body)));
}

TEST_P(Group, ValuesOfChildrenAreTaken) {
    auto body = [&](task_group& group) -> task<int> {
        auto slow = group.start(value_after(2ms, 30));
        auto quick = group.start(value_after(0ms, 4));
        auto dropped = group.start(value_after(1ms, 100));
        const int first = co_await std::move(slow);
        co_return first + co_await std::move(quick);
    };
    EXPECT_EQ(run_task(loop(), with_group(body)), 34);
    auto late = [&](task_group& group) -> task<result<void>> {
        auto endless = group.start(sleep_task(1h));
        co_return co_await with_deadline(1ms, std::move(endless));
    };
    EXPECT_EQ(run_task(loop(), with_group(late)).error(), std::errc::timed_out);
    auto throwing = [&](task_group& group) -> task<> {
        auto child = group.start(throw_after(0ms));
        EXPECT_THROW(co_await std::move(child), std::runtime_error);
    };
    EXPECT_THROW((void)run_task(loop(), with_group(throwing)), std::runtime_error);
}

TEST_P(Group, ASupervisorTellsEachFailureAndGoesOn) {
    std::vector<std::string> told;
    bool served = false;
    auto body = [&](task_group& clients) -> task<> {
        clients.spawn(throw_after(0ms));
        clients.spawn(fail_after(0ms));
        co_await clients.join();
        clients.spawn([&]() -> task<> {  // whoever comes after a failure is served
            auto slept = co_await sleep_for(1ms);
            served = slept.has_value();
        });
    };
    auto report = [&](const child_failure& failure) { told.push_back(failure.text()); };
    run_task(loop(), with_supervisor(body, report));
    EXPECT_TRUE(served);
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0], "thrown in a group");
    EXPECT_EQ(told[1], std::make_error_code(std::errc::broken_pipe).message());
}

TEST_P(Group, AReportThatThrowsEndsTheSupervisor) {
    auto body = [&](task_group& clients) -> task<> {
        clients.spawn(throw_after(0ms));
        clients.spawn(sleep_task(1h));
        co_return;
    };
    auto report = [&](const child_failure&) { throw std::logic_error("from the report"); };
    EXPECT_THROW(run_task(loop(), with_supervisor(body, report)), std::logic_error);
}

task<> nested_groups(int depth) {
    if (depth == 0) {
        co_await yield();
        co_return;
    }
    auto body = [depth](task_group& group) -> task<> {
        group.spawn(nested_groups(depth - 1));
        co_return;
    };
    EXPECT_TRUE(co_await with_group(body));
}

task<result<void>> nested_deadlines(int depth) {
    if (depth == 0) co_return co_await sleep_for(1h);
    co_return co_await with_deadline(1h, nested_deadlines(depth - 1));
}

TEST_P(Group, DepthCostsNoStack) {
#if defined(__clang__)
    constexpr int depth = sanitized() ? 20'000 : 1'000'000;  // the sanitizers' memory, not the stack
#else
    constexpr int depth = sanitized() ? 500 : 1'000'000;  // GCC makes no tail calls under a sanitizer
#endif
    if (GetParam().name != "epoll" && GetParam().name != "io_uring") return;  // it is the loop's, not theirs
    run_task(loop(), nested_groups(depth));
    EXPECT_EQ(run_task(loop(), with_deadline(10ms, nested_deadlines(depth))).error(), std::errc::timed_out);
}

}  // namespace
}  // namespace naru::testing
