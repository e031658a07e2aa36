// Connecting to a listener whose queue is full.
#include "support/conformance.hpp"

#include <memory>
#include <vector>

#if !defined(_WIN32)
#include <sys/un.h>
#endif

namespace naru::testing {
namespace {

class FullQueue : public conformance {};
NARU_ON_EVERY_BACKEND(FullQueue);

task<result<tcp_stream>> connect_with_deadline(naru::loop& on, address where, instant deadline) {
    co_return co_await with_deadline(deadline, tcp_stream::connect(on, where));
}

TEST_P(FullQueue, AConnectThatGetsNoAnswerEndsAtItsDeadline) {
    listen_options small;
    small.backlog = 0;
    const unique_descriptor listener = listening_socket(small);
    const address where = local_of(listener.get()).value();
    // Until the queue of the listener is full: from then on nobody answers.
    std::vector<unique_descriptor> clients;
    bool full = false;
    while (!full && clients.size() < 20) {
        clients.push_back(connect_to(where, false));
        full = !wait_for(clients.back().get(), POLLOUT, 100);
    }
    if (!full) GTEST_SKIP() << "this system answers although the queue is full";
    const instant deadline = clock::now() + 20ms;
    auto connected = run_task(loop(), connect_with_deadline(loop(), where, deadline));
    EXPECT_GE(clock::now(), deadline);
    ASSERT_FALSE(connected);
    EXPECT_EQ(connected.error(), std::errc::timed_out);
}

#if !defined(_WIN32)

/// A Unix listener with a queue for one, and the sockets that fill it.
class full_listener {
 public:
    full_listener() {
        listening_.reset(checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
        where_.sun_family = AF_UNIX;
        const std::string name = "naru-" + std::to_string(::getpid()) + "-" + std::to_string(++made);
        name.copy(where_.sun_path + 1, name.size());  // abstract: it is in no directory
        size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
        checked(::bind(listening_.get(), reinterpret_cast<const sockaddr*>(&where_), size_), "bind");
        checked(::listen(listening_.get(), 0), "listen");
        while (true) {
            unique_descriptor next(
                checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
            if (::connect(next.get(), reinterpret_cast<const sockaddr*>(&where_), size_) != 0) break;
            waiting_.push_back(std::move(next));
        }
        if (errno != EAGAIN) throw std::system_error(errno, std::system_category(), "connect");
    }
    handle fresh_socket(loop& on) const {
        const int made_socket =
            checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
        return on.attach(made_socket, descriptor_kind::socket).value();
    }
    void aim(operation& connect) const {
        connect.address = &where_;
        connect.count = size_;
    }
    /// Takes everybody out of the queue.
    std::vector<unique_descriptor> accept_all() const {
        std::vector<unique_descriptor> all;
        while (true) {
            unique_descriptor next(accept_socket(listening_.get()));
            if (!next) return all;
            all.push_back(std::move(next));
        }
    }
    std::size_t waiting() const { return waiting_.size(); }

 private:
    static inline int made = 0;
    unique_descriptor listening_;
    std::vector<unique_descriptor> waiting_;
    sockaddr_un where_{};
    socklen_t size_ = 0;
};

/// What TCP's connect_request does, for a handle that is there already.
struct [[nodiscard]] connect_there : request<connect_there> {
    connect_there(naru::loop& on, handle from, const full_listener& to) noexcept
        : home(&on), source(from), listener(&to) {}

    class awaiter : public operation_awaiter<> {
     public:
        explicit awaiter(connect_there&& of) : operation_awaiter(*of.home, operation_kind::connect) {
            target = of.source;
            of.listener->aim(*this);
        }
        [[nodiscard]] naru::result<void> await_resume() const noexcept { return void_outcome(); }
    };

 private:
    naru::loop* home;
    handle source;
    const full_listener* listener;
};

task<result<void>> connect_until(naru::loop& on, handle from, const full_listener& to, instant deadline) {
    co_return co_await with_deadline(deadline, connect_there(on, from, to));
}

TEST_P(FullQueue, IsWaitedFor) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    const full_listener listener;
    const handle ours = listener.fresh_socket(loop());
    on_handle connect(operation_kind::connect, ours);
    listener.aim(connect);
    a_recv recv(ours);
    a_send send(ours, "behind it");
    loop().submit(recv);
    loop().submit(connect);
    loop().submit(send);
    ticks(20);
    ASSERT_FALSE(connect.done()) << connect.error().message();
    EXPECT_FALSE(recv.done() || send.done());
    std::vector<unique_descriptor> peers = listener.accept_all();  // ours may be among them already
    ASSERT_TRUE(run_until(connect));
    EXPECT_EQ(connect.result, 0) << connect.error().message();
    for (unique_descriptor& each : listener.accept_all())
        peers.push_back(std::move(each));
    ASSERT_EQ(peers.size(), listener.waiting() + 1);
    ASSERT_TRUE(run_until(send));
    EXPECT_EQ(send.result, 9);
    write_all(peers.back().get(), "hello");
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "hello");
    loop().close(ours);
}

TEST_P(FullQueue, OfManyThatWaitForAFullQueueEachGetsIn) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    const full_listener listener;
    std::vector<std::unique_ptr<on_handle>> connects;
    for (int each = 0; each < 20; ++each) {
        connects.push_back(
            std::make_unique<on_handle>(operation_kind::connect, listener.fresh_socket(loop())));
        listener.aim(*connects.back());
        loop().submit(*connects.back());
    }
    std::vector<unique_descriptor> peers;
    ASSERT_TRUE(run_until(
        [&] {
            for (unique_descriptor& each : listener.accept_all())
                peers.push_back(std::move(each));
            return peers.size() == listener.waiting() + connects.size();
        },
        60s));
    settle();
    for (const auto& each : connects) {
        EXPECT_EQ(each->result, 0) << each->error().message();
        loop().close(each->target);
    }
}

TEST_P(FullQueue, ACancelledWaitForAFullQueueIsCancelled) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    const full_listener listener;
    for (const int before : {0, 1, 20}) {
        const handle ours = listener.fresh_socket(loop());
        on_handle connect(operation_kind::connect, ours);
        listener.aim(connect);
        loop().submit(connect);
        ticks(before);
        ASSERT_FALSE(connect.done()) << connect.error().message();
        loop().cancel(connect);
        ASSERT_TRUE(run_until(connect));
        EXPECT_EQ(connect.error(), std::errc::operation_canceled) << connect.error().message();
        loop().close(ours);
        settle();
    }
}

