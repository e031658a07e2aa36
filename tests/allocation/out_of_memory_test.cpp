// Without memory: what is refused, what waits, and that all is well when there is some again.
#include "counted_memory.hpp"
#include "support/conformance.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace naru::testing {
namespace {

/// On this thread nothing is to be had while it exists.
struct no_memory {
    no_memory() { out_of_memory = true; }
    ~no_memory() { out_of_memory = false; }
    no_memory(const no_memory&) = delete;
    no_memory& operator=(const no_memory&) = delete;
};

class OutOfMemory : public conformance {};
INSTANTIATE_TEST_SUITE_P(OnEveryBackend, OutOfMemory, ::testing::ValuesIn(backend_variants()),
                         [](const auto& each) { return each.param.name; });

TEST_P(OutOfMemory, ADescriptorIsRefusedAndClosed) {
    auto sockets = local_pair();
    const int number = sockets.ours.get();
    result<handle> attached;
    result<handle> reserved;
    {
        const no_memory now;
        attached = loop().attach(sockets.ours.release(), descriptor_kind::stream);
        reserved = loop().reserve_file();
    }
    ASSERT_FALSE(attached);
    EXPECT_EQ(attached.error(), std::errc::not_enough_memory);
    EXPECT_FALSE(is_open(number));
    if (!reserved) {
        EXPECT_EQ(reserved.error(), std::errc::not_enough_memory);
    } else {
        loop().close(*reserved);
    }
    auto others = local_pair();
    const handle ours = adopt(others.ours);
    write_all(others.peer.get(), "x");
    a_recv recv(ours);
    loop().submit(recv);
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "x");
    loop().close(ours);
}

TEST_P(OutOfMemory, AnEngineIsRefused) {
    backend_choice choice;
    {
        const no_memory now;
        choice = try_backend(engine::automatic);
    }
    EXPECT_EQ(choice.backend, nullptr);
    EXPECT_FALSE(choice.reason.empty());
}

// Whatever waits, in whichever list: it waits, or it ends with ENOMEM, and later all is well.
TEST_P(OutOfMemory, OperationsWaitOrAreRefused) {
    constexpr std::size_t count = 300;
    std::vector<unique_descriptor> peers;
    std::vector<handle> ours;
    struct counting : operation {
        counting(operation_kind of_kind)
            : operation(of_kind, [](operation& op) noexcept { ++static_cast<counting&>(op).completions; }) {}
        int completions = 0;
    };
    std::vector<std::unique_ptr<counting>> recvs;
    std::vector<std::unique_ptr<counting>> readables;
    for (std::size_t each = 0; each < count; ++each) {
        auto sockets = local_pair();
        peers.push_back(std::move(sockets.peer));
        ours.push_back(adopt(sockets.ours));
        recvs.push_back(std::make_unique<counting>(operation_kind::recv));
        readables.push_back(std::make_unique<counting>(operation_kind::readable));
        recvs.back()->target = readables.back()->target = ours.back();
    }
    ticks(1);
    {
        const no_memory now;
        for (std::size_t each = 0; each < count; ++each) {
            loop().submit(*recvs[each]);
            loop().submit(*readables[each]);
        }
        ticks(3);
        for (auto& each : readables)
            loop().cancel(*each);
        ticks(3);
    }
    ASSERT_TRUE(run_until(
        [&] { return std::ranges::all_of(readables, [](const auto& each) { return each->idle(); }); }));
    for (std::size_t each = 0; each < count; ++each) {
        counting& recv = *recvs[each];
        if (recv.completions > 0) {
            ASSERT_EQ(recv.error(), std::errc::not_enough_memory);
            loop().submit(recv);
            recv.completions = 0;
        }
        write_all(peers[each].get(), "x");
        ASSERT_TRUE(run_until([&] { return recv.completions == 1; }));
        ASSERT_EQ(recv.result, 1);
        loop().buffers().release(recv.data);
        loop().close(ours[each]);
    }
    settle();
}

TEST_P(OutOfMemory, ARegistrationIsRefusedAndItsDescriptorClosed) {
    struct watcher {
        void on_readable() noexcept { ++reads; }
        void on_writable() noexcept {}
        void on_error(std::error_code) noexcept {}
        int reads = 0;
    } object;
    reactor events(loop());
    auto first = local_pair();
    const handle has_room = adopt(first.ours);  // from here on the loop itself needs no memory for more
    auto sockets = local_pair();
    const int number = sockets.ours.get();
    result<handle> added;
    {
        const no_memory now;
        added = events.add(sockets.ours.release(), object, event_interest::readable);
    }
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error(), std::errc::not_enough_memory);
    EXPECT_FALSE(is_open(number));
    EXPECT_EQ(events.size(), 0u);
    ASSERT_TRUE(run_until([&] { return events.quiet(); }));
    auto others = local_pair();
    const auto again = events.add(others.ours.release(), object, event_interest::readable);
    ASSERT_TRUE(again);
    write_all(others.peer.get(), "x");
    ASSERT_TRUE(run_until([&] { return object.reads > 0; }));
    events.remove(*again);
    ASSERT_TRUE(run_until([&] { return events.quiet(); }));
    loop().close(has_room);
}

TEST_P(OutOfMemory, WorkIsRefusedWhenNoThreadCanBeHad) {
    worker_pool pool(2);
    struct counting : work_operation {
        counting()
            : work_operation([](work_operation&) {},
                             [](operation& op) noexcept { ++static_cast<counting&>(op).completions; }) {}
        int completions = 0;
    } work;
    {
        const no_memory now;
        pool.submit(loop(), work);
    }
    ASSERT_TRUE(run_until([&] { return work.completions == 1; }));
    EXPECT_EQ(work.error(), std::errc::not_enough_memory);
    pool.submit(loop(), work);
    ASSERT_TRUE(run_until([&] { return work.completions == 2; }));
    EXPECT_EQ(work.result, 0);
}

TEST_P(OutOfMemory, ACloseThatNobodyWaitsForEndsTheProcessWithASentence) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    EXPECT_DEATH(
        {
            const no_memory now;
            loop().close(ours);
        },
        "out of memory: a handle cannot be closed");
    loop().close(ours);
}

}  // namespace
}  // namespace naru::testing
