// Connecting: both sides talk; what reads beside a connect, and what follows a refusal.
#include "support/conformance.hpp"
#include "support/nobody.hpp"

#include <memory>
#include <vector>

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

task<result<tcp_stream>> connect_task(naru::loop& on, address where) {
    co_return co_await tcp_stream::connect(on, where);
}

TEST_P(Connect, SucceedsAndBothSidesTalk) {
    unique_descriptor made = listening_socket();
    const address where = local_of(made.get()).value();
    const handle listener = adopt(made, descriptor_kind::listener);
    on_handle accept(operation_kind::accept, listener);
    loop().submit(accept);
    auto connected = run_task(loop(), connect_task(loop(), where));
    ASSERT_TRUE(connected) << connected.error().message();
    ASSERT_TRUE(run_until(accept));
    const handle server = handle::unpack(accept.result);
    a_send send(connected->native(), "hello");
    a_recv recv(server);
    loop().submit(recv);
    loop().submit(send);
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "hello");
    settle();
    loop().close(server);
    loop().close(listener);
}

TEST_P(Connect, ToNobodyIsRefused) {
    const nobodys_address nobody;
    auto connected = run_task(loop(), connect_task(loop(), nobody));
    ASSERT_FALSE(connected);
    EXPECT_EQ(connected.error(), std::errc::connection_refused);
}

TEST_P(Connect, ARefusalIsTheConnectsWhateverIsReadMeanwhile) {
    // A socket's error is told once: it must not go to the read, or the connect has succeeded. `early`: the
    // read is there first, and what is reported of a socket that is not connected yet must not lead it
    // astray.
    const nobodys_address nobody;
    for (const bool own_memory : {false, true}) {
        for (const bool early : {false, true}) {
            unique_descriptor socket = open_stream_socket(nobody).value();
            const handle ours = adopt(socket, descriptor_kind::socket);
            a_connect connect(ours, nobody);
            a_recv recv(ours);
            a_recv_into recv_into(ours, 16);
            any_operation& read = own_memory ? static_cast<any_operation&>(recv_into) : recv;
            if (early) loop().submit(read);
            if (early) ticks(3);
            loop().submit(connect);
            if (read.idle()) loop().submit(read);
            ASSERT_TRUE(run_until([&] { return connect.done() && read.idle(); }));
            EXPECT_EQ(connect.error(), std::errc::connection_refused) << own_memory << early;
            EXPECT_TRUE(read.failed()) << own_memory << early;
            loop().close(ours);
            settle();
        }
    }
}

TEST_P(Connect, OperationsBehindItWaitForIt) {
    unique_descriptor made = listening_socket();
    const address where = local_of(made.get()).value();
    const handle listener = adopt(made, descriptor_kind::listener);
    unique_descriptor socket = open_stream_socket(where).value();
    const handle ours = adopt(socket, descriptor_kind::socket);
    a_connect connect(ours, where);
    a_send send(ours, "at once");
    on_handle accept(operation_kind::accept, listener);
    loop().submit(connect);
    loop().submit(send);
    loop().submit(accept);
    ASSERT_TRUE(run_until(send));
    EXPECT_EQ(connect.result, 0);
    EXPECT_EQ(send.result, 7);
    ASSERT_TRUE(run_until(accept));
    a_recv recv(handle::unpack(accept.result));
    loop().submit(recv);
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "at once");
    loop().close(ours);
    loop().close(handle::unpack(accept.result));
    loop().close(listener);
}

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

}  // namespace
}  // namespace naru::testing