TEST_P(FullQueue, AWaitForAFullQueueEndsAtItsDeadline) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    const full_listener listener;
    const handle ours = listener.fresh_socket(loop());
    const instant deadline = clock::now() + 20ms;
    const auto connected = run_task(loop(), connect_until(loop(), ours, listener, deadline));
    EXPECT_GE(clock::now(), deadline);
    ASSERT_FALSE(connected);
    EXPECT_EQ(connected.error(), std::errc::timed_out) << connected.error().message();
    loop().close(ours);
}

TEST_P(FullQueue, AHandleThatWaitsForAFullQueueIsClosed) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    const full_listener listener;
    const handle ours = listener.fresh_socket(loop());
    on_handle connect(operation_kind::connect, ours);
    listener.aim(connect);
    a_recv recv(ours);
    loop().submit(recv);
    loop().submit(connect);
    ticks(5);
    on_handle close(operation_kind::close, ours);
    loop().submit(close);
    ASSERT_TRUE(run_until(close));
    EXPECT_EQ(connect.error(), std::errc::operation_canceled) << connect.error().message();
    EXPECT_EQ(recv.error(), std::errc::operation_canceled);
    // Whoever gets the number next is left alone.
    const full_listener another;
    const handle next = another.fresh_socket(loop());
    ticks(5);
    loop().close(next);
}

#endif

}  // namespace
}  // namespace naru::testing
