// The books of the cache: what is held after it has been dropped is counted until it is let go.
#include <naru/http/handlers/file_cache.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/address_counts.hpp>
#include <naru/os/address.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

namespace naru::http {
namespace {

std::unique_ptr<document> a_document(std::size_t bytes, bool open_file) {
    auto made = std::make_unique<document>();
    made->is = document::kind::file;
    made->text.assign(bytes, 'x');
    auto& plain = made->codings[static_cast<std::size_t>(coding::identity)];
    plain = std::make_unique<representation>();
#if !defined(_WIN32)
    if (open_file) plain->file = unique_descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
#else
    (void)open_file;
#endif
    return made;
}

TEST(file_cache_books, what_is_sent_but_not_kept_is_loose_until_it_is_let_go) {
    file_cache cache;
    cached_document& one = cache.wrap("one", a_document(10'000, false));
    EXPECT_GE(cache.loose_bytes(), 10'000u);
    cache.hold(one);
    cache.let_go(one);
    EXPECT_GE(cache.loose_bytes(), 10'000u);
    cache.let_go(one);
    EXPECT_EQ(cache.loose_bytes(), 0u);
}

TEST(file_cache_books, what_is_dropped_while_held_is_loose_until_it_is_let_go) {
    file_cache cache;
    cached_document& held = cache.insert("/a", a_document(10'000, true), instant());
    EXPECT_EQ(cache.loose_bytes(), 0u);
    EXPECT_EQ(cache.loose_descriptors(), 0u);
    const std::size_t bytes = cache.bytes();
    cache.drop(held);
    EXPECT_EQ(cache.bytes(), 0u);
    EXPECT_GE(cache.loose_bytes(), 10'000u);
    EXPECT_LE(cache.loose_bytes(), bytes);
#if !defined(_WIN32)
    EXPECT_EQ(cache.loose_descriptors(), 1u);
#endif
    cache.let_go(held);
    EXPECT_EQ(cache.loose_bytes(), 0u);
    EXPECT_EQ(cache.loose_descriptors(), 0u);

    cached_document& kept = cache.insert("/b", a_document(10, false), instant());
    cache.let_go(kept);
    cache.drop(kept);
    EXPECT_EQ(cache.loose_bytes(), 0u);
}

#if !defined(_WIN32)
TEST(file_cache_books, open_files_of_slow_clients_stay_counted_when_others_take_their_places) {
    file_cache cache;
    std::vector<cached_document*> held;
    for (std::size_t each = 0; each < 2 * limits::cached_descriptors; ++each) {
        const std::string name = "/" + std::to_string(each);
        held.push_back(&cache.insert(name, a_document(1, true), instant()));
    }
    EXPECT_EQ(cache.size() + cache.loose_descriptors(), held.size());
    for (cached_document* each : held)
        cache.let_go(*each);
    EXPECT_EQ(cache.loose_descriptors(), 0u);
}
#endif

TEST(file_cache_books, caches_of_a_loop_share_one_budget) {
    cache_totals totals;
    file_cache one(&totals);
    file_cache other(&totals);
    const std::size_t size = limits::cache_bytes / 8;
    for (int each = 0; each < 4; ++each) {
        one.let_go(one.insert("/" + std::to_string(each), a_document(size, false), instant()));
        other.let_go(other.insert("/" + std::to_string(each), a_document(size, false), instant()));
    }
    EXPECT_EQ(one.size() + other.size(), 7u);
    EXPECT_EQ(one.find("/0"), nullptr);  // the oldest of both
    EXPECT_NE(other.find("/0"), nullptr);
    EXPECT_LE(one.bytes() + other.bytes(), limits::cache_bytes);
    for (int each = 4; each < 12; ++each)
        other.let_go(other.insert("/" + std::to_string(each), a_document(size, false), instant()));
    EXPECT_EQ(one.size(), 0u);  // used last long ago
    EXPECT_EQ(other.size(), 7u);
    one.let_go(one.insert("/again", a_document(1, false), instant()));
    one.clear();
    EXPECT_EQ(one.size(), 0u);
    other.clear();
    EXPECT_EQ(totals.cached.bytes, 0u);
    EXPECT_EQ(totals.cached.entries, 0u);
    EXPECT_EQ(totals.loose.bytes, 0u);
}

TEST(file_cache_books, all_are_found_while_it_grows_and_shrinks) {
    file_cache cache;
    std::vector<std::string> paths;
    for (int each = 0; each < 1'000; ++each) {
        paths.push_back("/" + std::to_string(each));
        cache.let_go(cache.insert(paths.back(), a_document(1, false), instant()));
        for (const std::string& known : {paths.front(), paths[paths.size() / 2], paths.back()})
            ASSERT_NE(cache.find(known), nullptr) << known;
        ASSERT_EQ(cache.find("/none"), nullptr);
    }
    for (const std::string& each : paths) {
        cached_document* const found = cache.find(each);
        ASSERT_NE(found, nullptr) << each;
        cache.drop(*found);
        ASSERT_EQ(cache.find(each), nullptr) << each;
    }
    EXPECT_EQ(cache.size(), 0u);
    EXPECT_EQ(cache.bytes(), 0u);
}

TEST(file_cache_books, clearing_finds_all_that_stand_behind_one_another) {
    file_cache cache;
    for (int each = 0; each < 4000; ++each)
        cache.let_go(cache.insert("/" + std::to_string(each), a_document(1, false), instant()));
    EXPECT_EQ(cache.size(), 4000u);
    cache.clear();
    EXPECT_EQ(cache.size(), 0u);
    EXPECT_EQ(cache.find("/17"), nullptr);
}

TEST(address_counts, count_by_address_and_by_64_bits_of_ipv6) {
    const auto network = [](const char* text) { return address::parse(text).value().network(); };
    EXPECT_EQ(network("192.0.2.7:80"), network("192.0.2.7:9999"));
    EXPECT_NE(network("192.0.2.7:80"), network("192.0.2.8:80"));
    EXPECT_EQ(network("[::ffff:192.0.2.7]:80"), network("192.0.2.7:80"));
    EXPECT_EQ(network("[2001:db8:1:2::1]:80"), network("[2001:db8:1:2:ffff::9]:80"));
    EXPECT_NE(network("[2001:db8:1:2::1]:80"), network("[2001:db8:1:3::1]:80"));

    address_counts counts(10);
    const std::uint32_t first = counts.add(1);
    EXPECT_EQ(counts.add(1), first);
    const std::uint32_t second = counts.add(2);
    EXPECT_NE(first, second);
    EXPECT_EQ(counts.at(first), 2u);
    EXPECT_EQ(counts.at(second), 1u);
    counts.remove(first);
    counts.remove(address_counts::none);
    EXPECT_EQ(counts.at(first), 1u);
    counts.remove(first);
    EXPECT_EQ(counts.size(), 1u);
    EXPECT_EQ(counts.add(3), first) << "its place is used again";
    EXPECT_EQ(counts.at(first), 1u);
}

TEST(address_counts, of_more_networks_than_there_are_buckets_are_exact) {
    address_counts counts(1'000);
    std::vector<std::uint32_t> places;
    for (std::uint64_t each = 0; each < 20'000; ++each)
        places.push_back(counts.add(each % 7'000));
    EXPECT_EQ(counts.size(), 7'000u);
    for (std::uint64_t each = 0; each < 20'000; ++each) {
        ASSERT_EQ(places[each], places[each % 7'000]) << each;
        ASSERT_EQ(counts.at(places[each]), each % 7'000 < 6'000 ? 3u : 2u) << each;
    }
    for (std::uint64_t each = 0; each < 13'000; ++each)
        counts.remove(places[each]);
    for (std::uint64_t each = 13'000; each < 20'000; ++each)
        ASSERT_EQ(counts.at(places[each]), 1u) << each;
    EXPECT_EQ(counts.size(), 7'000u);
    for (std::uint64_t each = 13'000; each < 20'000; ++each)
        counts.remove(places[each]);
    EXPECT_EQ(counts.size(), 0u);
    EXPECT_EQ(counts.at(counts.add(6'999)), 1u);
}

// A pool of connections as the worker's is, with counts of what is done for each that comes.
class address_watch_test : public ::testing::Test {
 protected:
    static constexpr std::size_t most = 8'000;
    struct client {
        std::uint64_t network;
        std::uint32_t place = address_counts::none;
        std::array<std::uint64_t, 3> rest{};
    };

    void TearDown() override {
        while (!all_.empty())
            leave(0);
    }

    /// Whether it is one too many for its network, as far as that matters.
    bool come(std::uint64_t network) {
        all_.push_back(&pool_.make(network));
        looked_at_ = 0;
        const bool crowded = watch_.came(pool_, *all_.back(), most, [this](client& each) {
            ++looked_at_;
            if (each.place == address_counts::none) each.place = counts_.add(each.network);
        });
        most_looked_at_ = std::max(most_looked_at_, looked_at_);
        if (!crowded) return false;
        EXPECT_EQ(counted(), all_.size());
        return counts_.at(all_.back()->place) > 5;
    }
    void leave(std::size_t which) {
        counts_.remove(all_[which]->place);
        pool_.destroy(*all_[which]);
        all_[which] = all_.back();
        all_.pop_back();
    }
    std::size_t counted() const {
        std::size_t sum = 0;
        if (all_.size() % 97 != 0) return all_.size();  // looked at now and then
        for (const client* each : all_)
            sum += each->place != address_counts::none;
        return sum;
    }
    static std::uint64_t anybody(std::size_t each) { return 1'000'000 + each; }

    object_pool<client> pool_;
    address_counts counts_{most};
    address_watch watch_;
    std::vector<client*> all_;
    std::size_t looked_at_ = 0;
    std::size_t most_looked_at_ = 0;
};

TEST_F(address_watch_test, whoever_comes_below_half_of_the_threshold_costs_nothing) {
    for (std::size_t each = 0; each < limits::counted_from(most); ++each) {
        come(1);
        ASSERT_EQ(looked_at_, 0u) << each;
    }
    EXPECT_EQ(counts_.size(), 0u);
}

TEST_F(address_watch_test, all_are_counted_when_it_is_crowded_in_small_steps) {
    const std::size_t crowded = limits::crowded(most);
    for (std::size_t each = 0; each < crowded; ++each)
        ASSERT_FALSE(come(each % 1'000 == 0 ? 1 : anybody(each))) << each;
    EXPECT_TRUE(come(1)) << "those who came before they were counted are counted";
    EXPECT_FALSE(come(2));
    EXPECT_EQ(counts_.at(all_.front()->place), crowded / 1'000 + 1);
    EXPECT_LE(most_looked_at_, limits::counted_per_accept + 1);
    come(3);
    EXPECT_EQ(looked_at_, 1u) << "nobody is counted again";
}

// Between the two marks they are counted on, and below they are not, and are made up for the next time.
TEST_F(address_watch_test, who_came_in_between_is_counted) {
    const std::size_t crowded = limits::crowded(most);
    std::minstd_rand random(7);
    const auto empty_to = [&](std::size_t left) {
        while (all_.size() > left)
            leave(random() % all_.size());
    };
    std::uint64_t network = 1;
    for (const std::size_t left : {crowded - 100, crowded / 2 + 10, crowded / 2 - 10, crowded / 4,
                                   crowded / 8, std::size_t{0}, crowded / 2}) {
        while (all_.size() < crowded)
            come(anybody(random()));
        empty_to(left);
        ++network;
        for (int each = 0; each < 5; ++each)
            ASSERT_FALSE(come(network));
        while (all_.size() < crowded)
            ASSERT_FALSE(come(anybody(random())));
        EXPECT_TRUE(come(network)) << left;
    }
    EXPECT_LE(most_looked_at_, limits::counted_per_accept + 1);
}

}  // namespace
}  // namespace naru::http
