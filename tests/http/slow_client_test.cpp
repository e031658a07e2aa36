// Who takes an answer slowly, but all the time, gets it, however it comes; who stops is let go. In virtual
// time: buffers are sent several at a time, and each lasts longer for such a client than it may take nothing.
#include <naru/http/http.hpp>
#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>

#include <tls/pair.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;
using http::exchange;

constexpr std::size_t in_a_second = 700;
constexpr std::string_view http1_request = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
// Its preface, SETTINGS that open the windows of streams, WINDOW_UPDATE, and HEADERS (RFC 9113, 3.4 and 6).
constexpr std::string_view http2_request(
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    "\0\0\6\4\0\0\0\0\0\0\4\x7f\xff\xff\xff"
    "\0\0\4\x8\0\0\0\0\0\x40\0\0\0"
    "\0\0\xd\1\5\0\0\0\1\x82\x86\x4\x6/large\x41\x1"
    "a",
    24 + 15 + 13 + 9 + 13);

class SlowClients : public ::testing::TestWithParam<std::tuple<sim::manner, bool, bool>> {
 protected:
    SlowClients() : world_(options_of(std::get<0>(GetParam()))), home_(world_.add_host("server")) {
        (void)localhost_certificate();
        options_.threads = 1;
        options_.h2c = is_http2_;
        options_.report = [this](std::string_view line) { reports_.emplace_back(line); };
        http::site site;
        site.get("/large",
                 [](exchange& x) noexcept { x.respond(200, "text/plain", std::string(2'000'000, 'x')); });
        http::endpoint at{"*:80"};
        if (is_secure_)
            at.tls = std::make_shared<http::tls_credentials>(
                server_context([this](tls_server_options& how) { how.protocols = {protocol()}; }));
        const sim::world::visit there(home_);
        server_.emplace(std::move(site), std::vector{at}, options_);
        server_->start();
    }
    ~SlowClients() override {
        server_->drain();
        server_->wait();
        server_.reset();
        EXPECT_EQ(world_.open_descriptors(), 0u);
    }
    static sim::world_options options_of(sim::manner backends) {
        sim::world_options options;
        options.seed = 7;
        options.backends = backends;
        options.connection_buffer = 16 * 1024;
        return options;
    }
    std::string protocol() const { return is_http2_ ? "h2" : "http/1.1"; }

    task<> shake(tcp_stream& to, tls_side& side) {
        const tls_context context =
            client_context([this](tls_client_options& how) { how.protocols = {protocol()}; });
        EXPECT_TRUE(side.engine.connect(context, "localhost"));
        side.step();
        while (side.established && !*side.established) {
            const std::string said = side.output();
            if (!said.empty()) (void)co_await to.send(said);
            const auto got = co_await to.receive(memory_);
            if (!got) co_return;
            side.arrived.append(reinterpret_cast<const char*>(memory_.data()), *got);
            side.step();
        }
        EXPECT_TRUE(side.established);
        const std::string last = side.output();
        if (!last.empty()) (void)co_await to.send(last);
    }
    /// Asks, takes a little in each second of `time`, and then nothing.
    task<> take(loop& on, duration time, duration pause) {
        auto to = co_await tcp_stream::connect(on, home_.at_port(80));
        EXPECT_TRUE(to);
        if (!to) co_return;
        tls_side side;
        std::string asks(is_http2_ ? http2_request : http1_request);
        if (is_secure_) {
            co_await shake(*to, side);
            side.write(asks);
            asks = std::exchange(side.sent, {});
        }
        (void)co_await to->send(asks);
        const instant end = world_.now() + time;
        while (world_.now() < end) {
            const auto got = co_await to->receive(std::span(memory_).first(in_a_second));
            if (!got) co_return;
            taken_ += *got;
            (void)co_await sleep_for(1s);
        }
        shed_in_time_ = reports_.size();
        (void)co_await sleep_for(pause);
    }

    const bool is_secure_ = std::get<1>(GetParam());
    const bool is_http2_ = std::get<2>(GetParam());
    std::array<std::byte, 4096> memory_{};
    std::vector<std::string> reports_;
    sim::world world_;
    sim::host& home_;
    http::server_options options_;
    std::optional<http::server> server_;
    std::size_t taken_ = 0;
    std::optional<std::size_t> shed_in_time_;
};
std::string name_of(const ::testing::TestParamInfo<SlowClients::ParamType>& each) {
    std::string name = std::get<0>(each.param) == sim::manner::readiness ? "readiness" : "completion";
    if (std::get<1>(each.param)) name += "_tls";
    if (std::get<2>(each.param)) name += "_http2";
    return name;
}
INSTANTIATE_TEST_SUITE_P(InVirtualTime, SlowClients,
                         ::testing::Combine(::testing::Values(sim::manner::readiness,
                                                              sim::manner::completion),
                                            ::testing::Bool(), ::testing::Bool()),
                         name_of);

TEST_P(SlowClients, GetItAsLongAsTheyTakeSomething) {
    const auto loop = world_.add_host("client").make_loop();
    run(*loop, take(*loop, 600s, 3 * options_.timeouts.write));
    EXPECT_EQ(shed_in_time_, 0u) << "after " << taken_ << " bytes: "
                                 << (reports_.empty() ? std::string("it has ended") : reports_.front());
    EXPECT_GE(taken_, 590 * in_a_second);
    ASSERT_FALSE(reports_.empty());
    EXPECT_NE(reports_.front().find("too slow to take an answer"), std::string::npos) << reports_.front();
}

}  // namespace
}  // namespace naru::testing
