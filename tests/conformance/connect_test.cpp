// Connecting: what reads beside a connect, what follows a refusal, and a listener whose queue is full.
#include "support/conformance.hpp"

#include <memory>
#include <vector>

#if !defined(_WIN32)
#include <sys/un.h>
#endif

namespace naru::testing {
namespace {

class Connect : public conformance {
 protected:
    void TearDown() override {
        bound_.reset();
        conformance::TearDown();
    }
    /// An address where nobody listens.
    address nobody() {
#if defined(_WIN32)
        bound_ = listening_socket();
        where_ = local_of(bound_.get()).value();
        bound_.reset();
        return where_;
#else  // taken by a socket that does not listen, so that nobody else gets it
        bound_.reset(blocking_socket(AF_INET).release());
        const address any = address::parse("127.0.0.1:0").value();
        checked(bind_socket(bound_.get(), any), "bind");
        return local_of(bound_.get()).value();
#endif
    }
    /// From now on somebody listens there.
    int listen_there() {
#if defined(_WIN32)
        bound_ = open_listener(where_, {}).value();
#else
        checked(listen_socket(bound_.get(), 8), "listen");
#endif
        return bound_.get();
    }
    handle fresh_socket(const address& where) {
        unique_descriptor made = open_stream_socket(where).value();
        return adopt(made, descriptor_kind::socket);
    }
    /// The other side of a connection made to `listener`; it has `text` to say.
    unique_descriptor accepted_from(int listener, std::string_view text) {
        EXPECT_TRUE(wait_readable(listener, 10'000));
        unique_descriptor made(checked(accept_socket(listener), "accept"));
        write_all(made.get(), text);
        return made;
    }

 private:
    unique_descriptor bound_;
    address where_;
};
NARU_ON_EVERY_BACKEND(Connect);

enum class how { recv, recv_into, readable };

/// A read of each kind that ends with what was said.
struct a_read {
    a_read(how of_kind, handle from) : kind(of_kind), recv(from), recv_into(from, 32), readable(from) {}
    any_operation& op() {
        if (kind == how::recv) return recv;
        if (kind == how::recv_into) return recv_into;
        return readable;
    }
    std::string take(loop& of) {
        if (kind == how::recv) return recv.take(of);
        return kind == how::recv_into ? recv_into.text() : std::string();
    }
    how kind;
    a_recv recv;
    a_recv_into recv_into;
    struct a_readable : on_handle {
        explicit a_readable(handle on) : on_handle(operation_kind::readable, on) {}
    } readable;
};

constexpr how every_read[] = {how::recv, how::recv_into, how::readable};

TEST_P(Connect, AReadInTheSameTickWaitsForTheConnection) {
    const unique_descriptor listener = listening_socket();
    const address where = local_of(listener.get()).value();
    for (const how kind : every_read) {
        for (const bool read_first : {true, false}) {
            const handle ours = fresh_socket(where);
            a_connect connect(ours, where);
            a_read first(kind, ours);
            if (read_first) loop().submit(first.op());
            loop().submit(connect);
            if (!read_first) loop().submit(first.op());
            ASSERT_TRUE(run_until(connect));
            EXPECT_EQ(connect.result, 0) << connect.error().message();
            unique_descriptor peer = accepted_from(listener.get(), "hello");
            ASSERT_TRUE(run_until(first.op()));
            EXPECT_FALSE(first.op().failed()) << first.op().error().message();
            std::string got = first.take(loop());
            if (kind == how::readable) write_all(peer.get(), " again");
            if (kind != how::readable) {
                EXPECT_EQ(got, "hello");
                write_all(peer.get(), " again");
            }
            const std::string all = "hello again";
            while (got.size() < all.size()) {
                a_recv later(ours);
                loop().submit(later);
                ASSERT_TRUE(run_until(later));
                ASSERT_FALSE(later.failed()) << later.error().message();
                got += later.take(loop());
            }
            EXPECT_EQ(got, all);
            loop().close(ours);
            settle();
        }
    }
}

TEST_P(Connect, SeveralReadsWaitInTheirOrder) {
    const unique_descriptor listener = listening_socket();
    const address where = local_of(listener.get()).value();
    const handle ours = fresh_socket(where);
    std::vector<std::unique_ptr<a_recv_into>> reads;
    std::string got;
    for (int each = 0; each < 4; ++each) {
        reads.push_back(std::make_unique<a_recv_into>(ours, 1));
        a_recv_into& read = *reads.back();
        read.then = [&got, &read] { got += read.text(); };
        loop().submit(read);
    }
    a_connect connect(ours, where);
    loop().submit(connect);
    ASSERT_TRUE(run_until(connect));
    const unique_descriptor peer = accepted_from(listener.get(), "abcd");
    ASSERT_TRUE(run_until([&] { return got.size() == 4 || reads.back()->done(); }));
    EXPECT_EQ(got, "abcd");
    loop().close(ours);
}

TEST_P(Connect, AReadBesideARefusedConnectIsToldThatThereIsNoConnection) {
    const address where = nobody();
    for (const how kind : every_read) {
        for (const bool read_first : {true, false}) {
            const handle ours = fresh_socket(where);
            a_connect connect(ours, where);
            a_read beside(kind, ours);
            if (read_first) loop().submit(beside.op());
            loop().submit(connect);
            if (!read_first) loop().submit(beside.op());
            ASSERT_TRUE(run_until([&] { return connect.done() && beside.op().done(); }));
            EXPECT_EQ(connect.error(), std::errc::connection_refused);
            EXPECT_EQ(beside.op().error(), std::errc::not_connected);
            a_read after(kind, ours);
            loop().submit(after.op());
            ASSERT_TRUE(run_until(after.op()));
            EXPECT_EQ(after.op().error(), std::errc::not_connected);
            loop().close(ours);
            settle();
        }
    }
}

TEST_P(Connect, AReadWhereNobodyConnectsIsToldThatThereIsNoConnection) {
    const unique_descriptor listener = listening_socket();
    const address where = local_of(listener.get()).value();
    for (const how kind : every_read) {
        const handle ours = fresh_socket(where);
        for (int again = 0; again < 2; ++again) {
            a_read read(kind, ours);
            loop().submit(read.op());
            ASSERT_TRUE(run_until(read.op()));
            EXPECT_EQ(read.op().error(), std::errc::not_connected);
        }
        loop().close(ours);
        settle();
    }
}

TEST_P(Connect, ARefusedSocketConnectsAgain) {
#if defined(_WIN32)
    GTEST_SKIP() << "this system's sockets are of no more use after a refusal";
#endif
    for (const how kind : every_read) {
        const address where = nobody();
        const handle ours = fresh_socket(where);
        {
            a_connect refused(ours, where);
            a_read beside(kind, ours);
            loop().submit(beside.op());
            loop().submit(refused);
            ASSERT_TRUE(run_until([&] { return refused.done() && beside.op().done(); }));
            ASSERT_EQ(refused.error(), std::errc::connection_refused);
        }
        const int listener = listen_there();
        a_connect connect(ours, where);
        a_read read(kind, ours);
        loop().submit(read.op());
        loop().submit(connect);
        ASSERT_TRUE(run_until(connect));
        ASSERT_EQ(connect.result, 0) << connect.error().message();
        const unique_descriptor peer = accepted_from(listener, "hello");
        ASSERT_TRUE(run_until(read.op()));
        EXPECT_FALSE(read.op().failed()) << read.op().error().message();
        if (kind != how::readable) {
            EXPECT_EQ(read.take(loop()), "hello");
        } else {
            a_recv recv(ours);
            loop().submit(recv);
            ASSERT_TRUE(run_until(recv));
            EXPECT_EQ(recv.take(loop()), "hello");
        }
        a_send send(ours, "and back");
        loop().submit(send);
        ASSERT_TRUE(run_until(send));
        EXPECT_EQ(send.result, 8);
        loop().close(ours);
        settle();
    }
}

TEST_P(Connect, AReadThatWaitsForAConnectionCanBeCancelled) {
    const unique_descriptor listener = listening_socket();
    const address where = local_of(listener.get()).value();
    const handle ours = fresh_socket(where);
    a_recv first(ours);
    a_recv second(ours);
    a_connect connect(ours, where);
    loop().submit(first);
    loop().submit(second);
    loop().submit(connect);
    loop().cancel(first);
    ASSERT_TRUE(run_until([&] { return first.done() && connect.done(); }));
    EXPECT_EQ(first.error(), std::errc::operation_canceled);
    EXPECT_EQ(connect.result, 0);
    const unique_descriptor peer = accepted_from(listener.get(), "hello");
    ASSERT_TRUE(run_until(second));
    EXPECT_EQ(second.take(loop()), "hello");
    loop().close(ours);
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

TEST_P(Connect, AFullQueueIsWaitedFor) {
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

TEST_P(Connect, OfManyThatWaitForAFullQueueEachGetsIn) {
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

TEST_P(Connect, ACancelledWaitForAFullQueueIsCancelled) {
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

TEST_P(Connect, AWaitForAFullQueueEndsAtItsDeadline) {
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

TEST_P(Connect, AHandleThatWaitsForAFullQueueIsClosed) {
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
