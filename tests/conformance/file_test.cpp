// Sending files.
#include "support/conformance.hpp"

#include <naru/os/system_calls.hpp>

namespace naru::testing {
namespace {

class SendFile : public conformance {
 protected:
    /// Reads everything that comes until `send` has completed and `size` bytes are there.
    std::string read_while(const any_send_file& send, int peer, std::size_t size,
                           std::size_t step = 100'000) {
        received_text got;
        run_until(
            [&] {
                got.read_from(peer, step);
                return send.done() && got.data.size() >= size;
            },
            20s);
        return got.data;
    }
};
NARU_ON_EVERY_BACKEND(SendFile);

TEST_P(SendFile, WholeAndFromAnOffset) {
    const std::string content = pattern(2'500'000);
    const unique_descriptor file = file_with(content);
    for (const std::size_t offset :
         {std::size_t{0}, std::size_t{1}, std::size_t{777'777}, content.size() - 1}) {
        auto sockets = tcp_pair();
        const handle ours = adopt(sockets.ours);
        any_send_file send;
        send.set(ours, file, offset, content.size() - offset);
        loop().submit(send);
        EXPECT_EQ(send.completions, 0);
        const std::string got = read_while(send, sockets.peer.get(), content.size() - offset);
        EXPECT_EQ(send.completions, 1);
        EXPECT_EQ(send.result, static_cast<std::int64_t>(content.size() - offset));
        EXPECT_EQ(send.offset, content.size());
        EXPECT_EQ(send.remaining, 0u);
        EXPECT_TRUE(got == content.substr(offset));
        loop().close(ours);
    }
}

TEST_P(SendFile, ToASlowReader) {
    auto sockets = tcp_pair(8192, 8192);
    const handle ours = adopt(sockets.ours);
    const std::string content = pattern(1'500'000);
    const unique_descriptor file = file_with(content);
    any_send_file send;
    send.set(ours, file, 0, content.size());
    loop().submit(send);
    const std::string got = read_while(send, sockets.peer.get(), content.size(), 20'000);
    EXPECT_TRUE(got == content);
    EXPECT_EQ(send.progress, content.size());
    loop().close(ours);
}

TEST_P(SendFile, NothingIsSentOfNothing) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    const unique_descriptor file = file_with("x");
    any_send_file send;
    send.set(ours, file, 0, 0);
    loop().submit(send);
    ASSERT_TRUE(run_until([&] { return send.done(); }));
    EXPECT_EQ(send.result, 0);
    loop().close(ours);
}

TEST_P(SendFile, PastTheEndIsEndOfFileAfterWhatThereIs) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    const unique_descriptor file = file_with("short file");
    any_send_file send;
    send.set(ours, file, 6, 1000);
    loop().submit(send);
    const std::string got = read_while(send, sockets.peer.get(), 4);
    EXPECT_EQ(send.error(), errc::end_of_file);
    EXPECT_EQ(send.progress, 4u);
    EXPECT_EQ(got, "file");
    send.completions = 0;
    send.set(ours, file, 5000, 10);
    loop().submit(send);
    ASSERT_TRUE(run_until([&] { return send.done(); }));
    EXPECT_EQ(send.error(), errc::end_of_file);
    EXPECT_EQ(send.progress, 0u);
    // The connection is as good as before.
    a_send after(ours, "after");
    loop().submit(after);
    ASSERT_TRUE(run_until(after));
    EXPECT_EQ(after.result, 5);
    loop().close(ours);
}

task<result<std::size_t>> send_part(tcp_stream& to, lent_descriptor file, std::uint64_t& sent) {
    co_return co_await to.send_file(file, 6, 1000, &sent);
}

TEST_P(SendFile, ACoroutineLearnsHowMuchThereWas) {
    auto sockets = tcp_pair();
    tcp_stream to = stream_of(sockets.ours);
    const unique_descriptor file = file_with("short file");
    std::uint64_t sent = 0;
    const auto done = run_task(loop(), send_part(to, file, sent));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error(), errc::end_of_file);
    EXPECT_EQ(sent, 4u);
    const std::string text = done.error().message();
    EXPECT_NE(text.find("the file ends"), std::string::npos) << text;
    EXPECT_EQ(text.find("peer"), std::string::npos) << text;
}

TEST_P(SendFile, AFileThatShrinksMeanwhileIsEndOfFile) {
    auto sockets = tcp_pair(8192, 8192);
    const handle ours = adopt(sockets.ours);
    const std::string content = pattern(8'000'000);
    const unique_descriptor file = file_with(content);
    any_send_file send;
    send.set(ours, file, 0, content.size());
    loop().submit(send);
    ticks(3);
    ASSERT_EQ(send.completions, 0);
    empty_file(file.get());
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return send.done();
    }));
    EXPECT_EQ(send.error(), errc::end_of_file);
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return got.data.size() == send.progress;
    }));
    EXPECT_LT(send.progress, content.size());
    loop().close(ours);
}

