// The cache of documents, without files.
#include <naru/http/handlers/file_cache.hpp>
#include <naru/http/limits.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace naru::http {
namespace {

TEST(file_cache, long_paths_count) {
    file_cache cache;
    const std::size_t each = 8'000;
    const std::size_t many = limits::cache_bytes / each;
    for (std::size_t index = 0; index < many; ++index) {
        std::string path = std::to_string(index);
        path.resize(each, 'x');
        cache.let_go(cache.insert(path, std::make_unique<document>(), instant()));
    }
    EXPECT_LT(cache.size(), many);
    EXPECT_LE(cache.bytes(), limits::cache_bytes);
    EXPECT_GE(cache.bytes(), cache.size() * each);
    cache.clear();
    EXPECT_EQ(cache.size(), 0u);
    EXPECT_EQ(cache.bytes(), 0u);
}

}  // namespace
}  // namespace naru::http
