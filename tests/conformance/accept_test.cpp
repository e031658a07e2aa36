// Accepting: every connection arrives once; shortages pause and pass.
#include "support/conformance.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace naru::testing {
namespace {

class Accept : public conformance {
 protected:
    void SetUp() override {
        conformance::SetUp();
        if (loop_ == nullptr) return;
        unique_descriptor made = listening_socket();
        where_ = local_of(made.get()).value();
        listener_ = adopt(made, descriptor_kind::listener);
    }
    void TearDown() override {
        if (loop_ != nullptr && listener_) loop().close(listener_);
        conformance::TearDown();
    }

    address where_;
    handle listener_;
};
NARU_ON_EVERY_BACKEND(Accept);

/// Notes what an acceptor reports, and keeps the connections.
struct accepted_list {
    std::vector<handle> connections;
    std::vector<duration> pauses;
    std::error_code pause_reason;
    std::error_code failure;
    int stopped = 0;
    std::function<void()> on_connection;

    acceptor::events events() {
        return {
            .on_connection =
                [](void* self, handle connection) noexcept {
                    auto& list = *static_cast<accepted_list*>(self);
                    list.connections.push_back(connection);
                    if (list.on_connection) list.on_connection();
                },
            .on_pause =
                [](void* self, std::error_code why, duration pause) noexcept {
                    static_cast<accepted_list*>(self)->pause_reason = why;
                    static_cast<accepted_list*>(self)->pauses.push_back(pause);
                },
            .on_failure =
                [](void* self, std::error_code why) noexcept {
                    static_cast<accepted_list*>(self)->failure = why;
                },
            .on_stopped = [](void* self) noexcept { ++static_cast<accepted_list*>(self)->stopped; },
            .context = this,
        };
    }
};

/// UBSan looks at an object's type through a pipe, the first time: before the descriptors run out.
void look_at_error_categories() {
    EXPECT_TRUE(is_shortage({EMFILE, errno_category()}));
    EXPECT_TRUE(is_shortage(make_error_code(errc::select_descriptor_limit)));
    EXPECT_TRUE(concerns_one_connection({ECONNABORTED, errno_category()}));
    EXPECT_FALSE(is_shortage({ECONNABORTED, errno_category()}));
    EXPECT_FALSE(concerns_one_connection({EBADF, errno_category()}));
}

/// Takes every descriptor below `limit` that is free.
std::vector<unique_descriptor> fill_descriptors(int limit) {
    std::vector<unique_descriptor> taken;
    taken.reserve(static_cast<std::size_t>(limit));
    while (true) {
        unique_descriptor next(duplicate_from(0, 3));
        if (!next || next.get() >= limit) return taken;
        taken.push_back(std::move(next));
    }
}

TEST_P(Accept, EveryConnectionArrivesOnce) {
    accepted_list list;
    acceptor accepts(loop(), listener_, list.events());
    accepts.start();
    std::vector<unique_descriptor> clients;
    for (int each = 0; each < 300; ++each) {
        clients.push_back(connect_to(where_));
        write_all(clients.back().get(), std::to_string(each));
    }
    ASSERT_TRUE(run_until([&] { return list.connections.size() == clients.size(); }));
    std::vector<bool> seen(clients.size());
    for (const handle each : list.connections) {
        a_recv recv(each);
        loop().submit(recv);
        ASSERT_TRUE(run_until(recv));
        const auto number = static_cast<std::size_t>(std::stoi(recv.take(loop())));
        EXPECT_FALSE(seen.at(number));
        seen.at(number) = true;
        loop().close(each);
    }
    accepts.stop();
    ASSERT_TRUE(run_until([&] { return list.stopped == 1; }));
    EXPECT_FALSE(list.failure);
    EXPECT_TRUE(list.pauses.empty());
}

// Who connects behind a thousand others waits for them, and not for as many ticks of what they ask for.
TEST_P(Accept, ABurstIsTakenInFewTicks) {
    const std::string& name = GetParam().name;
    if (is_sqpoll(GetParam())) GTEST_SKIP() << "the kernel's thread accepts at its own pace, not by ticks";
    if (name == "io_uring_single_accept" || name == "io_uring_single_shot" || name == "io_uring_tiny_ring")
        GTEST_SKIP() << "the kernel is asked for one connection after another, or has room for a few";
    std::vector<unique_descriptor> clients;
    for (std::size_t each = 0; each < 4 * limits::accepts_at_once; ++each)
        clients.push_back(connect_to(where_));
    accepted_list list;
    acceptor accepts(loop(), listener_, list.events());
    accepts.start();
    unsigned ticks_with_some = 0;
    std::size_t before = 0;
    ASSERT_TRUE(run_until([&] {
        if (list.connections.size() > before) ++ticks_with_some;
        before = list.connections.size();
        return before == clients.size();
    }));
    EXPECT_LE(ticks_with_some, 8u);
    for (const handle each : list.connections)
        loop().close(each);
    accepts.stop();
    ASSERT_TRUE(run_until([&] { return list.stopped == 1; }));
    EXPECT_EQ(list.connections.size(), clients.size());
}

TEST_P(Accept, SeveralAcceptsCompleteInOrder) {
    std::vector<std::unique_ptr<on_handle>> accepts;
    std::string order;
    for (char name = 'a'; name < 'e'; ++name) {
        accepts.push_back(std::make_unique<on_handle>(operation_kind::accept, listener_));
        accepts.back()->then = [&order, name] { order += name; };
        loop().submit(*accepts.back());
    }
    std::vector<unique_descriptor> clients;
    for (int each = 0; each < 4; ++each) {
        clients.push_back(connect_to(where_));
        ticks(2);
    }
    ASSERT_TRUE(run_until([&] { return order.size() == 4; }));
    EXPECT_EQ(order, "abcd");
    for (const auto& each : accepts)
        loop().close(handle::unpack(each->result));
}

TEST_P(Accept, WithoutDescriptorsItPausesAndNoConnectionIsLost) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    if (no_descriptor_limit != nullptr) GTEST_SKIP() << no_descriptor_limit;
    if (is_direct(GetParam())) GTEST_SKIP() << "a direct descriptor needs none of the process";
    accepted_list list;
    std::vector<unique_descriptor> clients;
    for (int each = 0; each < 5; ++each)
        clients.push_back(connect_to(where_));
    acceptor accepts(loop(), listener_, list.events());
    look_at_error_categories();
    {
        const unique_descriptor highest(duplicate_from(0, 3));
        const int limit = std::max(highest.get(), clients.back().get()) + 4;
        const descriptor_limit scarce(limit);
        const auto taken = fill_descriptors(limit);
        accepts.start();
        ASSERT_TRUE(run_until([&] { return list.pauses.size() == 4; }));
        EXPECT_EQ(list.connections.size(), 0u);
        // Each pause is twice as long as the last: it does not spin.
        for (std::size_t each = 1; each < list.pauses.size(); ++each)
            EXPECT_EQ(list.pauses[each], 2 * list.pauses[each - 1]);
    }
    EXPECT_EQ(list.pause_reason, std::errc::too_many_files_open);
    ASSERT_TRUE(run_until([&] { return list.connections.size() == clients.size(); }));
    // Afterwards a connection is taken at once.
    const std::size_t pauses = list.pauses.size();
    clients.push_back(connect_to(where_));
    ASSERT_TRUE(run_until([&] { return list.connections.size() == clients.size(); }));
    EXPECT_EQ(list.pauses.size(), pauses);
    for (const handle each : list.connections)
        loop().close(each);
    accepts.stop();
    ASSERT_TRUE(run_until([&] { return list.stopped == 1; }));
}

