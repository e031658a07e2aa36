// The reactor face: objects registered for events on descriptors.
#include "support/conformance.hpp"

#include <memory>
#include <vector>

#if defined(__linux__)
#include <stdlib.h>
#include <sys/eventfd.h>
#endif

namespace naru::testing {
namespace {

/// Counts its calls, and does what the test wants in them.
struct watcher {
    void on_readable() noexcept {
        ++reads;
        if (const auto call = readable) call();
    }
    void on_writable() noexcept {
        ++writes;
        if (const auto call = writable) call();
    }
    void on_error(std::error_code why) noexcept {
        ++errors;
        error = why;
        if (const auto call = failed) call();
    }
    int reads = 0;
    int writes = 0;
    int errors = 0;
    std::error_code error;
    std::function<void()> readable;
    std::function<void()> writable;
    std::function<void()> failed;
    handle name;
};

class Reactor : public conformance {
 protected:
    void SetUp() override {
        conformance::SetUp();
        if (loop_ != nullptr) events_ = std::make_unique<reactor>(loop());
    }
    void TearDown() override {
        if (events_ != nullptr) {
            EXPECT_EQ(events_->size(), 0u);
            run_until([this] { return events_->quiet(); });
            events_.reset();
        }
        conformance::TearDown();
    }
    void add(watcher& object, unique_descriptor& descriptor, event_interest wanted) {
        object.name = events_->add(descriptor.release(), object, wanted).value();
    }
    std::unique_ptr<reactor> events_;
};
NARU_ON_EVERY_BACKEND(Reactor);

TEST_P(Reactor, ReportsWhatWasAskedFor) {
    auto sockets = local_pair();
    const int socket = sockets.ours.get();
    watcher object;
    received_text got;
    object.readable = [&] { got.read_from(socket); };
    add(object, sockets.ours, event_interest::readable);
    ticks(5);
    EXPECT_EQ(object.reads + object.writes + object.errors, 0);
    for (const std::string text : {"one", "two", "three"}) {
        got.data.clear();
        write_all(sockets.peer.get(), text);
        ASSERT_TRUE(run_until([&] { return got.data == text; }));
    }
    EXPECT_EQ(object.writes + object.errors, 0);
    events_->remove(object.name);
    EXPECT_EQ(events_->size(), 0u);
    ASSERT_TRUE(run_until([&] { return events_->quiet(); }));
    ticks(2);
    EXPECT_FALSE(is_open(socket));
}

TEST_P(Reactor, DataThatWasNotReadIsReportedAgain) {
    auto sockets = local_pair();
    const int socket = sockets.ours.get();
    watcher object;
    received_text got;
    object.readable = [&] {
        if (object.reads > 3) got.read_from(socket, 4);
    };
    add(object, sockets.ours, event_interest::readable);
    write_all(sockets.peer.get(), "0123456789abcdef");
    ASSERT_TRUE(run_until([&] { return got.data.size() == 16; }));
    EXPECT_GE(object.reads, 7);
    events_->remove(object.name);
}

TEST_P(Reactor, TheEndOfTheStreamIsReportedUntilItIsDealtWith) {
    auto sockets = tcp_pair();
    const int socket = sockets.ours.get();
    watcher object;
    received_text got;
    object.readable = [&] {
        if (object.reads > 2) got.read_from(socket);
        if (got.ended) events_->remove(object.name);
    };
    add(object, sockets.ours, event_interest::readable);
    sockets.peer.reset();
    ASSERT_TRUE(run_until([&] { return got.ended; }));
    const int reads = object.reads;
    ticks(5);
    EXPECT_EQ(object.reads, reads);
}

TEST_P(Reactor, WritingIsReportedOnlyWhileItIsWanted) {
    auto sockets = local_pair();
    watcher object;
    add(object, sockets.ours, event_interest::readable);
    ticks(20);
    EXPECT_EQ(object.writes, 0);
    events_->modify(object.name, event_interest::both);
    ASSERT_TRUE(run_until([&] { return object.writes >= 3; }));
    EXPECT_EQ(object.reads, 0);
    events_->modify(object.name, event_interest::readable);
    const int writes = object.writes;
    ticks(20);
    EXPECT_EQ(object.writes, writes);
    events_->modify(object.name, event_interest::none);
    write_all(sockets.peer.get(), "ignored");
    ticks(20);
    EXPECT_EQ(object.reads, 0);
    events_->modify(object.name, event_interest::readable);
    ASSERT_TRUE(run_until([&] { return object.reads > 0; }));
    events_->remove(object.name);
}

TEST_P(Reactor, WritingIsReportedWhenThereIsRoomAgain) {
    auto sockets = local_pair();
    const int socket = sockets.ours.get();
    std::size_t written = 0;
    while (const std::size_t step = write_some(socket, std::string(65536, 'x')))
        written += step;
    watcher object;
    add(object, sockets.ours, event_interest::writable);
    ticks(10);
    EXPECT_EQ(object.writes, 0);
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return object.writes > 0;
    }));
    EXPECT_EQ(got.data.size(), written);
    events_->remove(object.name);
}

