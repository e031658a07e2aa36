// Answers that do not fit into socket buffers, and clients that are slow to take them. On every engine.
#include "fixture.hpp"

namespace naru::testing {
namespace {

constexpr std::size_t large = 8 * 1024 * 1024;

class large_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        if (!IsSkipped()) files_.write("large.bin", content());
    }
    static const std::string& content() {
        static const std::string text = pattern(large, 5);
        return text;
    }
};
NARU_ON_EVERY_ENGINE(large_test);

TEST_P(large_test, a_large_file_arrives_whole) {
    start();
    client one = connect();
    for (int each = 0; each < 2; ++each) {
        const response got = one.ask(get("/large.bin"));
        EXPECT_EQ(got["Content-Length"], std::to_string(large));
        EXPECT_TRUE(got.body == content());
    }
    EXPECT_EQ(one.ask(get("/hello.txt")).body, hello);
}

TEST_P(large_test, pipelined_large_and_small_ones_stay_in_order) {
    files_.write("medium.bin", content().substr(0, 50'000));
    start();
    client one = connect();
    std::string all;
    for (int each = 0; each < 8; ++each) {
        all += get("/hello.txt") + get("/large.bin", "Range: bytes=-100000\r\n") + get("/medium.bin") +
               get("/missing");
    }
    one.send(all);
    for (int each = 0; each < 8; ++each) {
        ASSERT_EQ(one.read().body, hello);
        ASSERT_TRUE(one.read().body == content().substr(large - 100'000));
        ASSERT_TRUE(one.read().body == content().substr(0, 50'000));
        ASSERT_EQ(one.read().status, 404);
    }
}

TEST_P(large_test, a_slow_reader_with_a_small_window_gets_everything_and_delays_nobody) {
    options_.send_buffer = 16'384;
    start();
    client slow = connect(4'096);
    slow.send(get("/large.bin", "Connection: close\r\n"));
    std::string got = slow.read_some(1'000);  // the answer is under way, and stuck
    for (int each = 0; each < 20; ++each) {
        EXPECT_TRUE(answers());
        got += slow.read_some(3'000);
    }
    got += slow.read_to_end();
    EXPECT_FALSE(slow.was_reset());
    ASSERT_GT(got.size(), large);
    EXPECT_TRUE(std::string_view(got).substr(got.size() - large) == content());
}

TEST_P(large_test, many_at_once) {
    start();
    std::vector<client> all;
    for (int each = 0; each < 12; ++each) {
        all.push_back(connect());
        all.back().send(get("/large.bin", "Range: bytes=" + std::to_string(each * 1000) + "-1999999\r\n"));
    }
    for (int each = 11; each >= 0; --each) {
        const response got = all[static_cast<std::size_t>(each)].read();
        const auto first = static_cast<std::size_t>(each) * 1000;
        EXPECT_TRUE(got.body == content().substr(first, 2'000'000 - first)) << each;
    }
}

TEST_P(large_test, a_file_cut_short_while_it_is_sent_ends_the_connection) {
    options_.send_buffer = 16'384;
    start();
    client one = connect(4'096);
    one.send(get("/large.bin") + get("/hello.txt"));
    std::string got = one.read_some(1'000);
    std::filesystem::resize_file(files_.path() / "large.bin", 100'000);
    got += one.read_to_end();
    EXPECT_TRUE(one.has_ended());
    EXPECT_LT(got.size(), large);
    EXPECT_EQ(got.find(hello), std::string::npos) << "no other answer stands in for the missing bytes";
    EXPECT_TRUE(answers());
}

TEST_P(large_test, a_client_that_leaves_in_the_middle) {
    options_.send_buffer = 16'384;
    start();
    for (int each = 0; each < 10; ++each) {
        client one = connect(4'096);
        one.send(get("/large.bin"));
        EXPECT_FALSE(one.read_some(100).empty());
        if (each % 2 == 0) one.reset();  // else an orderly close, answered by a reset of its own system
    }
    EXPECT_TRUE(answers());
}

}  // namespace
}  // namespace naru::testing
