// How a TLS layer sends much: the records, the sends beneath and the reads of a file that it takes, and the
// buffers that it holds meanwhile. In simulated time, over a socket that shows what it is given.
#include "support/backends.hpp"
#include "support/conformance.hpp"
#include "tls/pair.hpp"

#include <naru/core/limits.hpp>
#include <naru/stream/tls/tls_layer.hpp>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace {

std::size_t reads_of_files = 0;

}  // namespace

extern "C" {
ssize_t __real_pread(int file, void* into, size_t size, off_t offset);
ssize_t __wrap_pread(int file, void* into, size_t size, off_t offset) {
    ++reads_of_files;
    return __real_pread(file, into, size, offset);
}
}

namespace naru::testing {
namespace {

/// What stands beneath the layer: takes all that is sent at once, or nothing until it is told to.
struct shown_socket final : handle_layer {
    explicit shown_socket(naru::loop& of) : handle_layer(handle()), on(of), own(on.put(*this).value()) {}

    void take(operation& op) noexcept override {
        switch (op.kind) {
            case operation_kind::recv:
                receiving = &op;
                return hand_on();
            case operation_kind::send:
                sending = &op;
                if (takes) accept();
                return;
            case operation_kind::close:
                on.remove(own);
                return on.finish(op, 0);
            default:
                return on.finish(op, outcome::from_errno(EINVAL));
        }
    }
    void cancel(operation& op) noexcept override {
        (&op == receiving ? receiving : sending) = nullptr;
        on.finish(op, outcome::canceled);
    }
    result<void> shutdown_send() noexcept override { return {}; }
    void reset_on_close() noexcept override {}
    bool waits_for_buffer() noexcept override { return false; }
    std::size_t kept() noexcept override { return 0; }

    void accept() {
        std::size_t size = 0;
        for (const slice& each : std::span(sending->slices, sending->count)) {
            output.append(static_cast<const char*>(static_cast<const void*>(each.data)), each.size);
            size += each.size;
        }
        sends.push_back(size);
        on.finish(*std::exchange(sending, nullptr), static_cast<std::int64_t>(size));
    }
    void hand_on() {
        if (receiving == nullptr || input.empty()) return;
        std::byte* const into = on.buffers().acquire();
        const std::size_t size = input.copy(reinterpret_cast<char*>(into), limits::buffer_bytes);
        input.erase(0, size);
        receiving->data = into;
        on.finish(*std::exchange(receiving, nullptr), static_cast<std::int64_t>(size));
    }

    naru::loop& on;
    handle own;
    operation* receiving = nullptr;
    operation* sending = nullptr;
    std::string input;
    std::string output;
    std::vector<std::size_t> sends;
    bool takes = true;
};

template <class Operation>
struct noted : Operation {
    noted() : Operation([](operation& op) noexcept { static_cast<noted&>(op).ended = true; }) {}
    bool ended = false;
};

class TlsSending : public ::testing::Test {
 protected:
    TlsSending()
        : world_(sim_variant().world(1)),
          loop_(sim_variant().make().backend),
          among_(loop_),
          socket_(loop_),
          own_(tls_layer::accept(loop_, socket_.own, server_context(), among_).value()) {
        EXPECT_TRUE(client_.engine.connect(client_context(), "localhost"));
        noted<receive_operation> reading;  // there are handshakes only for those who read or send
        reading.set(own_);
        loop_.submit(reading);
        client_.step();
        EXPECT_TRUE(run([&] {
            move();
            return client_.established && *client_.established && layer().established();
        }));
        loop_.cancel(reading);
        EXPECT_TRUE(run([&] { return reading.ended && socket_.sending == nullptr; }));
        move();
        socket_.sends.clear();
        before_ = loop_.buffers().leased();
    }
    ~TlsSending() override {
        socket_.takes = true;
        if (socket_.sending != nullptr) socket_.accept();
        close(own_);
        EXPECT_EQ(loop_.buffers().leased(), 0u);
    }