TEST_P(Reactor, InterestThatComesAndGoesInOneTickIsNotLost) {
    auto sockets = local_pair();
    watcher object;
    add(object, sockets.ours, event_interest::readable);
    ticks(3);
    for (int again = 0; again < 5; ++again) {
        events_->modify(object.name, event_interest::none);
        events_->modify(object.name, event_interest::readable);
    }
    ticks(3);
    write_all(sockets.peer.get(), "x");
    ASSERT_TRUE(run_until([&] { return object.reads > 0; }));
    events_->remove(object.name);
}

TEST_P(Reactor, AnObjectMayDestroyItself) {
    auto sockets = local_pair();
    auto object = std::make_unique<watcher>();
    object->readable = [&] {
        events_->remove(object->name);
        object.reset();
    };
    add(*object, sockets.ours, event_interest::both);
    object->writable = [&] { events_->modify(object->name, event_interest::readable); };
    write_all(sockets.peer.get(), "x");
    ASSERT_TRUE(run_until([&] { return object == nullptr; }));
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return got.ended || got.error != 0;
    }));
}

TEST_P(Reactor, ARemovedObjectIsNeverCalledAgain) {
    // All are ready in the same batch; the first that is called removes and destroys all the others.
    constexpr std::size_t count = 10;
    std::vector<std::unique_ptr<watcher>> objects;
    std::vector<unique_descriptor> peers;
    int calls = 0;
    for (std::size_t each = 0; each < count; ++each) {
        auto sockets = local_pair();
        peers.push_back(std::move(sockets.peer));
        objects.push_back(std::make_unique<watcher>());
        watcher& object = *objects.back();
        object.readable = [&calls, &objects, this] {
            ++calls;
            for (auto& other : objects) {
                events_->remove(other->name);
                other.reset();
            }
            objects.clear();
        };
        add(object, sockets.ours, event_interest::readable);
    }
    ticks(3);
    for (const auto& each : peers)
        write_all(each.get(), "x");
    ASSERT_TRUE(run_until([&] { return calls > 0; }));
    ticks(5);
    EXPECT_EQ(calls, 1);
}

TEST_P(Reactor, AnObjectMayRegisterOthersInItsCall) {
    unique_descriptor listening = listening_socket();
    const int listener = listening.get();
    const address where = local_of(listener).value();
    watcher accepts;
    std::vector<std::unique_ptr<watcher>> peers;
    int echoed = 0;
    accepts.readable = [&] {
        unique_descriptor accepted(accept_socket(listener));
        if (!accepted) return;
        const int socket = accepted.get();
        peers.push_back(std::make_unique<watcher>());
        watcher& peer = *peers.back();
        peer.readable = [&echoed, socket] {
            received_text got;
            got.read_from(socket);
            if (!got.data.empty()) ++echoed;
            write_all(socket, got.data);
        };
        add(peer, accepted, event_interest::readable);
    };
    add(accepts, listening, event_interest::readable);
    std::vector<unique_descriptor> clients;
    for (int each = 0; each < 10; ++each) {
        clients.push_back(connect_to(where));
        write_all(clients.back().get(), "ping");
    }
    ASSERT_TRUE(run_until([&] { return echoed == 10; }));
    for (const auto& each : clients) {
        received_text got;
        got.read_from(each.get());
        EXPECT_EQ(got.data, "ping");
    }
    for (const auto& each : peers)
        events_->remove(each->name);
    events_->remove(accepts.name);
}

TEST_P(Reactor, AResetIsReportedAsAnErrorOnce) {
    auto sockets = tcp_pair();
    watcher object;
    add(object, sockets.ours, event_interest::readable);
    ticks(3);
    reset_connection(sockets.peer);
    EXPECT_TRUE(run_until([&] { return object.reads + object.errors > 0; }));
    ticks(10);
    events_->remove(object.name);
    if (object.errors == 0 && !system_tells_resets()) GTEST_SKIP() << "this system shows a reset as an end";
    EXPECT_EQ(object.error, std::errc::connection_reset);
    EXPECT_EQ(object.errors, 1);
}

TEST_P(Reactor, AnObjectMayRemoveItselfInOnError) {
    auto sockets = tcp_pair();
    auto object = std::make_unique<watcher>();
    object->failed = [&] {
        events_->remove(object->name);
        object.reset();
    };
    add(*object, sockets.ours, event_interest::both);
    object->writable = [&] { events_->modify(object->name, event_interest::readable); };
    bool shown_as_end = false;
    object->readable = [&] {
        shown_as_end = true;
        events_->remove(object->name);
        object.reset();
    };
    ticks(3);
    reset_connection(sockets.peer);
    EXPECT_TRUE(run_until([&] { return object == nullptr; }));
    if (shown_as_end && !system_tells_resets()) GTEST_SKIP() << "this system shows a reset as an end";
    EXPECT_FALSE(shown_as_end);
}

