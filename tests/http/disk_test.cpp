// A disk that is slow, hangs, or changes under the reader's hands, on every engine.
#include "disk_hooks.hpp"
#include "fixture.hpp"

#include <csignal>

#include <sys/wait.h>

namespace naru::testing {
namespace {

class disk_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        files_.write("cold.txt", "cold");
    }
    void TearDown() override {
        hooks().opening.open();
        hooks().listing.open();
        hooks().files_time = 0;
        hooks().openat2_error = 0;
        http_server_test::TearDown();
    }

    /// Written over, where it stands.
    void overwrite(const std::string& name, std::string_view text) const {
        std::ofstream(files_.path() / name, std::ios::binary) << text;
    }
    /// Seconds that have begun since then: what is cached is looked at once in each.
    static int seconds_begun(test_clock::time_point since) {
        return 1 +
               static_cast<int>(std::chrono::floor<std::chrono::seconds>(test_clock::now() - since).count());
    }
};
NARU_ON_EVERY_ENGINE(disk_test);

TEST_P(disk_test, a_crowd_that_wants_one_cold_file_costs_one_look) {
    start();
    const std::size_t crowd = GetParam() == engine::select ? 400 : 1'100;  // it watches 1,023 descriptors
    hooks().opening.close();
    hooks().looks = 0;
    std::vector<client> clients;
    for (std::size_t each = 0; each < crowd; ++each) {
        clients.push_back(connect());
        clients.back().send(get("/cold.txt"));
    }
    EXPECT_TRUE(eventually([] { return hooks().opening.held() == 1; }));
    EXPECT_TRUE(answers()) << "others are served meanwhile";
    const auto opened = test_clock::now();
    hooks().opening.open();
    std::size_t right = 0;
    for (client& each : clients)
        right += each.read().body == "cold";
    EXPECT_EQ(right, crowd);
    EXPECT_LE(hooks().looks, seconds_begun(opened));
}

TEST_P(disk_test, all_spellings_of_a_path_are_one_file_of_the_cache) {
    start();
    hooks().looks = 0;
    const auto began = test_clock::now();
    client one = connect();
    for (const char* spelling : {"/cold.txt", "/%63old.txt", "//cold.txt", "/./cold.txt", "/x/../cold.txt",
                                 "/c%6Fld.txt?query", "/.//cold.tx%74"})
        EXPECT_EQ(one.ask(get(spelling)).body, "cold") << spelling;
    EXPECT_LE(hooks().looks, seconds_begun(began));
}

TEST_P(disk_test, cached_requests_cost_no_system_call_on_the_disk) {
    start();
    EXPECT_TRUE(answers());
    hooks().openat2s = 0;
    const auto began = test_clock::now();
    client one = connect();
    for (int each = 0; each < 1'000; ++each)
        ASSERT_EQ(one.ask(get("/hello.txt")).body, hello);
    EXPECT_LE(hooks().openat2s, 16 * seconds_begun(began));
}

TEST_P(disk_test, a_request_does_not_wait_for_ever) {
    options_.disk_time = 100ms;
    start();
    hooks().opening.close();
    client one = connect();
    const response late = one.ask(get("/cold.txt"));
    EXPECT_EQ(late.status, 503);
    EXPECT_TRUE(late.has("Retry-After"));
    EXPECT_EQ(one.ask(get("/hello.txt")).body, hello) << "on the same connection";
    EXPECT_EQ(one.ask(get("/cold.txt")).status, 503) << "while it hangs, at once";
    hooks().opening.open();
    EXPECT_TRUE(eventually([&] { return one.ask(get("/cold.txt")).body == "cold"; }));
}

TEST_P(disk_test, what_is_cached_is_served_while_the_disk_hangs) {
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("/cold.txt")).body, "cold");
    hooks().opening.close();
    EXPECT_TRUE(
        eventually([&] { return one.ask(get("/cold.txt")).body == "cold" && hooks().opening.held() > 0; }));
    for (int each = 0; each < 20; ++each)
        ASSERT_EQ(one.ask(get("/cold.txt")).body, "cold") << "stale, once the look has taken long";
    files_.write("cold.txt", "new");
    hooks().opening.open();
    EXPECT_TRUE(eventually([&] { return one.ask(get("/cold.txt")).body == "new"; }));
}

// In a child process: what a hanging thread may come back to is never given back.
TEST_P(disk_test, the_end_does_not_wait_for_a_disk_that_hangs) {
    const pid_t child = checked(::fork(), "fork");
    if (child == 0) {
        options_.timeouts.drain = 50ms;
        start();
        hooks().opening.close();
        client one = connect();
        one.send(get("/cold.txt"));
        const bool held = eventually([] { return hooks().opening.held() == 1; });
        stop();
        ::_exit(held && one.read_to_end().empty() && !reports().empty() ? 0 : 1);
    }
    int status = -1;
    if (!eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; })) {
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
    }
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_P(disk_test, listings_do_not_starve_files) {
    options_.listings = true;
    for (int each = 0; each < 12; ++each)
        files_.write("d" + std::to_string(each) + "/file", "x");
    start();
    hooks().listing.close();
    std::vector<client> listing;
    for (int each = 0; each < 12; ++each) {
        listing.push_back(connect());
        listing.back().send(get("/d" + std::to_string(each) + "/"));
    }
    EXPECT_TRUE(eventually([] { return hooks().listing.held() > 0; }));
    EXPECT_EQ(ask(get("/cold.txt")).body, "cold");
    EXPECT_EQ(ask(get("/cold-and-missing.txt")).status, 404);
    hooks().listing.open();
    for (client& each : listing)
        EXPECT_NE(each.read().body.find("href=\"./file\""), std::string::npos);
}

TEST_P(disk_test, a_write_of_the_same_size_within_one_tick_of_the_files_clock_is_seen) {
    hooks().files_time =
        std::time(nullptr) + 60;  // ahead: however slow this test is, the tick has not passed
    files_.write("racy.txt", "aaaa");
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("/racy.txt")).body, "aaaa");
    overwrite("racy.txt", "bbbb");
    EXPECT_TRUE(eventually([&] { return one.ask(get("/racy.txt")).body == "bbbb"; }, 10s));
}

TEST_P(disk_test, what_is_written_during_a_read_is_read_again) {
    files_.write("torn.txt", "first");
    start();
    client one = connect();
    std::string body = one.ask(get("/torn.txt")).body;
    EXPECT_EQ(body, "first");
    for (const std::string_view end : {"longer than it was", "shorter"}) {
        files_.write("torn.txt", "half of it");
        hooks().during_next_read([this, end] { overwrite("torn.txt", end); });
        const std::string before = body;
        EXPECT_TRUE(eventually([&] {
            body = one.ask(get("/torn.txt")).body;
            return body != before;
        }));
        EXPECT_EQ(body, end);
    }
}

// ENOSYS: Linux before 5.6. EPERM: a seccomp filter. EINVAL: before 5.12, to RESOLVE_CACHED only.
TEST_P(disk_test, without_openat2_no_loop_waits_for_the_disk) {
    for (const int error : {ENOSYS, EPERM, EINVAL}) {
        hooks().openat2_error = error;
        start();
        hooks().opening.close();
        client slow = connect();
        slow.send(get("/cold.txt"));
        EXPECT_TRUE(eventually([] { return hooks().opening.held() == 1; }));
        EXPECT_TRUE(answers());
        hooks().opening.open();
        EXPECT_EQ(slow.read().body, "cold");
        stop();
    }
}

}  // namespace
}  // namespace naru::testing