    template <class Predicate>
    bool run(Predicate done) {
        return run_until(loop_, done);
    }
    void pass(duration span) {
        const instant then = loop_.now() + span;
        EXPECT_TRUE(run_until(loop_, [&] { return loop_.now() > then; }, 2 * span + 1s));
    }
    /// What each has said goes to the other.
    void move() {
        socket_.input += client_.output();
        socket_.hand_on();
        note_records();
        client_.arrived += std::exchange(socket_.output, {});
        client_.step();
    }
    void note_records() {
        const std::string_view all = socket_.output;
        records_.clear();
        for (std::size_t at = 0; at + 5 <= all.size();) {
            const std::size_t size =
                static_cast<unsigned char>(all[at + 3]) * 256u + static_cast<unsigned char>(all[at + 4]);
            records_.push_back(size);
            at += 5 + size;
        }
    }
    tls_layer& layer() { return *tls_layer::find(loop_, own_); }
    std::size_t held() { return loop_.buffers().leased() - before_; }
    handle begin(shown_socket& beneath, tls_side& client) {
        EXPECT_TRUE(client.engine.connect(client_context(), "localhost"));
        client.step();
        return tls_layer::accept(loop_, beneath.own, server_context(), among_).value();
    }
    /// The client's last flight comes with its first words.
    bool shake(shown_socket& beneath, tls_side& client, std::string_view words) {
        beneath.input += client.output();
        beneath.hand_on();
        if (!run([&] { return !beneath.output.empty(); })) return false;
        client.arrived = std::exchange(beneath.output, {});
        client.step();
        client.write(words);
        beneath.input += client.sent;
        beneath.hand_on();
        return client.established && *client.established;
    }
    /// The handshake, and what the client says with its end.
    void take_request(handle own, shown_socket& beneath, tls_side& client) {
        noted<receive_operation> request;
        request.set(own);
        loop_.submit(request);
        EXPECT_TRUE(shake(beneath, client, "a request"));
        EXPECT_TRUE(run([&] { return request.ended; }));
        EXPECT_EQ(request.result, 9);
        loop_.buffers().release(request.data);
    }
    void close(handle own) {
        noted<close_operation> closing;
        closing.set(own);
        loop_.submit(closing);
        EXPECT_TRUE(run([&] { return closing.ended; }));
    }
    std::size_t send(std::string_view text, std::uint8_t flags = 0) {
        slice one(text);
        noted<send_operation> sending;
        sending.set(own_, &one, 1);
        sending.flags = flags;
        loop_.submit(sending);
        EXPECT_TRUE(run([&] { return sending.ended; }));
        move();
        return static_cast<std::size_t>(sending.result);
    }

