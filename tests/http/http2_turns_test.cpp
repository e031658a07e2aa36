// Frames of HTTP/2: what one tick reads of them, over all connections, and who has his turn when. The
// server's worker runs on the test's own thread, and a handler notes whom it has answered. On an engine of
// each kind.
#include "worker_fixture.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace naru::testing {
namespace {

namespace limits = http::limits;

std::string frame(char type, char flags, unsigned stream, std::string_view payload) {
    std::string made;
    for (const unsigned shift : {16u, 8u, 0u})
        made += static_cast<char>(payload.size() >> shift);
    made += type;
    made += flags;
    for (const unsigned shift : {24u, 16u, 8u, 0u})
        made += static_cast<char>(stream >> shift);
    return made.append(payload);
}

const std::string beginning = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "");

/// A field that no table gets.
std::string literal(std::string_view name, std::string_view value) {
    std::string made(1, '\0');
    made += static_cast<char>(name.size());
    made += name;
    made += static_cast<char>(value.size());
    return made += value;
}

std::string get_frame(unsigned stream, std::string_view path) {
    return frame(1, 5, stream, "\x82\x86" + literal(":path", path) + literal(":authority", "test"));
}

/// Its head in three frames.
std::string get_in_pieces(unsigned stream, std::string_view path) {
    return frame(1, 1, stream, "\x82\x86") + frame(9, 0, stream, literal(":path", path)) +
           frame(9, 4, stream, literal(":authority", "test"));
}

/// Which opens no stream.
std::string priority_frame(unsigned stream) { return frame(2, 0, stream, std::string("\0\0\0\0\x10", 5)); }

std::string get_and_priority(unsigned stream, std::string_view path) {
    return get_frame(stream, path) + priority_frame(stream);
}

using request_text = std::string (*)(unsigned stream, std::string_view path);

std::string reset_frame(unsigned stream) { return frame(3, 0, stream, std::string("\0\0\0\x08", 4)); }

class http2_turns_test : public worker_test {
 protected:
    void SetUp() override {
        if (GetParam() != engine::select && GetParam() != engine::epoll && GetParam() != engine::io_uring)
            GTEST_SKIP() << "as on its kin";
        options_.h2c = true;
        worker_test::SetUp();
    }
    http::site site() const override {
        http::site made = worker_test::site();
        made.get("/turn/{n}", [this](http::exchange& x) noexcept {
            int who = 0;
            std::from_chars(x.param("n").data(), x.param("n").data() + x.param("n").size(), who);
            answered_.push_back(who);
            x.respond(200, "text/plain", x.param("n"));
        });
        made.get("/waits", [this](http::exchange& x) -> task<> {
            has_begun_ = true;
            while (!may_end_)
                co_await yield();
            x.respond(200, "text/plain", "waited");
        });
        return made;
    }
    http::server_metrics measured() {
        http::server_metrics of;
        worker_->measure(of, false);
        return of;
    }
    void tick() override {
        const std::uint64_t before = measured().http2_streams;
        worker_test::tick();
        most_ = std::max(most_, measured().http2_streams - before);
    }
    std::vector<peer> crowd_of(std::size_t count, std::size_t requests, request_text asks = get_frame) {
        std::vector<peer> made;
        for (std::size_t each = 0; each < count; ++each) {
            std::string text = beginning;
            for (unsigned number = 0; number < requests; ++number)
                text += asks(2 * number + 1, "/turn/" + std::to_string(each));
            made.push_back(connect());
            made.back().say(text);
            said_ += text.size();
        }
        for (const peer& each : made)
            await_delivery(each);
        return made;
    }

    // Before the loop's wait and behind it, and those whose turn it is in between.
    static constexpr std::size_t most_of_a_tick(std::size_t clients) {
        return 2 * limits::h2_units_per_tick + limits::h2_turns_per_tick * limits::h2_units_per_turn +
               2 * clients * limits::h2_units_at_once;
    }

    mutable std::vector<int> answered_;
    mutable bool has_begun_ = false;
    bool may_end_ = false;
    std::uint64_t most_ = 0;
    std::uint64_t said_ = 0;
};
NARU_ON_EVERY_ENGINE(http2_turns_test);

