// Slots with generations, object pools, buffer pools and leases.
#include <naru/core/object_pool.hpp>
#include <naru/core/slot_table.hpp>
#include <naru/loop/buffer_pool.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;

struct record {
    std::uint32_t generation = 0;
    std::uint32_t next_free = 0;
    int content = 0;
};

TEST(SlotTable, AStaleNameNeverFindsTheNextOwner) {
    slot_table<record> table(1u << 20);
    std::minstd_rand random(4);
    std::map<std::int64_t, int> live;
    std::vector<handle> stale;
    std::set<std::int64_t> ever;
    int content = 0;
    for (int step = 0; step < 20'000; ++step) {
        if (live.empty() || random() % 5 > 1) {
            const handle made = table.acquire();
            ASSERT_TRUE(made);
            ASSERT_EQ(handle::unpack(made.pack()), made);
            ASSERT_GE(made.pack(), 0);
            ASSERT_TRUE(ever.insert(made.pack()).second) << "a name was given out twice";
            table.find(made)->content = ++content;
            live[made.pack()] = content;
        } else {
            const auto chosen = std::next(
                live.begin(), static_cast<std::ptrdiff_t>(random() % std::min<std::size_t>(live.size(), 20)));
            const handle name = handle::unpack(chosen->first);
            ASSERT_EQ(table.find(name)->content, chosen->second);
            table.release(name.slot);
            live.erase(chosen);
            stale.push_back(name);
        }
        ASSERT_EQ(table.used(), live.size());
        if (!stale.empty()) {
            ASSERT_EQ(table.find(stale[random() % stale.size()]), nullptr);
        }
    }
    for (const auto& [name, its_content] : live)
        ASSERT_EQ(table.find(handle::unpack(name))->content, its_content);
}

TEST(SlotTable, NamesThatWereNeverGivenOutFindNothing) {
    slot_table<record> table(1u << 20);
    EXPECT_EQ(table.find(handle()), nullptr);
    const handle made = table.acquire();
    handle other = made;
    other.slot = 1'000'000;
    EXPECT_EQ(table.find(other), nullptr);
    other = made;
    ++other.generation;
    EXPECT_EQ(table.find(other), nullptr);
    EXPECT_NE(std::hash<handle>()(made), std::hash<handle>()(other));
}

TEST(SlotTable, AFullTableRefusesAndRecovers) {
    slot_table<record> table(256);
    std::vector<handle> all;
    while (const handle made = table.acquire())
        all.push_back(made);
    EXPECT_EQ(all.size(), 256u);
    EXPECT_FALSE(table.acquire());
    table.release(all[17].slot);
    const handle again = table.acquire();
    EXPECT_TRUE(again);
    EXPECT_EQ(again.slot, all[17].slot);
    EXPECT_NE(again, all[17]);
}

TEST(SlotTable, GenerationsStartAgainWithoutEverBeingZero) {
    slot_table<record> table(128);
    const handle first = table.acquire();
    table.at(first.slot).generation = 0x7fffffff;
    table.release(first.slot);
    const handle next = table.acquire();
    EXPECT_EQ(next.slot, first.slot);
    EXPECT_EQ(next.generation, 1u);
    EXPECT_TRUE(next);
}

TEST(ObjectPool, ReusesWhatWasDestroyed) {
    static int alive = 0;
    struct counted {
        explicit counted(std::string named) : name(std::move(named)) { ++alive; }
        ~counted() { --alive; }
        std::string name;
        alignas(32) char aligned[32];
    };
    object_pool<counted> pool;
    std::unordered_set<const void*> places;
    std::vector<counted*> made;
    for (int round = 0; round < 3; ++round) {
        for (int number = 0; number < 1000; ++number) {
            made.push_back(&pool.make(std::to_string(number) + " with a text too long for small strings"));
            ASSERT_EQ(reinterpret_cast<std::uintptr_t>(made.back()) % alignof(counted), 0u);
            places.insert(made.back());
        }
        EXPECT_EQ(pool.live(), 1000u);
        EXPECT_EQ(alive, 1000);
        for (counted* each : made)
            pool.destroy(*each);
        made.clear();
        EXPECT_EQ(pool.live(), 0u);
        EXPECT_EQ(alive, 0);
    }
    EXPECT_LE(places.size(), 1200u);  // not 3,000: places are used again
}

// What an idle connection costs is the size of its objects, and of all that is around them less than this.
TEST(ObjectPool, CostsLittleMoreThanItsObjects) {
    struct object {
        char bytes[128];
    };
    object_pool<object> pool;
    std::set<std::uintptr_t> pages;
    std::vector<object*> made;
    constexpr std::size_t count = 15'000;
    for (std::size_t each = 0; each < count; ++each) {
        made.push_back(&pool.make());
        pages.insert(reinterpret_cast<std::uintptr_t>(made.back()) / 4096);
    }
    // The allocator's page before each chunk, and the chunk's own header.
    const std::size_t chunks = pages.size() * 4096 / object_pool<object>::chunk_bytes + 1;
    EXPECT_LE((pages.size() + chunks) * 4096, count * (sizeof(object) + 4));
    for (object* each : made)
        pool.destroy(*each);
}