    std::unique_ptr<sim::world> world_;
    naru::loop loop_;
    tls_handshakes among_;
    shown_socket socket_;
    handle own_;
    tls_side client_;
    std::vector<std::size_t> records_;  // their sizes, of what has come last
    std::size_t before_ = 0;
};

// TLS 1.3: a byte for the kind, and AES-GCM's tag.
constexpr std::size_t in_record(std::size_t plaintext) { return plaintext + 17; }
constexpr std::size_t full = in_record(std::size_t{16} * 1024);
constexpr std::size_t early = in_record(limits::tls_early_record);

TEST_F(TlsSending, AFileGoesInFullRecordsAFewBuffersAtATime) {
    const std::string content = pattern(4 * 1024 * 1024, 1);
    const scratch_directory files;
    std::FILE* const file = std::fopen(files.write("f", content).c_str(), "rb");
    ASSERT_NE(file, nullptr);
    noted<send_file_operation> sending;
    sending.set(own_, lent_descriptor(fileno(file)), 0, content.size());
    reads_of_files = 0;
    loop_.submit(sending);
    ASSERT_TRUE(run([&] { return sending.ended; }));
    EXPECT_EQ(sending.result, static_cast<std::int64_t>(content.size()));
    move();
    EXPECT_TRUE(client_.received == content);
    // 64 KiB at a time, less what the records are beside the plaintext; the early ones are read apart.
    EXPECT_EQ(socket_.sends.size(), 65u);
    EXPECT_EQ(reads_of_files, socket_.sends.size() + 1);
    for (std::size_t each = 0; each < 4; ++each)
        EXPECT_EQ(records_.at(each), early);
    EXPECT_EQ(std::count(records_.begin(), records_.end(), full), 2 + 3 * 63 + 2);
    EXPECT_EQ(records_.size(), 7u + 4 * 63 + 3);
    std::fclose(file);
}

TEST_F(TlsSending, APeerThatTakesNothingHoldsAFewBuffers) {
    const std::string much = pattern(2'000'000, 2);
    slice one(much);
    noted<send_operation> sending;
    sending.set(own_, &one, 1);
    socket_.takes = false;
    loop_.submit(sending);
    ASSERT_TRUE(run([&] { return socket_.sending != nullptr; }));
    EXPECT_EQ(held(), limits::tls_send_buffers);
    EXPECT_EQ(layer().kept(), limits::tls_send_buffers);
    socket_.takes = true;
    socket_.accept();
    ASSERT_TRUE(run([&] { return sending.ended; }));
    EXPECT_EQ(held(), 0u);
    EXPECT_EQ(layer().kept(), 0u);
    move();
    EXPECT_TRUE(client_.received == much);
}

TEST_F(TlsSending, ItsProgressIsWhatHasGoneBeneathInProportion) {
    const std::string much = pattern(200'000, 9);
    slice one(much);
    noted<send_operation> sending;
    sending.set(own_, &one, 1);
    socket_.takes = false;
    layer().show_progress();  // of nothing
    loop_.submit(sending);
    std::uint64_t before = 0;
    while (!sending.ended) {
        ASSERT_TRUE(run([&] { return socket_.sending != nullptr || sending.ended; }));
        if (sending.ended) break;
        EXPECT_EQ(sending.progress, before);
        const std::uint64_t all = total_size({socket_.sending->slices, socket_.sending->count});
        const std::uint64_t plaintext = much.size() - before - one.size;
        for (const std::uint64_t gone : {std::uint64_t{0}, std::uint64_t{1'000}, all / 2, all / 2, all - 1}) {
            socket_.sending->progress = gone;
            layer().show_progress();
            EXPECT_EQ(sending.progress, before + plaintext * gone / all);
        }
        before += plaintext;
        socket_.accept();
        ASSERT_TRUE(run([&] { return socket_.sending != nullptr || sending.ended; }));
    }
    EXPECT_EQ(sending.progress, much.size());
    EXPECT_EQ(sending.result, static_cast<std::int64_t>(much.size()));
    layer().show_progress();
    EXPECT_EQ(sending.progress, much.size());
    move();
    EXPECT_TRUE(client_.received == much);
}

TEST_F(TlsSending, WhileOthersHoldManyBuffersItTakesOne) {
    buffer_pool& pool = loop_.buffers();
    std::vector<std::byte*> others;
    while (pool.leased() * limits::tls_send_share < pool.capacity())
        others.push_back(pool.acquire());
    before_ = pool.leased();
    const std::string much = pattern(200'000, 3);
    slice one(much);
    noted<send_operation> sending;
    sending.set(own_, &one, 1);
    socket_.takes = false;
    loop_.submit(sending);
    ASSERT_TRUE(run([&] { return socket_.sending != nullptr; }));
    EXPECT_EQ(held(), 1u);
    // And none of the pool when there is none.
    while (std::byte* const each = pool.acquire())
        others.push_back(each);
    before_ = pool.leased() - 1;
    socket_.accept();
    ASSERT_TRUE(run([&] { return socket_.sending != nullptr; }));
    EXPECT_EQ(held(), 1u);
    others.push_back(pool.acquire());
    EXPECT_EQ(others.back(), nullptr);
    others.pop_back();
    socket_.takes = true;
    socket_.accept();
    ASSERT_TRUE(run([&] { return sending.ended; }));
    move();
    EXPECT_TRUE(client_.received == much);
    for (const std::byte* const each : others)
        pool.release(each);
    before_ = 0;
}

TEST_F(TlsSending, RecordsAreSmallAtFirstAndAfterASilence) {
    const std::string much = pattern(60'000, 4);
    EXPECT_EQ(send(much), much.size());
    EXPECT_EQ(records_, (std::vector<std::size_t>{early, early, early, early, full, full,
                                                  in_record(much.size() - 3 * 16'384)}));
    pass(limits::tls_silence / 2);
    EXPECT_EQ(send(much), much.size());
    EXPECT_EQ(records_, (std::vector<std::size_t>{full, full, full, in_record(much.size() - 3 * 16'384)}));
    pass(limits::tls_silence * 2);
    EXPECT_EQ(send("little"), 6u);
    EXPECT_EQ(send(much), much.size());
    EXPECT_EQ(std::vector(records_.begin(), records_.begin() + 3),
              (std::vector<std::size_t>{early, early, early}));
    EXPECT_TRUE(client_.received == much + much + "little" + much);
}

TEST_F(TlsSending, WhatHasTheSizeOfARecordIsOne) {
    EXPECT_EQ(send(pattern(16'384, 5)), 16'384u);  // the early ones
    const std::string one = pattern(16'384, 6);
    socket_.sends.clear();
    EXPECT_EQ(send(one), one.size());
    EXPECT_EQ(records_, std::vector{full});
    EXPECT_EQ(socket_.sends, std::vector{full + 5});
    EXPECT_EQ(held(), 0u);
}

TEST_F(TlsSending, WhatIsSentWithMoreLeavesWithWhatFollows) {
    EXPECT_EQ(send("a head, ", operation_flags::more), 8u);
    EXPECT_EQ(socket_.sends.size(), 0u);
    EXPECT_EQ(held(), 1u);
    EXPECT_EQ(send("more of it, ", operation_flags::more), 12u);
    EXPECT_EQ(send("and a body"), 10u);
    EXPECT_EQ(socket_.sends.size(), 1u);
    EXPECT_EQ(records_, (std::vector{in_record(8), in_record(12), in_record(10)}));
    EXPECT_EQ(held(), 0u);
    // Much follows: it has all the buffers that it may have.
    EXPECT_EQ(send("a head, ", operation_flags::more), 8u);
    const std::string much = pattern(40'000, 7);
    EXPECT_EQ(send(much), much.size());
    EXPECT_EQ(socket_.sends.size(), 2u);
    // Nothing follows.
    EXPECT_EQ(send("the end", operation_flags::more), 7u);
    EXPECT_EQ(send("", operation_flags::more), 0u);
    EXPECT_EQ(socket_.sends.size(), 2u);
    EXPECT_TRUE(run([&] { return socket_.sends.size() == 3; }));
    move();
    EXPECT_EQ(client_.received,
              "a head, more of it, and a body"
              "a head, " +
                  much + "the end");
    EXPECT_FALSE(client_.read_error);
    // It is closed, or our direction ends.
    EXPECT_EQ(send("bye", operation_flags::more), 3u);
    EXPECT_TRUE(loop_.shutdown_send(own_));
    EXPECT_EQ(socket_.sends.size(), 4u);
    move();
    EXPECT_TRUE(client_.received.ends_with("the endbye"));
    EXPECT_EQ(client_.read_error, errc::end_of_stream);
}

TEST_F(TlsSending, WhatIsMuchIsNotHeld) {
    EXPECT_EQ(send(pattern(9'000, 8), operation_flags::more), 9'000u);
    EXPECT_EQ(socket_.sends.size(), 1u);
}

TEST_F(TlsSending, WhatIsHeldGoesWithTheEndOfAConnectionThatIsNotCut) {
    for (const bool cut : {false, true}) {
        shown_socket beneath(loop_);
        tls_side client;
        const handle own = begin(beneath, client);
        take_request(own, beneath, client);
        // The tickets wait for the answer, and both for the end.
        EXPECT_EQ(beneath.sends.size(), 1u);
        slice answer("an answer");
        noted<send_operation> sending;
        sending.set(own, &answer, 1);
        sending.flags = operation_flags::more;
        loop_.submit(sending);
        EXPECT_TRUE(run([&] { return sending.ended; }));
        EXPECT_EQ(beneath.sends.size(), 1u);
        if (cut) loop_.reset_on_close(own);
        close(own);
        EXPECT_EQ(beneath.sends.size(), cut ? 1u : 2u);
        client.arrived = beneath.output;
        client.step();
        EXPECT_EQ(client.received, cut ? "" : "an answer");
        EXPECT_EQ(client.read_error == errc::end_of_stream, !cut);
        EXPECT_EQ(held(), 0u);
    }
}

TEST_F(TlsSending, TicketsDoNotWaitForAnAnswerForLong) {
    shown_socket beneath(loop_);
    tls_side client;
    const handle own = begin(beneath, client);
    take_request(own, beneath, client);
    EXPECT_TRUE(run([&] { return beneath.sends.size() == 2; }));
    client.arrived = beneath.output;
    client.step();
    EXPECT_TRUE(client.engine.session());
    EXPECT_TRUE(run([&] { return held() == 0; }));
    close(own);
}

}  // namespace
}  // namespace naru::testing
