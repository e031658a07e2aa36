// Pipelined requests: what one tick answers, and who has his turn when. The server's worker runs on the
// test's own thread, and a handler notes whom it has answered. On an engine of each kind.
#include "worker_fixture.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace naru::testing {
namespace {

class turns_test : public worker_test {
 protected:
    void SetUp() override {
        if (GetParam() != engine::select && GetParam() != engine::epoll && GetParam() != engine::io_uring)
            GTEST_SKIP() << "as on its kin";
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
        return made;
    }
    void tick() override {
        const std::size_t before = answered_.size();
        worker_test::tick();
        most_ = std::max(most_, answered_.size() - before);
    }
    std::uint64_t received() {
        http::server_metrics of;
        worker_->measure(of, false);
        return of.bytes_in;
    }
    static std::string path_of(std::size_t who) { return "/turn/" + std::to_string(who); }
    std::vector<peer> crowd_of(std::size_t count, std::size_t requests) {
        std::vector<peer> made;
        for (std::size_t each = 0; each < count; ++each) {
            std::string text;
            for (std::size_t number = 0; number < requests; ++number)
                text += get(path_of(each));
            made.push_back({connect_to(where_, true, 0), {}});
            made.back().say(text);
        }
        for (const peer& each : made)
            await_delivery(each);
        return made;
    }
    void expect_all(std::vector<peer>& crowd, std::size_t requests) {
        for (std::size_t each = 0; each < crowd.size(); ++each) {
            for (std::size_t number = 0; number < requests; ++number)
                ASSERT_EQ(read(crowd[each]).body, std::to_string(each));
        }
    }

