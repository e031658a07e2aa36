// A listener that is shared: with another process, another loop, or whoever has a copy of its descriptor. Who
// has not been asked for stays in the system's queue, and who has been accepted is delivered: nobody is lost
// when one of them stops.
#include "support/conformance.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

class SharedListener : public conformance {
 protected:
    void SetUp() override {
        conformance::SetUp();
        if (loop_ == nullptr) return;
#if defined(_WIN32)
        loop_.reset();
        GTEST_SKIP()
            << "a copy of a socket has no part in what waits for a listener, and AcceptEx accepts ahead";
#endif
        unique_descriptor made = listening_socket();
        where_ = local_of(made.get()).value();
        other_ = duplicate_from(made.get(), 3);
        listener_ = adopt(made, descriptor_kind::listener);
    }
    void TearDown() override {
        clients_.clear();
        others_.clear();
        if (loop_ != nullptr && listener_) loop().close(listener_);
        other_.reset();
        conformance::TearDown();
    }

    /// So many clients more, each of which has said its number.
    void connect(std::size_t count) {
        while (count-- > 0) {
            clients_.push_back(connect_to(where_));
            write_all(clients_.back().get(), std::to_string(clients_.size()) + ";");
        }
    }
    /// Those who are left to whoever shares the listener.
    void accept_others(int from) {
        while (true) {
            unique_descriptor next(accept_socket(from));
            if (!next) return;
            others_.push_back(std::move(next));
        }
    }
    /// Each client has been accepted once, by one or the other, and what it has said is there.
    void expect_everybody(const std::vector<handle>& ours) {
        std::vector<std::string> said;
        for (const handle each : ours) {
            a_recv recv(each);
            loop().submit(recv);
            if (!run_until(recv)) return;
            EXPECT_FALSE(recv.failed()) << recv.error().message();
            said.push_back(recv.take(loop()));
            loop().close(each);
        }
        for (const unique_descriptor& each : others_) {
            received_text got;
            wait_readable(each.get(), 10'000);
            got.read_from(each.get());
            said.push_back(got.data);
        }
        std::vector<std::string> expected;
        for (std::size_t each = 1; each <= clients_.size(); ++each)
            expected.push_back(std::to_string(each) + ";");
        std::sort(said.begin(), said.end());
        std::sort(expected.begin(), expected.end());
        EXPECT_EQ(said, expected);
    }

    address where_;
    handle listener_;
    unique_descriptor other_;
    std::vector<unique_descriptor> clients_;
    std::vector<unique_descriptor> others_;
};
NARU_ON_EVERY_BACKEND(SharedListener);

/// Notes what an acceptor brings.
struct accepted_connections {
    std::vector<handle> all;
    bool stopped = false;
    std::function<void()> on_connection;

