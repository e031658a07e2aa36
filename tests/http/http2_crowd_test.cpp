// Many streams under way in one loop: its clients are told to begin fewer.
#include "fixture.hpp"
#include "http2_client.hpp"

#include <naru/coro/sleep.hpp>
#include <naru/http/http.hpp>

#include <cstddef>
#include <list>
#include <vector>

namespace naru::testing {
namespace {

using http::exchange;
namespace limits = http::limits;

class http2_crowd_test : public http_server_test {
 protected:
    static bool is_told(http2_client& one, std::uint32_t streams) {
        return one.until([&] {
            return nghttp2_session_get_remote_settings(one.session(),
                                                       NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) == streams;
        });
    }
    std::vector<const std::byte*> taken_;  // buffers; of the loop's thread, which ends before this does
};
// What counts is the same on every engine.
INSTANTIATE_TEST_SUITE_P(OnEpoll, http2_crowd_test, ::testing::Values(engine::epoll), engine_test_name);

TEST_P(http2_crowd_test, streams_at_once_are_lowered_for_all_and_come_back) {
    options_.h2c = true;
    options_.threads = 1;
    http::site site;
    site.get("/waits",
             [](exchange& x) -> task<> {
                 (void)co_await sleep_for(1h);
                 x.respond(204);
             })
        .get("/", [](exchange& x) noexcept { x.respond(200, "text/plain", "here"); });
    start(std::move(site));
    http2_client idle(server_->local_address());
    EXPECT_TRUE(is_told(idle, limits::h2_streams));
    std::list<http2_client> crowd;
    for (std::size_t begun = 0; begun < limits::h2_streams_crowd; begun += limits::h2_streams) {
        http2_client& one = crowd.emplace_back(server_->local_address());
        for (std::uint32_t each = 0; each < limits::h2_streams; ++each)
            one.begin("GET", "/waits");
        ASSERT_TRUE(one.round_trip());  // it has been told that it may have more than a hundred
        ASSERT_TRUE(one.round_trip());
    }
    EXPECT_EQ(server_->metrics().open_streams, limits::h2_streams_crowd);
    EXPECT_TRUE(is_told(idle, limits::h2_streams_in_crowd));
    for (http2_client& each : crowd)
        EXPECT_TRUE(is_told(each, limits::h2_streams_in_crowd));
    http2_client late(server_->local_address());
    EXPECT_TRUE(is_told(late, limits::h2_streams_in_crowd));
    EXPECT_EQ(late.ask("GET", "/").body, "here");
    for (std::uint32_t each = 0; each < 2 * limits::h2_streams_in_crowd; ++each)
        late.begin("GET", "/waits");  // nghttp2's client keeps to what it was told
    ASSERT_TRUE(late.round_trip());
    EXPECT_EQ(server_->metrics().open_streams, limits::h2_streams_crowd + limits::h2_streams_in_crowd);

    crowd.clear();
    EXPECT_TRUE(is_told(idle, limits::h2_streams));
    EXPECT_TRUE(is_told(late, limits::h2_streams));
    EXPECT_TRUE(
        eventually([&] { return server_->metrics().open_streams == 2 * limits::h2_streams_in_crowd; }));
    EXPECT_TRUE(idle.goaways.empty() && late.goaways.empty());
}

TEST_P(http2_crowd_test, streams_at_once_are_lowered_while_buffers_are_scarce) {
    options_.h2c = true;
    options_.threads = 1;
    http::site site;
    site.get("/take",
             [this](exchange& x) noexcept {
                 buffer_pool& pool = x.home().buffers();
                 while (pool.capacity() - pool.leased() > limits::scarce_buffers(pool.capacity()) / 2)
                     taken_.push_back(pool.acquire());
                 x.respond(200, "text/plain", "taken");
             })
        .get("/give",
             [this](exchange& x) noexcept {
                 for (const std::byte* const each : taken_)
                     x.home().buffers().release(each);
                 taken_.clear();
                 x.respond(200, "text/plain", "given");
             })
        .get("/", [](exchange& x) noexcept { x.respond(200, "text/plain", "here"); });
    start(std::move(site));
    http2_client idle(server_->local_address());
    EXPECT_TRUE(is_told(idle, limits::h2_streams));
    http2_client other(server_->local_address());
    EXPECT_EQ(other.ask("GET", "/take").body, "taken");
    EXPECT_TRUE(is_told(idle, limits::h2_streams_in_crowd));
    EXPECT_TRUE(is_told(other, limits::h2_streams_in_crowd));
    http2_client late(server_->local_address());
    EXPECT_TRUE(is_told(late, limits::h2_streams_in_crowd));
    // What is left is for those who have had no answer.
    EXPECT_EQ(late.ask("GET", "/give").body, "given");
    for (http2_client* const each : {&idle, &other, &late}) {
        EXPECT_TRUE(is_told(*each, limits::h2_streams));
        EXPECT_TRUE(each->goaways.empty());
    }
    EXPECT_EQ(idle.ask("GET", "/").body, "here");
}

}  // namespace
}  // namespace naru::testing
