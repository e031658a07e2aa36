// The io_uring ring alone.
#include <naru/backend/uring/ring.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;

bool put_nop(uring_ring& to, std::uint64_t name) {
    io_uring_sqe* entry = to.next_entry();
    if (entry == nullptr) return false;
    entry->opcode = IORING_OP_NOP;
    entry->user_data = name;
    return true;
}

class UringRing : public ::testing::Test {
 protected:
    void open(unsigned entries, unsigned completions) {
        uring_setup setup;
        setup.entries = entries;
        setup.completions = completions;
        std::string steps;
        const std::error_code error = ring.open(setup, steps);
        if (error) GTEST_SKIP() << error.message() << ": " << steps;
        ASSERT_FALSE(ring.start());
        ASSERT_TRUE(ring.is_open());
    }
    bool put_nop(std::uint64_t name) { return testing::put_nop(ring, name); }
    bool is_skipped() const { return ::testing::Test::IsSkipped() || HasFatalFailure(); }
    uring_ring ring;
};

TEST_F(UringRing, ANopComesBack) {
    open(8, 16);
    if (is_skipped()) return;
    EXPECT_EQ(ring.peek(), nullptr);
    ASSERT_TRUE(put_nop(42));
    EXPECT_EQ(ring.unsubmitted(), 1u);
    EXPECT_EQ(ring.enter(true, true, never), 0);
    EXPECT_EQ(ring.unsubmitted(), 0u);
    const io_uring_cqe* completion = ring.peek();
    ASSERT_NE(completion, nullptr);
    EXPECT_EQ(completion->user_data, 42u);
    EXPECT_EQ(completion->res, 0);
    ring.consume();
    EXPECT_EQ(ring.peek(), nullptr);
}

TEST_F(UringRing, AFullSubmissionQueueSaysSoAndIsFreeAfterEnter) {
    open(4, 16);
    if (is_skipped()) return;
    for (unsigned each = 0; each < ring.entries(); ++each) {
        ASSERT_TRUE(put_nop(each));
        EXPECT_EQ(ring.last_place(), each % ring.entries());
    }
    EXPECT_FALSE(put_nop(99));
    EXPECT_EQ(ring.enter(false, false, never), 0);
    EXPECT_TRUE(put_nop(100));
}

TEST_F(UringRing, QueuesWrapRoundManyTimes) {
    open(4, 8);
    if (is_skipped()) return;
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    for (int round = 0; round < 1000; ++round) {
        for (int each = 0; each <= round % 4; ++each)
            ASSERT_TRUE(put_nop(sent++));
        ASSERT_EQ(ring.enter(true, true, never), 0);
        while (const io_uring_cqe* completion = ring.peek()) {
            ASSERT_EQ(completion->user_data, received++);
            ring.consume();
        }
    }
    EXPECT_EQ(received, sent);
}

TEST_F(UringRing, CompletionsThatDoNotFitComeLater) {
    open(4, 8);
    if (is_skipped()) return;
    std::uint64_t sent = 0;
    while (!ring.overflowed() && sent < 100) {
        while (sent < 100 && put_nop(sent))
            ++sent;
        if (ring.enter(true, false, never) != 0) break;  // the kernel wants its completions read first
    }
    std::uint64_t received = 0;
    for (int attempt = 0; received < sent && attempt < 1000; ++attempt) {
        while (const io_uring_cqe* completion = ring.peek()) {
            ASSERT_EQ(completion->user_data, received++);
            ring.consume();
        }
        (void)ring.enter(true, false, never);
    }
    EXPECT_GT(sent, 8u);
    EXPECT_EQ(received, sent);
    EXPECT_FALSE(ring.overflowed());
}

TEST_F(UringRing, AWaitEndsAtItsInstant) {
    open(4, 8);
    if (is_skipped()) return;
    const instant until = clock::now() + 5ms;
    EXPECT_EQ(ring.enter(true, true, until), -ETIME);
    EXPECT_GE(clock::now(), until);
}

