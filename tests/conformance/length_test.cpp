// Lengths past what one call of the system takes, and of nothing at all.
#include "support/conformance.hpp"

#if !defined(_WIN32)

#include <vector>

#include <sys/mman.h>

namespace naru::testing {
namespace {

/// Address space without memory: only what is written to is there.
class huge_span {
 public:
    explicit huge_span(std::size_t size)
        : size_(size),
          base_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                       0)) {}
    ~huge_span() {
        if (base_ != MAP_FAILED) ::munmap(base_, size_);
    }
    huge_span(const huge_span&) = delete;
    huge_span& operator=(const huge_span&) = delete;
    explicit operator bool() const { return base_ != MAP_FAILED; }
    mutable_bytes first(std::size_t bytes) const { return {static_cast<std::byte*>(base_), bytes}; }
    std::string_view text(std::size_t bytes) const { return {static_cast<const char*>(base_), bytes}; }

 private:
    std::size_t size_;
    void* base_;
};

constexpr std::size_t gibibyte = std::size_t{1} << 30;
// At the borders of 31 and 32 bits, and where a count of 32 bits would be 0 or 4.
constexpr std::size_t lengths[] = {2 * gibibyte - 4096, 2 * gibibyte - 1, 2 * gibibyte,    3 * gibibyte,
                                   4 * gibibyte - 1,    4 * gibibyte,     4 * gibibyte + 4};

class Lengths : public conformance {
 protected:
    void SetUp() override {
        conformance::SetUp();
        if (loop_ != nullptr && !memory_) {
            loop_.reset();
            GTEST_SKIP() << "no address space of this size here";
        }
    }
    const huge_span memory_{4 * gibibyte + 4096};
};
NARU_ON_EVERY_BACKEND(Lengths);

task<result<std::size_t>> receive(tcp_stream& from, mutable_bytes into) {
    co_return co_await from.receive(into);
}

TEST_P(Lengths, AReceiveTakesASpanOfAnyLength) {
    for (const bool is_late : {false, true}) {
        auto sockets = local_pair();
        tcp_stream ours = stream_of(sockets.ours);
        for (const std::size_t length : lengths) {
            if (!is_late) write_all(sockets.peer.get(), "eleven byte");
            metronome beat(loop());
            loop().post([&] {
                if (is_late) write_all(sockets.peer.get(), "eleven byte");
            });
            const auto got = run_task(loop(), receive(ours, memory_.first(length)));
            ASSERT_TRUE(got) << length << ": " << got.error().message();
            ASSERT_EQ(*got, 11u) << length;
            EXPECT_EQ(memory_.text(11), "eleven byte");
        }
    }
}

// The count is the operation's own, too, for who sets it by hand.
TEST_P(Lengths, ACountOf32BitsIsTaken) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    for (const std::uint32_t count : {0x8000'0000u, 0xc000'0000u, 0xffff'ffffu}) {
        on_handle recv(operation_kind::recv_into, ours);
        recv.data = memory_.first(1).data();
        recv.count = count;
        loop().submit(recv);
        ticks(2);
        write_all(sockets.peer.get(), "text");
        ASSERT_TRUE(run_until(recv));
        ASSERT_EQ(recv.result, 4) << count;
    }
    loop().close(ours);
}

TEST_P(Lengths, AReceiveIntoNothingIsRefused) {
    auto sockets = local_pair();
    write_all(sockets.peer.get(), "text");
    tcp_stream ours = stream_of(sockets.ours);
    const auto got = run_task(loop(), receive(ours, {}));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), std::errc::invalid_argument);
    const auto text = run_task(loop(), receive(ours, memory_.first(100)));
    ASSERT_TRUE(text);
    EXPECT_EQ(*text, 4u);
}

TEST_P(Lengths, ADatagramIsWholeInASpanOfAnyLength) {
    auto [ours_end, peer] = make_local_datagram_pair();
    const handle ours = adopt(ours_end, descriptor_kind::datagram);
    for (const std::size_t length : lengths) {
        tracked<receive_from_operation> receive;
        receive.set(ours, memory_.first(length));
        loop().submit(receive);
        write_all(peer.get(), "a datagram");
        ASSERT_TRUE(run_until(receive));
        ASSERT_EQ(receive.result, 10) << length;
        EXPECT_FALSE(receive.truncated);
    }
    tracked<receive_from_operation> receive;
    receive.set(ours, {});
    loop().submit(receive);
    write_all(peer.get(), "cut");
    ASSERT_TRUE(run_until(receive));
    EXPECT_EQ(receive.result, 0);
    EXPECT_TRUE(receive.truncated);
    loop().close(ours);
}

TEST_P(Lengths, ADatagramThatIsTooLongIsRefusedAndNotCut) {
    const address local = address::parse("127.0.0.1:0").value();
    unique_descriptor socket = open_datagram(local).value();
    const unique_descriptor peer = open_datagram(local).value();
    const address to = local_of(peer.get()).value();
    const handle ours = adopt(socket, descriptor_kind::datagram);
    for (const std::size_t length : {std::size_t{70'000}, 2 * gibibyte, 4 * gibibyte, 4 * gibibyte + 4}) {
        tracked<send_to_operation> send;
        send.set(ours, memory_.first(length), to.data(), to.size());
        loop().submit(send);
        ASSERT_TRUE(run_until(send));
        EXPECT_EQ(send.error(), std::errc::message_size) << length;
    }
    EXPECT_FALSE(wait_readable(peer.get(), 0));
    loop().close(ours);
}

TEST_P(Lengths, ASendOfAnyLengthGoesOnUntilItIsStopped) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    for (const std::size_t length : lengths) {
        any_send send;
        send.set(ours, memory_.first(length));
        loop().submit(send);
        received_text got;
        ASSERT_TRUE(run_until([&] {
            got.read_from(sockets.peer.get());
            return got.data.size() >= 1'000'000;
        }));
        ASSERT_EQ(send.completions, 0) << length;
        loop().cancel(send);
        ASSERT_TRUE(run_until([&] {
            got.read_from(sockets.peer.get());
            return send.done();
        }));
        EXPECT_EQ(send.error(), std::errc::operation_canceled) << length;
        EXPECT_GE(send.progress, 1'000'000u);
        got.read_from(sockets.peer.get());
    }
    loop().close(ours);
}

TEST_P(Lengths, AFileIsReadIntoASpanOfAnyLength) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    char name[] = "/tmp/naru-test-XXXXXX";
    const unique_descriptor file(checked(::mkostemp(name, O_CLOEXEC), "mkostemp"));
    EXPECT_EQ(::write(file.get(), "a file", 6), 6);
    const handle opened = loop().reserve_file().value();
    tracked<open_file_operation> open;
    open.set(opened, name);
    loop().submit(open);
    ASSERT_TRUE(run_until(open));
    ::unlink(name);
    ASSERT_EQ(open.result, 0);
    for (const std::size_t length : lengths) {
        tracked<read_file_operation> read;
        read.set(opened, memory_.first(length), 0);
        loop().submit(read);
        ASSERT_TRUE(run_until(read));
        ASSERT_EQ(read.result, 6) << length;
        EXPECT_EQ(memory_.text(6), "a file");
    }
    loop().close(opened);
}

}  // namespace
}  // namespace naru::testing

#endif