TEST_P(http2_turns_test, a_tick_begins_so_many_streams_and_all_are_answered) {
    constexpr std::size_t clients = 60;
    constexpr std::size_t requests = 100;
    static_assert(clients * requests > most_of_a_tick(clients));
    std::vector<peer> crowd = crowd_of(clients, requests);
    EXPECT_TRUE(run_until([&] { return answered_.size() == clients * requests; }));
    EXPECT_LE(most_, most_of_a_tick(clients));
    for (std::size_t each = 0; each < clients; ++each)
        EXPECT_EQ(std::count(answered_.begin(), answered_.end(), static_cast<int>(each)), requests) << each;
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
}

TEST_P(http2_turns_test, whoever_comes_later_is_answered_in_the_tick_in_which_he_comes) {
    constexpr std::size_t clients = 100;
    constexpr std::size_t requests = 100;
    peer late = connect();
    late.say(beginning + get_frame(1, "/turn/999"));
    ASSERT_TRUE(run_until([&] { return answered_.size() == 1; }));
    const std::uint64_t before = measured().bytes_in;
    std::vector<peer> crowd = crowd_of(clients, requests);
    ASSERT_TRUE(run_until([&] { return measured().bytes_in == before + said_; }));
    ASSERT_LT(answered_.size(), clients * requests) << "they wait for their turns";
    const std::string asked = get_frame(3, "/turn/999");
    late.say(asked);
    await_delivery(late);
    ASSERT_TRUE(run_until([&] { return measured().bytes_in > before + said_; }));
    EXPECT_EQ(std::count(answered_.begin(), answered_.end(), 999), 2);
    EXPECT_LT(answered_.size(), clients * requests);
    EXPECT_TRUE(run_until([&] { return answered_.size() == clients * requests + 2; }));
}

TEST_P(http2_turns_test, streams_that_are_reset_at_once_are_no_cheaper) {
    constexpr std::size_t clients = 60;
    constexpr std::size_t requests = limits::h2_resets.at_once / 2;
    std::vector<peer> crowd;
    for (std::size_t each = 0; each < clients; ++each) {
        std::string text = beginning;
        for (unsigned number = 0; number < requests; ++number)
            text += get_frame(2 * number + 1, "/turn/1") + reset_frame(2 * number + 1);
        crowd.push_back(connect());
        crowd.back().say(text);
    }
    EXPECT_TRUE(run_until([&] { return measured().http2_streams == clients * requests; }));
    EXPECT_LE(most_, most_of_a_tick(clients));
    peer honest = connect();
    honest.say(beginning + get_frame(1, "/turn/999"));
    EXPECT_TRUE(run_until([&] { return std::count(answered_.begin(), answered_.end(), 999) == 1; }));
}

TEST_P(http2_turns_test, a_long_frame_costs_as_much_as_many) {
    constexpr std::size_t clients = 60;
    constexpr std::size_t long_bytes = 8'000;
    constexpr std::size_t cost = 1 + long_bytes / limits::h2_bytes_of_a_unit;
    static_assert(cost > limits::h2_units_at_once);
    std::vector<peer> crowd;
    for (std::size_t each = 0; each < clients; ++each) {
        // Names of a byte each: as much work as that many fields.
        std::string fields = "\x82\x86" + literal(":path", "/turn/1") + literal(":authority", "test");
        while (fields.size() < long_bytes)
            fields += literal("cookie", std::string(100, 'c'));
        crowd.push_back(connect());
        crowd.back().say(beginning + frame(1, 5, 1, fields));
    }
    EXPECT_TRUE(run_until([&] { return answered_.size() == clients; }));
    EXPECT_LE(most_, 2 * limits::h2_units_per_tick / cost + limits::h2_turns_per_tick);
}