TEST_P(Accept, StopInAPauseEndsItOnce) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    if (no_descriptor_limit != nullptr) GTEST_SKIP() << no_descriptor_limit;
    if (is_direct(GetParam())) GTEST_SKIP() << "a direct descriptor needs none of the process";
    accepted_list list;
    acceptor accepts(loop(), listener_, list.events());
    const unique_descriptor client = connect_to(where_);
    look_at_error_categories();
    {
        const int limit = client.get() + 4;
        const descriptor_limit scarce(limit);
        const auto taken = fill_descriptors(limit);
        accepts.start();
        ASSERT_TRUE(run_until([&] { return !list.pauses.empty(); }));
        accepts.stop();
        accepts.stop();
        EXPECT_EQ(list.stopped, 0);
        ASSERT_TRUE(run_until([&] { return list.stopped == 1; }));
    }
    ticks(5);
    EXPECT_EQ(list.stopped, 1);
    for (const handle each : list.connections)
        loop().close(each);
}

#if defined(__linux__)
// Past its end a table of direct descriptors is a shortage like any other: accepting pauses, nobody is lost.
TEST_P(Accept, AFullTableOfDirectDescriptorsIsWaitedOut) {
    if (!is_direct(GetParam())) GTEST_SKIP() << "direct descriptors only";
    uring_options options;
    options.direct_descriptors = uring_options::direct::always;
    options.direct_limit = 8;
    naru::loop small(std::make_unique<uring_backend>(options));
    auto socket = listening_socket();
    const address where = local_of(socket.get()).value();
    accepted_list list;
    acceptor accepts(small, small.attach(socket.release(), descriptor_kind::listener).value(), list.events());
    accepts.start();
    std::vector<unique_descriptor> clients;
    for (int each = 0; each < 12; ++each)
        clients.push_back(connect_to(where));
    ASSERT_TRUE(testing::run_until(small, [&] { return !list.pauses.empty(); }));
    EXPECT_EQ(list.pause_reason, errc::direct_descriptor_limit);
    EXPECT_EQ(list.connections.size(), 8u);
    std::size_t closed = 0;
    ASSERT_TRUE(testing::run_until(small, [&] {
        while (closed < list.connections.size())
            small.close(list.connections[closed++]);
        return list.connections.size() == 12;
    }));
    for (const unique_descriptor& each : clients) {
        ASSERT_TRUE(testing::run_until(small, [&] {
            received_text got;
            got.read_from(each.get());
            return got.ended;
        }));
    }
    while (closed < list.connections.size())
        small.close(list.connections[closed++]);
    accepts.stop();
    ASSERT_TRUE(testing::run_until(small, [&] { return list.stopped == 1 && small.in_flight() == 0; }));
}
#endif

