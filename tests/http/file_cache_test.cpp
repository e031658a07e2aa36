// The books of the cache: what is held after it has been dropped is counted until it is let go.
#include <naru/http/handlers/file_cache.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/address_counts.hpp>
#include <naru/os/address.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>

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

    address_counts counts;
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

}  // namespace
}  // namespace naru::http