// The receive that watches a client of HTTP/1 while its handler waits is still under way when the client goes
// on in HTTP/2, and completes while what came before has not had its turn.
TEST_P(http2_turns_test, what_comes_while_frames_wait_is_read_behind_them) {
    constexpr std::size_t clients = 150;
    constexpr std::size_t requests = 100;
    constexpr int first = 1'000;
    constexpr int early = 20;
    constexpr int all = 28;
    const auto asked = [](int number) {
        return get_frame(static_cast<unsigned>(2 * number + 1), "/turn/" + std::to_string(first + number));
    };
    peer late = connect();
    late.say(get("/waits"));
    ASSERT_TRUE(run_until([&] { return has_begun_; }));
    const std::uint64_t before = measured().bytes_in;
    std::string text = beginning;
    for (int number = 0; number < early; ++number)
        text += asked(number);
    ASSERT_LE(text.size(), limits::parked_input_bytes) << "else nothing is received behind it";
    late.say(text);
    ASSERT_TRUE(run_until([&] { return measured().bytes_in == before + text.size(); }));
    std::vector<peer> crowd = crowd_of(clients, requests);
    ASSERT_TRUE(run_until([&] { return measured().bytes_in == before + text.size() + said_; }));
    ASSERT_EQ(measured().http2_connections, clients);
    may_end_ = true;
    ASSERT_TRUE(run_until([&] { return measured().http2_connections == clients + 1; }));
    text.clear();
    for (int number = early; number < all; ++number)
        text += asked(number);
    late.say(text);
    await_delivery(late);
    tick();
    ASSERT_EQ(std::count(answered_.begin(), answered_.end(), first + early - 1), 0)
        << "it waits for its turn";
    ASSERT_LT(answered_.size(), clients * requests);
    EXPECT_TRUE(run_until([&] { return answered_.size() == clients * requests + all; }));
    std::vector<int> of_late;
    std::copy_if(answered_.begin(), answered_.end(), std::back_inserter(of_late),
                 [](int who) { return who >= first; });
    ASSERT_EQ(of_late.size(), all);
    for (int number = 0; number < all; ++number)
        EXPECT_EQ(of_late[static_cast<std::size_t>(number)], first + number);
    EXPECT_EQ(read(late).body, "waited");
    late.say(get_frame(2 * all + 1, "/turn/999"));
    EXPECT_TRUE(run_until([&] { return answered_.back() == 999; })) << "the connection goes on";
    EXPECT_TRUE(comes_to(0)) << leased() - unused_;
}

TEST_P(http2_turns_test, whoever_waits_for_a_turn_is_not_idle) {
    constexpr std::size_t clients = 100;
    constexpr std::size_t requests = 50;
    options_.timeouts.keep_alive = 0ms;
    begin();
    std::vector<peer> crowd = crowd_of(clients, requests, get_and_priority);
    EXPECT_TRUE(run_until([&] { return answered_.size() == clients * requests; }));
    const auto has_ended = [](peer& each) {
        each.got.read_from(each.socket.get());
        return each.got.ended;
    };
    EXPECT_TRUE(run_until([&] { return std::all_of(crowd.begin(), crowd.end(), has_ended); }))
        << "when all has been answered they are idle";
}

TEST_P(http2_turns_test, a_head_that_waits_for_its_turn_is_not_late) {
    constexpr std::size_t clients = 100;
    constexpr std::size_t requests = 50;
    const std::uint64_t before = measured().bytes_in;
    std::vector<peer> crowd = crowd_of(clients, requests, get_in_pieces);
    ASSERT_TRUE(run_until([&] { return measured().bytes_in == before + said_; }));
    ASSERT_LT(answered_.size(), clients * requests / 2) << "they wait for their turns";
    options_.timeouts.head = 0ms;  // from here on, for what has come whole
    EXPECT_TRUE(run_until([&] { return answered_.size() == clients * requests; }));
}

TEST_P(http2_turns_test, those_who_wait_may_leave_and_the_worker_may_end) {
    constexpr std::size_t clients = 60;
    constexpr std::size_t requests = 100;
    {
        std::vector<peer> crowd = crowd_of(clients, requests);
        ASSERT_TRUE(run_until([&] { return measured().http2_streams > limits::h2_units_per_tick; }));
        crowd.erase(crowd.begin(), crowd.begin() + clients / 2);
        for (int each = 0; each < 3; ++each)
            tick();
        end();
        for (peer& each : crowd)
            each.got.read_from(each.socket.get());
    }
    begin();
    EXPECT_EQ(ask(get("/hello.txt")).body, hello);
}

}  // namespace
}  // namespace naru::testing