TEST(UringSetup, ARefusalSaysWhy) {
    uring_ring ring;
    uring_setup impossible;
    impossible.entries = 0;
    std::string steps;
    const std::error_code error = ring.open(impossible, steps);
    EXPECT_TRUE(error);
    EXPECT_FALSE(steps.empty());
    EXPECT_FALSE(ring.is_open());
}

// The kernel gives each thread a table of registered rings of its own: an index into one means another ring,
// or none, in the next. Here a ring has been started by a thread that has ended.
class UringOnAnotherThread : public ::testing::Test {
 protected:
    static uring_setup small() {
        uring_setup setup;
        setup.entries = 8;
        setup.completions = 16;
        setup.sqpoll_idle_milliseconds = 1;
        return setup;
    }
    static std::vector<uring_setup> for_many_issuers() {
        std::vector<uring_setup> both(2, small());
        both[0].single_issuer = false;
        both[1].sqpoll = true;
        return both;
    }
    static std::string open(uring_ring& ring, const uring_setup& setup) {
        std::string steps;
        const std::error_code error = ring.open(setup, steps);
        return error ? error.message() + ": " + steps : std::string();
    }
    static void start_elsewhere(uring_ring& ring) {
        std::thread([&ring] { EXPECT_FALSE(ring.start()); }).join();
    }
    static void expect_a_nop_to_come_back(uring_ring& ring) {
        ASSERT_TRUE(put_nop(ring, 42));
        EXPECT_EQ(ring.enter(true, true, clock::now() + 10s), 0);
        ASSERT_NE(ring.peek(), nullptr);
        EXPECT_EQ(ring.peek()->user_data, 42u);
        ring.consume();
    }
};

TEST_F(UringOnAnotherThread, ARingForManyIssuersIsEnteredByAThreadWithoutOne) {
    for (const uring_setup& setup : for_many_issuers()) {
        uring_ring ring;
        if (const std::string refused = open(ring, setup); !refused.empty()) GTEST_SKIP() << refused;
        start_elsewhere(ring);
        std::thread([&ring] { expect_a_nop_to_come_back(ring); }).join();
    }
}

TEST_F(UringOnAnotherThread, ARingForManyIssuersIsEnteredInsteadOfTheThreadsOwn) {
    for (const uring_setup& setup : for_many_issuers()) {
        uring_ring ring;
        uring_ring own;
        for (uring_ring* each : {&ring, &own}) {
            if (const std::string refused = open(*each, setup); !refused.empty()) GTEST_SKIP() << refused;
        }
        start_elsewhere(ring);
        std::thread([&] {
            EXPECT_FALSE(own.start());
            expect_a_nop_to_come_back(ring);
            EXPECT_EQ(own.peek(), nullptr);
            expect_a_nop_to_come_back(own);
        }).join();
    }
}

TEST_F(UringOnAnotherThread, ARingForOneIssuerRefusesAThreadWithOneOfItsOwn) {
    uring_ring ring;
    uring_ring own;
    for (uring_ring* each : {&ring, &own}) {
        if (const std::string refused = open(*each, small()); !refused.empty()) GTEST_SKIP() << refused;
    }
    if ((ring.setup_flags() & IORING_SETUP_SINGLE_ISSUER) == 0) GTEST_SKIP() << "a kernel before Linux 6.1";
    start_elsewhere(ring);
    std::thread([&] {
        EXPECT_FALSE(own.start());
        ASSERT_TRUE(put_nop(ring, 42));
        EXPECT_EQ(ring.enter(true, true, clock::now() + 10s), -EEXIST);
        expect_a_nop_to_come_back(own);
    }).join();
}

TEST_F(UringOnAnotherThread, ARingIsDestroyedAndTheThreadsOwnGoesOn) {
    for (const uring_setup& setup : for_many_issuers()) {
        uring_ring own;
        auto ring = std::make_unique<uring_ring>();
        for (uring_ring* each : {ring.get(), &own}) {
            if (const std::string refused = open(*each, setup); !refused.empty()) GTEST_SKIP() << refused;
        }
        start_elsewhere(*ring);
        std::thread([&] {
            EXPECT_FALSE(own.start());
            ring.reset();
            expect_a_nop_to_come_back(own);
        }).join();
    }
}

}  // namespace
}  // namespace naru::testing
