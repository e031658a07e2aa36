// Nghttp2's memory, of many sessions on one loop: frames that stop in the middle of everything come whole,
// and a session allocates no buffer of its own for them.
#include "fixture.hpp"
#include "http2_client.hpp"

#include <naru/http/http.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

std::atomic<std::size_t> large_blocks = 0;  // of those that hold a frame, and no pool

void note(std::size_t bytes) noexcept {
    if (bytes > std::size_t{16} * 1024 && bytes < std::size_t{20} * 1024) ++large_blocks;
}

}  // namespace

extern "C" {
void* __real_malloc(std::size_t bytes);
void* __wrap_malloc(std::size_t bytes) {
    note(bytes);
    return __real_malloc(bytes);
}
}

namespace naru::testing {
namespace {

using http::exchange;

std::string text_of(std::string_view path, std::size_t size) {
    std::string text;
    text.reserve(size + path.size() + 8);
    for (unsigned number = 0; text.size() < size; ++number)
        text.append(path).append(std::to_string(number * 2'654'435'761u)).append(".");
    text.resize(size);
    return text;
}

class http2_memory_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.h2c = true;
        options_.threads = 1;
    }
    static constexpr std::size_t head_bytes = 7'000;
    static constexpr std::size_t body_bytes = 90'000;
    static http::site site() {
        http::site made;
        made.get("/{client}/{number}",
                 [](exchange& x) noexcept {
                     const std::string path(x.path());
                     x.add("Much", text_of(path, head_bytes));
                     x.respond(200, "text/plain", text_of(path, body_bytes));
                 })
            .get("/", [](exchange& x) noexcept { x.respond(200, "text/plain", "here"); });
        return made;
    }
};
// What stops where is the same on all that are told of readiness.
INSTANTIATE_TEST_SUITE_P(OnTwo, http2_memory_test, ::testing::Values(engine::epoll, engine::io_uring),
                         engine_test_name);

TEST_P(http2_memory_test, sessions_have_no_memory_of_their_own_for_frames) {
    start(site());
    std::deque<http2_client> all;
    EXPECT_EQ(all.emplace_back(server_->local_address()).ask("GET", "/").body, "here");
    large_blocks = 0;
    for (unsigned each = 0; each < 20; ++each)
        EXPECT_EQ(all.emplace_back(server_->local_address()).ask("GET", "/").body, "here");
    EXPECT_EQ(large_blocks, 0u);
}

TEST_P(http2_memory_test, frames_that_stop_anywhere_come_whole) {
    constexpr unsigned clients = 5;
    constexpr unsigned streams = 12;
    start(site());
    std::deque<http2_client> all;
    std::vector<std::pair<http2_client*, std::vector<std::pair<std::int32_t, std::string>>>> asked;
    for (unsigned client = 0; client < clients; ++client) {
        // From windows that a frame fits to such that stop the server's send.
        http2_client& one = all.emplace_back(server_->local_address(), 20'000u << client);
        auto& [who, what] = asked.emplace_back(&one, 0);
        for (unsigned stream = 0; stream < streams; ++stream) {
            const std::string path = "/" + std::to_string(client) + "/" + std::to_string(stream);
            what.emplace_back(who->begin("GET", path), path);
        }
        one.flush();
    }
    // A little of each in turn, so that all of them are under way all the time.
    const auto is_done = [](auto& each) {
        return std::all_of(each.second.begin(), each.second.end(),
                           [&](const auto& stream) { return each.first->at(stream.first).closed; });
    };
    for (bool goes_on = true; goes_on;) {
        goes_on = false;
        for (auto& each : asked) {
            if (is_done(each)) continue;
            ASSERT_TRUE(each.first->read_once());
            each.first->flush();
            goes_on = true;
        }
    }
    for (auto& [who, what] : asked) {
        for (const auto& [id, path] : what) {
            EXPECT_EQ(who->at(id).status, 200);
            EXPECT_TRUE(who->at(id)["much"] == text_of(path, head_bytes)) << path;
            EXPECT_TRUE(who->at(id).body == text_of(path, body_bytes)) << path;
        }
    }
}

// Files are read into the output; a stream that ends, or is reset, while its frame waits takes it along.
TEST_P(http2_memory_test, frames_that_wait_are_dropped_or_sent) {
    const std::string content = text_of("file", 400'000);
    files_.write("file", content);
    start();
    http2_client reads(server_->local_address(), 1'000'000, true);
    http2_client resets(server_->local_address(), 1'000'000, true);
    std::vector<std::int32_t> kept;
    for (unsigned round = 0; round < 8; ++round) {
        kept.push_back(reads.begin("GET", "/file"));
        const std::int32_t dropped = resets.begin("GET", "/file");
        reads.flush();
        ASSERT_TRUE(resets.until([&] { return resets.at(dropped).body.size() > 20'000; }));
        resets.reset(dropped);
        resets.open_window(0, 400'000);
        reads.open_window(0, 400'000);
        ASSERT_TRUE(resets.round_trip());
    }
    const std::int32_t last = resets.begin("GET", "/file");
    resets.open_window(0, 8'000'000);
    EXPECT_TRUE(resets.wait(last).body == content);
    reads.open_window(0, 8'000'000);
    for (const std::int32_t each : kept)
        EXPECT_TRUE(reads.wait(each).body == content);
}

}  // namespace
}  // namespace naru::testing