TEST_P(SendFile, InOrderBetweenOtherSends) {
    auto sockets = tcp_pair(8192, 8192);
    const handle ours = adopt(sockets.ours);
    const std::string content = pattern(300'000);
    const unique_descriptor file = file_with(content);
    a_send head(ours, "head:");
    any_send_file body;
    body.set(ours, file, 0, content.size());
    a_send tail(ours, ":tail");
    loop().submit(head);
    loop().submit(body);
    loop().submit(tail);
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get(), 30'000);
        return tail.done() && got.data.size() == content.size() + 10;
    }));
    EXPECT_TRUE(got.data == "head:" + content + ":tail");
    loop().close(ours);
}

TEST_P(SendFile, ReceivesGoOnMeanwhile) {
    const std::string content = pattern(1'000'000);
    const unique_descriptor file = file_with(content);
    for (const bool into_own_memory : {false, true}) {
        auto sockets = tcp_pair(8192, 8192);
        const handle ours = adopt(sockets.ours);
        any_send_file send;
        send.set(ours, file, 0, content.size());
        loop().submit(send);
        ticks(3);
        ASSERT_EQ(send.completions, 0);
        received_text got;
        for (int round = 0; round < 5; ++round) {
            a_recv recv(ours);
            a_recv_into into(ours, 32);
            on_handle& pending = into_own_memory ? static_cast<on_handle&>(into) : recv;
            loop().submit(pending);
            ticks(3);
            ASSERT_EQ(pending.completions, 0) << pending.error().message();
            write_all(sockets.peer.get(), "meanwhile");
            ASSERT_TRUE(run_until(pending));
            EXPECT_EQ(into_own_memory ? into.text() : recv.take(loop()), "meanwhile");
            got.read_from(sockets.peer.get(), 20'000);
        }
        ASSERT_TRUE(run_until([&] {
            got.read_from(sockets.peer.get(), 50'000);
            return send.done() && got.data.size() == content.size();
        }));
        EXPECT_TRUE(got.data == content);
        // The socket is as it was: receiving waits again.
        a_recv_into after(ours, 8);
        loop().submit(after);
        ticks(3);
        EXPECT_EQ(after.completions, 0);
        write_all(sockets.peer.get(), "after");
        ASSERT_TRUE(run_until(after));
        EXPECT_EQ(after.text(), "after");
        loop().close(ours);
    }
}

TEST_P(SendFile, WhatIsNotAFileIsAnError) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    any_send_file send;
    send.set(ours, lent_descriptor(), 0, 10);
    loop().submit(send);
    ASSERT_TRUE(run_until([&] { return send.done(); }));
    EXPECT_EQ(send.error(), std::errc::bad_file_descriptor);
    loop().close(ours);
}

TEST(SendFileByCopy, KeepsTheSameContract) {
    const std::string content = pattern(200'000);
    const unique_descriptor file = file_with(content);
    auto sockets = tcp_pair(8192, 8192);
    std::uint64_t offset = 1000;
    received_text got;
    for (int step = 0; offset < content.size() && step < 100'000; ++step) {
        const std::int64_t sent =
            system_calls::send_file_by_copy(sockets.ours.get(), file.get(), offset, content.size() - offset);
        if (sent == system_calls::would_block) {
            ASSERT_TRUE(wait_readable(sockets.peer.get(), 10'000));
            got.read_from(sockets.peer.get());
            continue;
        }
        ASSERT_GT(sent, 0);
        offset += static_cast<std::uint64_t>(sent);
    }
    ASSERT_EQ(offset, content.size());
    EXPECT_EQ(system_calls::send_file_by_copy(sockets.ours.get(), file.get(), offset, 10),
              outcome::end_of_file);
    while (got.data.size() < content.size() - 1000) {
        ASSERT_TRUE(wait_readable(sockets.peer.get(), 10'000));
        got.read_from(sockets.peer.get());
    }
    EXPECT_TRUE(got.data == content.substr(1000));
}

}  // namespace
}  // namespace naru::testing
