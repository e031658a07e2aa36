// Looks at the disk that the loop's thread makes itself: so many in a tick, and clients take turns. The
// server's worker runs on the test's own thread, so that what is done in one tick can be counted. On an
// engine of each kind.
#include "disk_hooks.hpp"
#include "worker_fixture.hpp"

#include <filesystem>

namespace naru::testing {
namespace {

class disk_turns_test : public worker_test {
 protected:
    void SetUp() override {
        if (GetParam() != engine::select && GetParam() != engine::epoll && GetParam() != engine::io_uring)
            GTEST_SKIP() << "as on its kin";
        worker_test::SetUp();
        if (IsSkipped()) return;
        std::filesystem::create_directory(files_.path() / "there");
        // What the system has no name of in its memory is looked at by another thread.
        EXPECT_EQ(ask(get("/missing")).status, 404);
        EXPECT_EQ(ask(get("/there")).status, 301);
    }
    void tick() override {
        hooks().openat2s = 0;
        worker_test::tick();
        const auto here = static_cast<std::size_t>(hooks().openat2s);
        most_ = std::max(most_, here);
        looked_ += here;
    }
    std::uint64_t answered(unsigned status) {
        http::server_metrics of;
        worker_->measure(of, false);
        return of.answers[status - 100];
    }
    std::uint64_t received() {
        http::server_metrics of;
        worker_->measure(of, false);
        return of.bytes_in;
    }
    static std::string many(std::size_t requests, std::string_view path) {
        std::string text;
        for (std::size_t each = 0; each < requests; ++each)
            text += get(path);
        return text;
    }
    std::vector<peer> crowd_of(std::size_t count, std::string_view text) {
        std::vector<peer> made;
        for (std::size_t each = 0; each < count; ++each) {
            made.push_back(connect());
            made.back().say(text);
        }
        return made;
    }

    // Between two waits of the loop: those of who comes, and of who has waited; the root's; and what another
    // thread does meanwhile, where a name is not in memory for once.
    static constexpr std::size_t most_of_a_tick = 2 * http::limits::looks_per_tick + 16;
    std::size_t looked_ = 0;
    std::size_t most_ = 0;
};
NARU_ON_EVERY_ENGINE(disk_turns_test);

TEST_P(disk_turns_test, a_tick_has_so_many_and_all_are_answered) {
    constexpr std::size_t clients = 100;
    constexpr std::size_t requests = 40;
    std::vector<peer> crowd = crowd_of(clients, many(requests, "/missing"));
    const std::uint64_t before = answered(404);
    for (peer& each : crowd) {
        for (std::size_t number = 0; number < requests; ++number)
            ASSERT_EQ(read(each).status, 404);
    }
    EXPECT_TRUE(run_until([&] { return answered(404) == before + clients * requests; }));
    EXPECT_LE(most_, most_of_a_tick);
}

TEST_P(disk_turns_test, whoever_comes_later_waits_for_one_look_of_each_before) {
    constexpr std::size_t clients = 100;
    const std::string text = many(40, "/missing");
    peer late = connect();
    late.say(get("/there"));
    EXPECT_EQ(read(late).status, 301);
    std::vector<peer> crowd = crowd_of(clients, text);
    std::uint64_t expected = received() + clients * text.size();
    ASSERT_TRUE(run_until([&] { return received() >= expected; }));
    std::size_t least = looked_ + clients * 40;
    for (int time = 0; time < 5; ++time) {  // for once another thread may have to look
        const std::uint64_t before = answered(301);
        expected += get("/there").size();
        late.say(get("/there"));
        ASSERT_TRUE(run_until([&] { return received() >= expected; }));
        const std::size_t came = looked_;
        ASSERT_TRUE(run_until([&] { return answered(301) > before; }));
        least = std::min(least, looked_ - came);
        EXPECT_EQ(read(late).status, 301);
    }
    EXPECT_LE(least, clients + 2 * most_of_a_tick);
}

TEST_P(disk_turns_test, what_is_cached_does_not_wait_for_them) {
    constexpr std::size_t clients = 100;
    const std::string text = many(40, "/missing");
    peer quick = connect();
    quick.say(get("/hello.txt"));
    EXPECT_EQ(read(quick).body, hello);
    std::vector<peer> crowd = crowd_of(clients, text);
    std::uint64_t expected = received() + clients * text.size();
    ASSERT_TRUE(run_until([&] { return received() >= expected; }));
    std::size_t least = looked_ + clients * 40;
    for (int time = 0; time < 5; ++time) {  // for once it may have to be looked at again
        const std::uint64_t before = answered(200);
        expected += get("/hello.txt").size();
        quick.say(get("/hello.txt"));
        ASSERT_TRUE(run_until([&] { return received() >= expected; }));
        const std::size_t came = looked_;
        ASSERT_TRUE(run_until([&] { return answered(200) > before; }));
        least = std::min(least, looked_ - came);
        EXPECT_EQ(read(quick).body, hello);
    }
    EXPECT_LE(least, most_of_a_tick);
}

TEST_P(disk_turns_test, those_who_wait_may_leave_and_the_worker_may_end) {
    {
        std::vector<peer> crowd = crowd_of(100, many(40, "/missing"));
        ASSERT_TRUE(run_until([&] { return looked_ > http::limits::looks_per_tick; }));
        crowd.erase(crowd.begin(), crowd.begin() + 50);
        for (int each = 0; each < 5; ++each)
            tick();
        EXPECT_EQ(ask(get("/there")).status, 301);
        end();
        for (peer& each : crowd)
            each.got.read_from(each.socket.get());
    }
    begin();
    EXPECT_EQ(ask(get("/there")).status, 301);
}

// Files of the cache that are to be looked at again are given as they were known, if not for long.
TEST_P(disk_turns_test, files_are_found_changed_behind_a_crowd) {
    files_.write("changes.txt", "before");
    EXPECT_EQ(ask(get("/changes.txt")).body, "before");
    std::vector<peer> crowd = crowd_of(100, many(40, "/missing"));
    files_.write("changes.txt", "after");
    EXPECT_TRUE(run_until([&] {
        for (peer& each : crowd) {  // they go on asking
            if (each.got.read_from(each.socket.get()) > 0) {
                each.got.data.clear();
                (void)write_some(each.socket.get(), get("/missing"));
            }
        }
        return ask(get("/changes.txt")).body == "after";
    }));
}

}  // namespace
}  // namespace naru::testing