    mutable std::vector<int> answered_;
    std::size_t most_ = 0;
};
NARU_ON_EVERY_ENGINE(turns_test);

TEST_P(turns_test, a_tick_answers_so_many_behind_the_first_and_all_are_answered) {
    constexpr std::size_t clients = 100;
    constexpr std::size_t requests = 200;
    // Before its wait and behind it; the turns of those who wait are within.
    constexpr std::size_t most_of_a_tick = 2 * http::limits::pipelined_per_tick + clients;
    static_assert(clients * requests > 2 * most_of_a_tick);
    std::vector<peer> crowd = crowd_of(clients, requests);
    expect_all(crowd, requests);
    EXPECT_LE(most_, most_of_a_tick);
}

TEST_P(turns_test, bytes_are_counted_too) {
    files_.write("page.bin", pattern(4'000, 7));
    EXPECT_EQ(ask(get("/page.bin")).body.size(), 4'000u);
    constexpr std::size_t clients = 40;
    constexpr std::size_t requests = 100;
    std::vector<peer> crowd;
    std::string text;
    for (std::size_t number = 0; number < requests; ++number)
        text += get("/page.bin");
    for (std::size_t each = 0; each < clients; ++each) {
        crowd.push_back(connect());
        set_buffer(crowd.back().socket.get(), SO_RCVBUF, 1 << 20);
        crowd.back().say(text);
    }
    const auto bytes_out = [&] {
        http::server_metrics of;
        worker_->measure(of, false);
        return of.bytes_out;
    };
    std::uint64_t most = 0;
    std::size_t whole = 0;
    EXPECT_TRUE(run_until([&] {
        const std::uint64_t before = bytes_out();
        tick();
        most = std::max(most, bytes_out() - before);
        for (peer& each : crowd) {
            response got;
            each.got.read_from(each.socket.get());
            while (take_response(each.got.data, got)) {
                EXPECT_EQ(got.body.size(), 4'000u);
                ++whole;
            }
        }
        return whole == clients * requests;
    }));
    // Who has a turn when there is still something left may fill its output.
    const std::uint64_t of_turns = (http::limits::turns_per_tick + 2 * clients) * http::limits::output_bytes;
    EXPECT_LE(most, 2 * http::limits::answer_bytes_per_tick + of_turns);
}

TEST_P(turns_test, whoever_comes_later_is_answered_in_the_tick_in_which_he_comes) {
    constexpr std::size_t clients = 150;
    constexpr std::size_t requests = 200;
    peer late = connect();
    late.say(get("/turn/999"));
    EXPECT_EQ(read(late).body, "999");
    std::vector<peer> crowd = crowd_of(clients, requests);
    const std::uint64_t expected = received() + clients * get("/turn/0").size() * requests;
    ASSERT_TRUE(run_until([&] { return received() >= expected; }));
    ASSERT_LT(answered_.size(), clients * requests) << "they wait for their turns";
    const std::uint64_t with_him = received() + get("/turn/999").size();
    late.say(get("/turn/999"));
    await_delivery(late);
    ASSERT_TRUE(run_until([&] { return received() >= with_him; }));
    EXPECT_EQ(std::count(answered_.begin(), answered_.end(), 999), 2);
    EXPECT_LT(answered_.size(), clients * requests);
    expect_all(crowd, requests);
    EXPECT_EQ(read(late).body, "999");
}

TEST_P(turns_test, who_has_had_a_turn_goes_behind_those_who_wait) {
    constexpr std::size_t clients = 150;
    constexpr std::size_t requests = 200;
    constexpr std::size_t enough = http::limits::turns_per_tick;
    std::vector<peer> crowd = crowd_of(clients, requests);
    const std::uint64_t expected = received() + [&] {
        std::uint64_t all = 0;
        for (std::size_t each = 0; each < clients; ++each)
            all += requests * get(path_of(each)).size();
        return all;
    }();
    ASSERT_TRUE(run_until([&] { return received() >= expected; }));
    const std::size_t came = answered_.size();
    expect_all(crowd, requests);
    std::map<int, std::size_t> left;
    for (std::size_t each = 0; each < clients; ++each)
        left[static_cast<int>(each)] = requests;
    std::map<int, std::size_t> last_turn;
    std::size_t turns = 0;
    for (std::size_t at = 0; at < answered_.size(); ++turns) {
        const int who = answered_[at];
        std::size_t size = 0;
        for (; at < answered_.size() && answered_[at] == who; ++at)
            ++size;
        if (at > came && left.size() > enough) {
            EXPECT_LE(size, http::limits::pipelined_per_turn);
            if (last_turn.contains(who)) {
                // In which order those of a tick have sent, and wait again, is the engine's affair.
                EXPECT_GE(turns - last_turn[who] + http::limits::turns_per_tick, left.size()) << who;
            }
            last_turn[who] = turns;
        }
        left[who] -= size;
        if (left[who] == 0) left.erase(who);
    }
    EXPECT_FALSE(last_turn.empty());
}

TEST_P(turns_test, who_waits_gives_his_buffers_back_when_there_are_few) {
    constexpr std::size_t clients = 150;
    constexpr std::size_t requests = 200;
    std::uint64_t expected = received();
    for (std::size_t each = 0; each < clients; ++each)
        expected += requests * get(path_of(each)).size();
    std::vector<peer> crowd = crowd_of(clients, requests);
    ASSERT_TRUE(run_until([&] { return received() >= expected; }));
    const auto held = [&] {
        http::server_metrics of;
        worker_->measure(of, false);
        return of.buffers_held;
    };
    ASSERT_GT(held(), clients / 2) << "they wait, and what they have sent with them";
    take_buffers(8);
    // One turn in a tick while buffers are scarce: they are not parked by their turns. With each tick the
    // worker's next look comes due.
    for (std::size_t ticks = 0; held() > clients / 10; ++ticks) {
        ASSERT_LT(ticks, clients / 10);
        std::this_thread::sleep_for(http::limits::look_interval_when_scarce);
        tick();
    }
    give_buffers_back();
    expect_all(crowd, requests);
}

TEST_P(turns_test, those_who_wait_may_leave_and_the_worker_may_end) {
    constexpr std::size_t clients = 100;
    constexpr std::size_t requests = 200;
    {
        std::vector<peer> crowd = crowd_of(clients, requests);
        ASSERT_TRUE(run_until([&] { return answered_.size() > http::limits::pipelined_per_tick; }));
        crowd.erase(crowd.begin(), crowd.begin() + clients / 2);
        for (int each = 0; each < 5; ++each)
            tick();
        EXPECT_EQ(ask(get("/turn/999")).body, "999");
        end();
        for (peer& each : crowd)
            each.got.read_from(each.socket.get());
    }
    begin();
    EXPECT_EQ(ask(get("/hello.txt")).body, hello);
}

}  // namespace
}  // namespace naru::testing
