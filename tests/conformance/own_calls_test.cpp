// Who reads and writes by himself: `readable` or `writable`, then calls of one's own until one would wait.
// None of them may hold the loop up, whatever the engine and wherever the descriptor comes from.
#include "support/conformance.hpp"

#include <vector>

namespace naru::testing {
namespace {

/// Windows tells a socket's mode by a receive that finds nothing: here there is something.
bool does_not_wait([[maybe_unused]] int descriptor) {
#if defined(_WIN32)
    return true;
#else
    return is_non_blocking(descriptor);
#endif
}

class OwnCalls : public conformance {
 protected:
    /// What `readable` and reads until EAGAIN bring, until `size` bytes have come. A descriptor that would
    /// hold up who reads it is a failure, and is not read.
    std::string read_by_oneself(handle from, std::size_t size) {
        on_handle readable(operation_kind::readable, from);
        received_text got;
        readable.then = [&] {
            const borrowed_descriptor socket = loop().borrow(from);
            if (readable.failed() || !does_not_wait(socket.get())) return;
            got.read_from(socket.get());
            if (got.data.size() < size && !got.ended && got.error == 0) loop().submit(readable);
        };
        loop().submit(readable);
        run_until([&] { return readable.idle(); });
        EXPECT_FALSE(readable.failed()) << readable.error().message();
        EXPECT_TRUE(does_not_wait(loop().borrow(from).get()));
        return got.data;
    }
    /// Reads twice, so that the end of the first turn is seen to be no hindrance.
    void expect_own_reads(handle from, int peer) {
        for (const std::string text : {"first", "second"}) {
            write_all(peer, text);
            EXPECT_EQ(read_by_oneself(from, text.size()), text);
        }
    }
};
NARU_ON_EVERY_BACKEND(OwnCalls);

TEST_P(OwnCalls, ReadsOfAConnectionFromOutsideDoNotWait) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    expect_own_reads(ours, sockets.peer.get());
    loop().close(ours);
}

TEST_P(OwnCalls, ReadsOfAnAcceptedConnectionDoNotWait) {
    unique_descriptor made = listening_socket();
    const address where = local_of(made.get()).value();
    const handle listener = adopt(made, descriptor_kind::listener);
    on_handle accept(operation_kind::accept, listener);
    loop().submit(accept);
    const unique_descriptor peer = connect_to(where);
    ASSERT_TRUE(run_until(accept));
    const handle ours = handle::unpack(accept.result);
    expect_own_reads(ours, peer.get());
    loop().close(ours);
    loop().close(listener);
}

TEST_P(OwnCalls, ReadsOfAConnectionThatWasMadeDoNotWait) {
    const unique_descriptor listener = listening_socket();
    const address where = local_of(listener.get()).value();
    unique_descriptor made = open_stream_socket(where).value();
    const handle ours = adopt(made, descriptor_kind::socket);
    a_connect connect(ours, where);
    loop().submit(connect);
    ASSERT_TRUE(run_until(connect));
    ASSERT_EQ(connect.result, 0);
    ASSERT_TRUE(wait_readable(listener.get(), 10'000));
    const unique_descriptor peer(checked(accept_socket(listener.get()), "accept"));
    expect_own_reads(ours, peer.get());
    loop().close(ours);
}

TEST_P(OwnCalls, ReadsBesideAndAfterASendOfAFileDoNotWait) {
    auto sockets = tcp_pair(8192, 8192);
    const handle ours = adopt(sockets.ours);
    const std::string content = pattern(300'000);
    const unique_descriptor file = file_with(content);
    any_send_file send;
    send.set(ours, file, 0, content.size());
    loop().submit(send);
    expect_own_reads(ours, sockets.peer.get());
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return send.done() && got.data.size() == content.size();
    }));
    EXPECT_TRUE(got.data == content);
    expect_own_reads(ours, sockets.peer.get());
    loop().close(ours);
}

TEST_P(OwnCalls, AcceptsOnAListenerDoNotWait) {
    unique_descriptor made = listening_socket();
    const address where = local_of(made.get()).value();
    const handle listener = adopt(made, descriptor_kind::listener);
    const int number = loop().descriptor(listener);
    ASSERT_TRUE(does_not_wait(number));
    std::vector<unique_descriptor> accepted;
    on_handle readable(operation_kind::readable, listener);
    readable.then = [&] {
        while (true) {
            unique_descriptor next(accept_socket(number));
            if (!next) break;
            accepted.push_back(std::move(next));
        }
        if (accepted.size() < 3) loop().submit(readable);
    };
    loop().submit(readable);
    std::vector<unique_descriptor> clients;
    for (int each = 0; each < 3; ++each)
        clients.push_back(connect_to(where));
    ASSERT_TRUE(run_until([&] { return readable.idle(); }));
    EXPECT_EQ(accepted.size(), 3u);
    loop().close(listener);
}

TEST_P(OwnCalls, AReceiveAfterThemWaits) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    expect_own_reads(ours, sockets.peer.get());
    a_recv recv(ours);
    loop().submit(recv);
    ticks(5);
    EXPECT_FALSE(recv.done()) << recv.error().message();
    write_all(sockets.peer.get(), "third");
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "third");
    a_recv_into into(ours, 16);
    loop().submit(into);
    ticks(5);
    EXPECT_FALSE(into.done()) << into.error().message();
    write_all(sockets.peer.get(), "fourth");
    ASSERT_TRUE(run_until(into));
    EXPECT_EQ(into.text(), "fourth");
    loop().close(ours);
}

TEST_P(OwnCalls, WritesUntilTheBufferIsFullDoNotWait) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    const borrowed_descriptor socket = loop().borrow(ours);
    ASSERT_TRUE(does_not_wait(socket.get()));
    std::size_t written = 0;
    while (const std::size_t step = write_some(socket.get(), std::string(65'536, 'x')))
        written += step;
    a_send send(ours, "behind it");
    loop().submit(send);
    ticks(5);
    EXPECT_FALSE(send.done()) << send.error().message();
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return send.done() && got.data.size() == written + send.text.size();
    }));
    EXPECT_EQ(send.result, 9);
    loop().close(ours);
}

}  // namespace
}  // namespace naru::testing
