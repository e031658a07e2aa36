// Which of several answers goes first (RFC 9218): the connection's window is opened by hand, and who gets it
// is seen.
#include "fixture.hpp"
#include "http2_client.hpp"

#include <naru/http/http.hpp>

namespace naru::testing {
namespace {

constexpr std::size_t first_window = 65'535;

class http2_priority_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        if (IsSkipped()) return;
        options_.h2c = true;
        options_.threads = 1;
        http::site site;
        site.get("/",
                 [](http::exchange& x) noexcept { x.respond(200, "text/plain", std::string(400'000, 'x')); });
        start(std::move(site));
        one_ = std::make_unique<http2_client>(server_->local_address(), 1'000'000, true);
        // It takes the window that there is, so that those that follow begin with none.
        blocker_ = ask_for("u=4");
        ASSERT_TRUE(one_->until([this] { return received(blocker_) == first_window; }));
    }
    void TearDown() override {
        one_.reset();
        http_server_test::TearDown();
    }
    std::int32_t ask_for(const std::string& priority) {
        return one_->begin("GET", "/", {{"priority", priority}});
    }
    /// Until the answers are there, and only wait for a window.
    void wait_for_heads(std::initializer_list<std::int32_t> of) {
        ASSERT_TRUE(one_->until([&] {
            return std::ranges::all_of(of, [this](std::int32_t id) { return one_->at(id).status == 200; });
        }));
        ASSERT_TRUE(one_->round_trip());
    }
    /// The connection's window grows by so much, and is used up by all together.
    void open(int bytes) {
        opened_ += static_cast<std::size_t>(bytes);
        one_->open_window(0, bytes);
        ASSERT_TRUE(one_->until([this] {
            std::size_t all = 0;
            for (std::int32_t id = 1; id < 16; id += 2)
                all += received(id);
            return all == opened_;
        }));
    }
    std::size_t received(std::int32_t id) { return one_->at(id).body.size(); }

    std::unique_ptr<http2_client> one_;
    std::int32_t blocker_ = 0;
    std::size_t opened_ = first_window;
};
NARU_ON_EVERY_ENGINE(http2_priority_test);

TEST_P(http2_priority_test, the_more_urgent_goes_first) {
    const std::int32_t low = ask_for("u=6");
    const std::int32_t high = ask_for("u=1");
    wait_for_heads({low, high});
    open(100'000);
    EXPECT_EQ(received(high), 100'000u);
    EXPECT_EQ(received(low), 0u);
    EXPECT_EQ(received(blocker_), first_window);
    open(350'000);
    EXPECT_EQ(received(high), 400'000u);
    EXPECT_EQ(received(blocker_), first_window + 50'000u);
    EXPECT_EQ(received(low), 0u);
}

TEST_P(http2_priority_test, without_a_word_it_is_the_order_of_asking) {
    const std::int32_t first = one_->begin("GET", "/");
    const std::int32_t second = one_->begin("GET", "/");
    wait_for_heads({first, second});
    open(100'000);
    EXPECT_EQ(received(first), 100'000u);
    EXPECT_EQ(received(second), 0u);
}

TEST_P(http2_priority_test, incremental_answers_share) {
    const std::int32_t first = ask_for("u=2, i");
    const std::int32_t second = ask_for("u=2, i");
    wait_for_heads({first, second});
    open(200'000);
    EXPECT_EQ(received(first) + received(second), 200'000u);
    EXPECT_NEAR(static_cast<double>(received(first)), 100'000, 32'768) << "frame by frame";
}

TEST_P(http2_priority_test, a_priority_may_change_while_the_answer_goes) {
    const std::int32_t low = ask_for("u=6");
    const std::int32_t high = ask_for("u=1");
    wait_for_heads({low, high});
    const auto change = [&](std::int32_t id, std::string_view to) {
        EXPECT_EQ(nghttp2_submit_priority_update(one_->session(), NGHTTP2_FLAG_NONE, id,
                                                 reinterpret_cast<const std::uint8_t*>(to.data()), to.size()),
                  0);
        ASSERT_TRUE(one_->round_trip());
    };
    change(low, "u=0");
    open(100'000);
    EXPECT_EQ(received(low), 100'000u);
    EXPECT_EQ(received(high), 0u);
    change(low, "u=7");
    open(100'000);
    EXPECT_EQ(received(low), 100'000u);
    EXPECT_EQ(received(high), 100'000u);
}

}  // namespace
}  // namespace naru::testing