    acceptor::events events() {
        return {.on_connection =
                    [](void* self, handle connection) noexcept {
                        auto& list = *static_cast<accepted_connections*>(self);
                        list.all.push_back(connection);
                        if (list.on_connection) list.on_connection();
                    },
                .on_pause = nullptr,
                .on_failure = nullptr,
                .on_stopped =
                    [](void* self) noexcept { static_cast<accepted_connections*>(self)->stopped = true; },
                .context = this};
    }
};

TEST_P(SharedListener, AnAcceptorThatStopsLosesNobody) {
    for (const std::size_t after : {0u, 1u, 7u}) {
        accepted_connections list;
        acceptor accepts(loop(), listener_, list.events());
        if (after > 0) {
            list.on_connection = [&] {
                if (list.all.size() == after) accepts.stop();
            };
        }
        accepts.start();
        ticks(3);
        connect(50);
        if (after == 0) accepts.stop();
        ASSERT_TRUE(run_until([&] { return list.stopped; }));
        connect(5);
        ticks(3);
        accept_others(other_.get());
        expect_everybody(list.all);
        settle();
        clients_.clear();
        others_.clear();
    }
}

TEST_P(SharedListener, AnAcceptorThatStopsAndClosesLosesNobody) {
    accepted_connections list;
    acceptor accepts(loop(), listener_, list.events());
    list.on_connection = [&] { accepts.stop(); };
    accepts.start();
    connect(100);
    ASSERT_TRUE(run_until([&] { return list.stopped; }));
    loop().close(listener_);
    listener_ = handle();
    settle();
    accept_others(other_.get());
    expect_everybody(list.all);
}

TEST_P(SharedListener, AnAcceptTakesOneAndLeavesTheOthers) {
    on_handle accept(operation_kind::accept, listener_);
    loop().submit(accept);
    connect(20);
    ASSERT_TRUE(run_until(accept));
    ticks(5);
    accept_others(other_.get());
    EXPECT_EQ(others_.size(), 19u);
    expect_everybody({handle::unpack(accept.result)});
}

TEST_P(SharedListener, AnAcceptThatIsCancelledTakesOneOrNobody) {
    for (const int seen : {0, 3}) {
        on_handle accept(operation_kind::accept, listener_);
        loop().submit(accept);
        ticks(seen);
        connect(10);
        loop().cancel(accept);
        ASSERT_TRUE(run_until(accept));
        std::vector<handle> ours;
        if (!accept.failed()) ours.push_back(handle::unpack(accept.result));
        ticks(3);
        accept_others(other_.get());
        expect_everybody(ours);
        settle();
        clients_.clear();
        others_.clear();
    }
}

TEST_P(SharedListener, WhoeverIsLeftStaysWithAReleasedListener) {
    on_handle first(operation_kind::accept, listener_);
    on_handle second(operation_kind::accept, listener_);
    loop().submit(first);
    loop().submit(second);
    connect(20);
    ASSERT_TRUE(run_until([&] { return first.done() && second.done(); }));
    on_handle release(operation_kind::release, listener_);
    loop().submit(release);
    ASSERT_TRUE(run_until(release));
    listener_ = handle();
    ASSERT_GE(release.result, 0);
    const unique_descriptor released(static_cast<int>(release.result));
    accept_others(released.get());
    expect_everybody({handle::unpack(first.result), handle::unpack(second.result)});
}

TEST_P(SharedListener, AnAcceptThatIsPendingAtTheCloseLosesNobody) {
    int number = 200;  // each time another
    for (const operation_kind how : {operation_kind::close, operation_kind::release}) {
        for (const bool seen : {false, true}) {
            unique_descriptor copy = duplicate_from(other_.get(), ++number);
            const handle shared = adopt(copy, descriptor_kind::listener);
            on_handle accept(operation_kind::accept, shared);
            loop().submit(accept);
            if (seen) ticks(3);
            connect(3);
            on_handle close(how, shared);
            loop().submit(close);
            ASSERT_TRUE(run_until([&] { return close.done() && accept.done(); }));
            if (how == operation_kind::release) unique_descriptor(static_cast<int>(close.result)).reset();
            std::vector<handle> ours;
            if (!accept.failed()) ours.push_back(handle::unpack(accept.result));
            if (accept.failed()) {
                EXPECT_EQ(accept.error(), std::errc::operation_canceled);
            }
            accept_others(other_.get());
            expect_everybody(ours);
            settle();
            clients_.clear();
            others_.clear();
        }
    }
}

TEST_P(SharedListener, OfTwoLoopsOneStopsAndTheOtherHasTheRest) {
    naru::loop second(GetParam().make().backend);
    const handle shared =
        second.attach(duplicate_from(other_.get(), 3).release(), descriptor_kind::listener).value();
    accepted_connections first_list;
    accepted_connections second_list;
    acceptor first_accepts(loop(), listener_, first_list.events());
    acceptor second_accepts(second, shared, second_list.events());
    first_accepts.start();
    second_accepts.start();
    first_list.on_connection = [&] {
        if (first_list.all.size() == 20) first_accepts.stop();
    };
    for (int round = 0; round < 20; ++round) {
        connect(10);
        loop().run_for_one_tick(0ms);
        second.run_for_one_tick(0ms);
    }
    if (!first_list.stopped) first_accepts.stop();
    ASSERT_TRUE(run_until([&] { return first_list.stopped; }));
    ASSERT_TRUE(testing::run_until(
        second, [&] { return first_list.all.size() + second_list.all.size() == clients_.size(); }));
    for (const handle each : second_list.all) {  // so that this loop's are read in one place
        on_handle release(operation_kind::release, each);
        second.submit(release);
        ASSERT_TRUE(testing::run_until(second, [&] { return release.done(); }));
        others_.emplace_back(static_cast<int>(release.result));
    }
    second_accepts.stop();
    ASSERT_TRUE(testing::run_until(second, [&] { return second_list.stopped; }));
    second.close(shared);
    ASSERT_TRUE(testing::run_until(second, [&] { return second.in_flight() == 0; }));
    expect_everybody(first_list.all);
}

task<void> accept_once(tcp_listener listener, std::optional<tcp_stream>& accepted) {
    auto next = co_await listener.accept();
    if (next) accepted = std::move(*next);
}

TEST_P(SharedListener, ACoroutineThatAcceptsOnceLeavesTheOthers) {
    auto bound = tcp_listener::bind(loop(), "127.0.0.1:0");
    ASSERT_TRUE(bound);
    where_ = bound->local_address().value();
    other_ = duplicate_from(loop().descriptor(bound->native()), 3);
    connect(20);
    std::optional<tcp_stream> accepted;
    run_task(loop(), accept_once(std::move(*bound), accepted));
    ASSERT_TRUE(accepted);
    ticks(5);
    accept_others(other_.get());
    EXPECT_EQ(others_.size(), 19u);
    a_recv recv(accepted->native());
    loop().submit(recv);
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "1;");
}

}  // namespace
}  // namespace naru::testing