TEST_P(Accept, StopFromInsideOnConnection) {
    accepted_list list;
    acceptor accepts(loop(), listener_, list.events());
    list.on_connection = [&] { accepts.stop(); };
    accepts.start();
    const unique_descriptor first = connect_to(where_);
    ASSERT_TRUE(run_until([&] { return list.stopped == 1; }));
    EXPECT_EQ(list.connections.size(), 1u);
    for (const handle each : list.connections)
        loop().close(each);
}

TEST_P(Accept, AClosedListenerEndsItForGood) {
    accepted_list list;
    acceptor accepts(loop(), listener_, list.events());
    accepts.start();
    ticks(3);
    loop().close(listener_);
    ASSERT_TRUE(run_until([&] { return static_cast<bool>(list.failure); }));
    EXPECT_EQ(list.failure, std::errc::operation_canceled);
    listener_ = handle();
}

TEST_P(Accept, ConnectionsThatWereResetDoNotEndAccepting) {
    accepted_list list;
    for (int each = 0; each < 10; ++each) {
        unique_descriptor client = connect_to(where_);
        reset_connection(client);
    }
    acceptor accepts(loop(), listener_, list.events());
    accepts.start();
    const unique_descriptor good = connect_to(where_);
    write_all(good.get(), "still here");
    const std::uint16_t port = local_of(good.get())->port();
    const auto is_good = [&](handle each) {
        const auto peer = peer_of(loop().borrow(each).get());
        return peer && peer->port() == port;
    };
    auto found = list.connections.end();
    ASSERT_TRUE(run_until([&] {
        found = std::find_if(list.connections.begin(), list.connections.end(), is_good);
        return found != list.connections.end();
    }));
    EXPECT_FALSE(list.failure) << list.failure.message();
    a_recv recv(*found);
    loop().submit(recv);
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "still here");
    for (const handle each : list.connections)
        loop().close(each);
    accepts.stop();
    ASSERT_TRUE(run_until([&] { return list.stopped == 1; }));
}

TEST_P(Accept, ConnectionsNobodyAcceptedAreClosedWithTheListener) {
    on_handle accept(operation_kind::accept, listener_);
    loop().submit(accept);
    std::vector<unique_descriptor> clients;
    for (int each = 0; each < 20; ++each)
        clients.push_back(connect_to(where_));
    ASSERT_TRUE(run_until(accept));
    ticks(5);
    loop().close(listener_);
    loop().close(handle::unpack(accept.result));
    listener_ = handle();
    received_text got;
    ASSERT_TRUE(run_until([&] {
        for (const auto& each : clients) {
            got = received_text();
            got.read_from(each.get());
            if (!got.ended && got.error == 0) return false;
        }
        return true;
    }));
}

