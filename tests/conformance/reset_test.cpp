// A peer that resets its connection: whoever meets that first, reads bring what had come, and then the reset,
// never an ordinary end. A stream that was cut off must not look whole.
#include "support/conformance.hpp"

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

enum class sender { nobody, send, several_slices, linked, file };

class Reset : public conformance {
 protected:
    /// Sends until one has failed. The reset may be under way still, so the first may go out.
    void send_until_refused(handle to, sender how) {
        const unique_descriptor file = file_with("text");
        const instant limit = clock::now() + 10s;
        while (clock::now() < limit && !HasFatalFailure()) {
            if (how == sender::file) {
                any_send_file send;
                send.set(to, file, 0, 4);
                if (failed(send)) return;
                continue;
            }
            a_send send(to, "text");
            std::array<slice, 2> halves{slice(as_bytes(std::string_view(send.text).substr(0, 2))),
                                        slice(as_bytes(std::string_view(send.text).substr(2)))};
            if (how == sender::several_slices) send.set(to, halves.data(), 2);
            a_send second(to, "more");
            if (how == sender::linked) send.link = &second;
            const bool ended = failed(send);
            if (how == sender::linked) run_until(second);
            if (ended) return;
        }
        FAIL() << "the reset does not come";
    }

    /// What reads bring until one fails, and how that ends.
    std::string read_all(handle from, bool into, std::error_code& end) {
        std::string got;
        while (true) {
            a_recv recv(from);
            a_recv_into recv_into(from, 2);
            any_operation& read = into ? static_cast<any_operation&>(recv_into) : recv;
            loop().submit(read);
            if (!run_until(read)) return got;
            end = read.error();
            if (read.failed()) return got;
            got += into ? recv_into.text() : recv.take(loop());
        }
    }

    void expect_reset(handle from, bool into, const std::string& text) {
        for (int again = 0; again < 3; ++again) {
            std::error_code end;
            EXPECT_EQ(read_all(from, into, end), again == 0 ? text : "");
            EXPECT_EQ(end, std::errc::connection_reset) << end.message() << ", read " << again;
            into = !into;
        }
    }

 private:
    template <class Operation>
    bool failed(Operation& op) {
        loop().submit(op);
        if (!run_until(op)) return true;
        return op.failed();
    }
};
NARU_ON_EVERY_BACKEND(Reset);

constexpr sender every_sender[] = {sender::nobody, sender::send, sender::several_slices, sender::linked,
                                   sender::file};

TEST_P(Reset, WhatHadComeIsReadAndThenTheReset) {
    if (!system_tells_resets()) GTEST_SKIP() << "this system shows a reset as an end";
    for (const sender how : every_sender) {
        for (const bool into : {false, true}) {
            SCOPED_TRACE(std::to_string(static_cast<int>(how)) + (into ? " into" : ""));
            auto sockets = tcp_pair();
            const int number = sockets.ours.get();
            write_all(sockets.peer.get(), "abc");
            reset_connection(sockets.peer);
            ASSERT_TRUE(wait_for(number, POLLHUP, 10'000));
            const handle ours = adopt(sockets.ours);
            if (how != sender::nobody) send_until_refused(ours, how);
            expect_reset(ours, into, "abc");
            loop().close(ours);
            settle();
        }
    }
}

TEST_P(Reset, AReadThatWaitsWhileASendMeetsItIsToldToo) {
    if (!system_tells_resets()) GTEST_SKIP() << "this system shows a reset as an end";
    for (const sender how : every_sender) {
        for (const bool into : {false, true}) {
            for (const bool read_first : {false, true}) {
                SCOPED_TRACE(std::to_string(static_cast<int>(how)) + (into ? " into" : ""));
                auto sockets = tcp_pair();
                const handle ours = adopt(sockets.ours);
                a_recv recv(ours);
                a_recv_into recv_into(ours, 16);
                any_operation& read = into ? static_cast<any_operation&>(recv_into) : recv;
                if (read_first) loop().submit(read);
                ticks(3);
                reset_connection(sockets.peer);
                if (!read_first) loop().submit(read);
                if (how != sender::nobody) send_until_refused(ours, how);
                ASSERT_TRUE(run_until(read));
                EXPECT_EQ(read.error(), std::errc::connection_reset) << read.error().message();
                expect_reset(ours, !into, "");
                loop().close(ours);
                settle();
            }
        }
    }
}

TEST_P(Reset, InTheMiddleOfASendItIsToldToTheReadsAsWell) {
    if (!system_tells_resets()) GTEST_SKIP() << "this system shows a reset as an end";
    for (const bool from_file : {false, true}) {
        SCOPED_TRACE(from_file);
        auto sockets = tcp_pair(8192, 8192);
        const handle ours = adopt(sockets.ours);
        const std::string content = pattern(1'000'000);
        const unique_descriptor file = file_with(content);
        a_send send(ours, content);
        any_send_file send_file;
        send_file.set(ours, file, 0, content.size());
        operation& sending = from_file ? static_cast<operation&>(send_file) : send;
        loop().submit(sending);
        received_text got;
        ASSERT_TRUE(run_until([&] {
            got.read_from(sockets.peer.get(), 4096);
            return got.data.size() > 20'000;
        }));
        write_all(sockets.peer.get(), "abc");
        reset_connection(sockets.peer);
        ASSERT_TRUE(run_until([&] { return sending.idle(); }));
        EXPECT_TRUE(sending.failed());
        expect_reset(ours, false, "abc");
        loop().close(ours);
        settle();
    }
}

TEST_P(Reset, AnOrderlyEndStaysOneWhateverASendMeetsLater) {
    for (const bool into : {false, true}) {
        auto sockets = tcp_pair();
        const handle ours = adopt(sockets.ours);
        write_all(sockets.peer.get(), "all of it");
        ASSERT_EQ(end_sending(sockets.peer.get()), 0);
        std::error_code end;
        EXPECT_EQ(read_all(ours, into, end), "all of it");
        EXPECT_EQ(end, errc::end_of_stream) << end.message();
        reset_connection(sockets.peer);
        send_until_refused(ours, sender::send);
        EXPECT_EQ(read_all(ours, into, end), "");
        EXPECT_EQ(end, errc::end_of_stream) << end.message();
        loop().close(ours);
        settle();
    }
}

TEST_P(Reset, ASendAfterOurOwnShutdownSaysNothingOfThePeer) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    ASSERT_TRUE(loop().shutdown_send(ours));
    a_send send(ours, "too late");
    loop().submit(send);
    ASSERT_TRUE(run_until(send));
    EXPECT_EQ(send.error(), std::errc::broken_pipe) << send.error().message();
    write_all(sockets.peer.get(), "all of it");
    sockets.peer.reset();
    std::error_code end;
    EXPECT_EQ(read_all(ours, false, end), "all of it");
    EXPECT_EQ(end, errc::end_of_stream) << end.message();
    loop().close(ours);
}

}  // namespace
}  // namespace naru::testing