TEST(BufferPool, GivesOutEachBufferOnceUntilItComesBack) {
    buffer_pool pool(10);
    std::set<std::byte*> seen;
    EXPECT_EQ(pool.capacity(), 10u);
    for (std::size_t each = 0; each < 10; ++each) {
        EXPECT_TRUE(pool.available());
        std::byte* buffer = pool.acquire();
        ASSERT_NE(buffer, nullptr);
        EXPECT_TRUE(seen.insert(buffer).second);
        EXPECT_EQ(pool.begin_of(buffer + 100), buffer);
        EXPECT_EQ(pool.end_of(buffer), buffer + limits::buffer_bytes);
        EXPECT_EQ(pool.at(pool.index_of(buffer + limits::buffer_bytes - 1)), buffer);
        std::memset(buffer, 'x', limits::buffer_bytes);
        EXPECT_EQ(pool.leased(), each + 1);
    }
    EXPECT_FALSE(pool.available());
    EXPECT_EQ(pool.acquire(), nullptr);
    for (std::byte* each : seen)
        pool.release(each + 7);  // anywhere inside it
    EXPECT_EQ(pool.leased(), 0u);
    EXPECT_NE(pool.acquire(), nullptr);
    EXPECT_EQ(pool.leased(), 1u);
}

TEST(BufferPool, WhoeverIsOfferedAReleaseMayTakeIt) {
    buffer_pool pool(2);
    std::vector<std::uint32_t> offered;
    pool.on_release(
        [](void* context, std::uint32_t index) noexcept {
            auto& list = *static_cast<std::vector<std::uint32_t>*>(context);
            list.push_back(index);
            return list.size() == 1;
        },
        &offered);
    std::byte* first = pool.acquire();
    std::byte* second = pool.acquire();
    pool.release(first);
    EXPECT_EQ(pool.leased(), 2u);
    pool.release(second);
    EXPECT_EQ(pool.leased(), 1u);
    EXPECT_EQ(offered, (std::vector<std::uint32_t>{pool.index_of(first), pool.index_of(second)}));
}

// A burst is not paid for ever: the content of a buffer whose memory went back is gone.
TEST(BufferPool, WhatNobodyTakesAnyMoreIsTheSystemsAgain) {
    constexpr std::size_t burst = 4 * limits::cooled_per_tick;
    buffer_pool pool(2 * burst);
    const auto use = [&pool](std::size_t count) {
        std::vector<std::byte*> held;
        for (std::size_t each = 0; each < count; ++each) {
            held.push_back(pool.acquire());
            std::memset(held.back(), 'x', limits::buffer_bytes);
        }
        for (const std::byte* each : held)
            pool.release(each);
    };
    [[maybe_unused]] const auto warm = [&pool] {
        std::vector<std::byte*> held;
        std::size_t count = 0;
        for (std::size_t each = 0; each < burst; ++each) {
            held.push_back(pool.acquire());
            if (*held.back() == std::byte{'x'}) ++count;
        }
        for (std::size_t each = burst; each-- > 0;)
            pool.release(held[each]);
        return count;
    };
    EXPECT_FALSE(pool.is_warm());
    use(limits::warm_buffers);
    EXPECT_FALSE(pool.is_warm());  // these are kept
    use(burst);
    EXPECT_TRUE(pool.is_warm());
    instant now = instant(1s);
    ASSERT_EQ(pool.cool(now), now + limits::buffers_stay_warm);
    now += limits::buffers_stay_warm;
    use(burst / 2);  // those stay a while longer
    ASSERT_EQ(pool.cool(now), now + limits::buffers_stay_warm);
    EXPECT_EQ(pool.cool(now + 1ms), now + limits::buffers_stay_warm);  // not yet
    for (int looks = 0;; ++looks) {
        now += limits::buffers_stay_warm;
        if (pool.cool(now) == never) break;
        ASSERT_LT(looks, 10);
    }
    EXPECT_FALSE(pool.is_warm());
    EXPECT_EQ(pool.cool(now + 1h), never);
#if defined(__linux__)
    EXPECT_EQ(warm(), limits::warm_buffers);
#endif
    EXPECT_EQ(pool.leased(), 0u);
}

TEST(Lease, GivesItsBufferBackOnce) {
    buffer_pool pool(4);
    const auto take = [&pool](std::string_view text) {
        std::byte* buffer = pool.acquire();
        std::memcpy(buffer, text.data(), text.size());
        return lease(pool, mutable_bytes(buffer, text.size()));
    };
    {
        lease first = take("one");
        EXPECT_EQ(first.text(), "one");
        EXPECT_EQ(first.size(), 3u);
        lease moved(std::move(first));
        EXPECT_EQ(first.size(), 0u);  // NOLINT: a moved-from lease is empty
        EXPECT_EQ(moved.text(), "one");
        lease second = take("two");
        EXPECT_EQ(pool.leased(), 2u);
        moved = std::move(second);
        EXPECT_EQ(pool.leased(), 1u);
        EXPECT_EQ(moved.text(), "two");
        lease& same = moved;
        moved = std::move(same);
        EXPECT_EQ(moved.text(), "two");
        moved.reset();
        moved.reset();
        EXPECT_EQ(pool.leased(), 0u);
        lease third = take("three");
        EXPECT_EQ(pool.leased(), 1u);
    }
    EXPECT_EQ(pool.leased(), 0u);
}

}  // namespace
}  // namespace naru::testing