// Also whom the kernel has accepted for us while the release was under way (AcceptEx, multishot accept).
TEST_P(Accept, WhoeverHasConnectedToAListenerThatIsReleasedIsLostToNobody) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    for (const int ticks_before : {0, 1, 3}) {
        SCOPED_TRACE(ticks_before);
        unique_descriptor made = listening_socket();
        const address where = local_of(made.get()).value();
        const handle listener = adopt(made, descriptor_kind::listener);
        on_handle accept(operation_kind::accept, listener);
        accept.flags = operation_flags::more;
        loop().submit(accept);
        ticks(2);  // it waits
        constexpr std::size_t count = 5;
        std::vector<unique_descriptor> clients;
        while (clients.size() < count)
            clients.push_back(connect_to(where));
        ticks(ticks_before);
        received_ahead ahead;
        on_handle release(operation_kind::release, listener);
        release.ahead = &ahead;
        loop().submit(release);
        ASSERT_TRUE(run_until(release));
        ASSERT_TRUE(run_until(accept));
        ASSERT_GE(release.result, 0);
        const unique_descriptor released(static_cast<int>(release.result));
        std::vector<unique_descriptor> others;
        for (const int each : ahead.connections)
            others.emplace_back(each);
        ahead.connections.clear();
        while (true) {
            unique_descriptor next(accept_socket(released.get()));
            if (!next) break;
            others.push_back(std::move(next));
        }
        if (!accept.failed()) loop().close(handle::unpack(accept.result));
        EXPECT_EQ(others.size() + (accept.failed() ? 0 : 1), count);
        settle();
    }
}

TEST_P(Accept, DescriptorsPastTheLimitOfSelectAreRefusedByItAndServedByTheOthers) {
    if (no_descriptor_limit != nullptr) GTEST_SKIP() << no_descriptor_limit << ", and select counts sockets";
    const descriptor_limit enough(4096);
    auto sockets = tcp_pair();
    auto others = tcp_pair();
    unique_descriptor high = duplicate_from(sockets.ours.get(), 1024);
    if (!high) GTEST_SKIP() << "the descriptor limit is below 1025";
    sockets.ours.reset();
    const int number = high.get();
    const auto attached = loop().attach(high.release(), descriptor_kind::stream);
    if (GetParam().name == "select") {
        ASSERT_FALSE(attached);
        EXPECT_EQ(attached.error(), errc::select_descriptor_limit);
        EXPECT_FALSE(is_open(number));
    } else {
        ASSERT_TRUE(attached);
        a_recv recv(*attached);
        loop().submit(recv);
        write_all(sockets.peer.get(), "high");
        ASSERT_TRUE(run_until(recv));
        EXPECT_EQ(recv.take(loop()), "high");
        loop().close(*attached);
    }
    const handle ours = adopt(others.ours);
    a_recv recv(ours);
    loop().submit(recv);
    write_all(others.peer.get(), "goes on");
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "goes on");
    loop().close(ours);
}

TEST_P(Accept, PastTheLimitOfSelectAcceptingPausesAndRecovers) {
    if (no_descriptor_limit != nullptr) GTEST_SKIP() << no_descriptor_limit << ", and select counts sockets";
    if (GetParam().name != "select") GTEST_SKIP() << "only select has this limit";
    const descriptor_limit enough(4096);
    accepted_list list;
    acceptor accepts(loop(), listener_, list.events());
    std::optional<unique_descriptor> client(connect_to(where_));
    {
        const auto taken = fill_descriptors(1024);
        accepts.start();
        ASSERT_TRUE(run_until([&] { return !list.pauses.empty(); }));
        EXPECT_EQ(list.pause_reason, errc::select_descriptor_limit);
        EXPECT_TRUE(list.connections.empty());
    }
    client.emplace(connect_to(where_));
    ASSERT_TRUE(run_until([&] { return list.connections.size() == 1; }));
    loop().close(list.connections.front());
    accepts.stop();
    ASSERT_TRUE(run_until([&] { return list.stopped == 1; }));
}

}  // namespace
}  // namespace naru::testing