#if defined(__linux__)
TEST_P(Reactor, WhatCannotBeWatchedIsAnErrorOnEveryEngine) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    for (const event_interest wanted :
         {event_interest::readable, event_interest::writable, event_interest::both}) {
        std::vector<unique_descriptor> all;
        all.push_back(file_with("text"));
        all.emplace_back(checked(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "a directory"));
        all.emplace_back(checked(::open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null"));
        for (unique_descriptor& each : all) {
            watcher object;
            add(object, each, event_interest::none);
            ticks(3);
            EXPECT_EQ(object.reads + object.writes + object.errors, 0);
            events_->modify(object.name, wanted);
            ASSERT_TRUE(run_until([&] { return object.reads + object.writes + object.errors > 0; }));
            ticks(3);
            EXPECT_EQ(object.errors, 1);
            EXPECT_EQ(object.reads + object.writes, 0);
            EXPECT_EQ(object.error, std::errc::operation_not_permitted);
            events_->remove(object.name);
        }
    }
}

TEST_P(Reactor, ATerminalIsWatched) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    unique_descriptor master(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (!master || ::unlockpt(master.get()) != 0) GTEST_SKIP() << "no terminals here";
    unique_descriptor terminal(
        checked(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), "the terminal"));
    watcher object;
    add(object, terminal, event_interest::readable);
    ticks(3);
    EXPECT_EQ(object.reads + object.errors, 0);
    ASSERT_EQ(::write(master.get(), "line\n", 5), 5);
    ASSERT_TRUE(run_until([&] { return object.reads > 0; }));
    EXPECT_EQ(object.errors, 0);
    events_->remove(object.name);
}
#endif

TEST_P(Reactor, AnErrorWaitsForAnInterest) {
    auto sockets = tcp_pair();
    const int number = sockets.ours.get();
    watcher object;
    add(object, sockets.ours, event_interest::readable);
    ticks(2);
    events_->modify(object.name, event_interest::none);
    ticks(2);
    reset_connection(sockets.peer);
    ASSERT_TRUE(wait_readable(number, 10'000));  // it has come
    ticks(5);
    EXPECT_EQ(object.reads + object.writes + object.errors, 0);
    events_->modify(object.name, event_interest::writable);
    ASSERT_TRUE(run_until([&] { return object.reads + object.writes + object.errors > 0; }));
    events_->remove(object.name);
    if (object.errors == 0 && !system_tells_resets()) GTEST_SKIP() << "this system shows a reset as an end";
    EXPECT_EQ(object.error, std::errc::connection_reset);
}

TEST_P(Reactor, PipesAndEventCountersWork) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
#if defined(__linux__)
    int ends[2];
    checked(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), "pipe2");
    unique_descriptor read_end(ends[0]);
    const unique_descriptor write_end(ends[1]);
    unique_descriptor counter(checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd"));
    const int counter_number = counter.get();
    watcher reads;
    watcher counts;
    add(reads, read_end, event_interest::readable);
    add(counts, counter, event_interest::readable);
    ticks(5);
    EXPECT_EQ(reads.reads + counts.reads, 0);
    ASSERT_EQ(::write(write_end.get(), "x", 1), 1);
    ASSERT_TRUE(run_until([&] { return reads.reads > 0; }));
    EXPECT_EQ(counts.reads, 0);
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(counter_number, &one, sizeof one), static_cast<ssize_t>(sizeof one));
    ASSERT_TRUE(run_until([&] { return counts.reads > 0; }));
    events_->remove(reads.name);
    events_->remove(counts.name);
#else
    GTEST_SKIP() << "this system's pipes cannot be polled";
#endif
}

TEST_P(Reactor, ARegistrationThatIsGoneIsLeftAlone) {
    auto sockets = local_pair();
    auto others = local_pair();
    watcher object;
    watcher next;
    add(object, sockets.ours, event_interest::readable);
    const handle stale = object.name;
    events_->remove(stale);
    add(next, others.ours, event_interest::readable);
    events_->modify(stale, event_interest::both);
    events_->remove(stale);
    EXPECT_EQ(events_->size(), 1u);
    ticks(5);
    EXPECT_EQ(object.writes + next.writes, 0);
    write_all(others.peer.get(), "x");
    ASSERT_TRUE(run_until([&] { return next.reads > 0; }));
    events_->remove(next.name);
}

}  // namespace
}  // namespace naru::testing
