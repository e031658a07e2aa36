// Files opened by name, and chains: operations submitted at once, each begun when the one before succeeded.
#include "support/conformance.hpp"

#include <naru/os/system_calls.hpp>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include <fcntl.h>

namespace naru::testing {
namespace {

using any_open = tracked<open_file_operation>;
using any_read = tracked<read_file_operation>;

/// The chapter's four: open, read, send, close.
struct file_to_peer {
    file_to_peer(handle file, handle peer, const std::string& path, std::size_t size)
        : memory(size, '.'), close(operation_kind::close, file) {
        open.set(file, path.c_str());
        read.set(file, mutable_bytes(reinterpret_cast<std::byte*>(memory.data()), size), 0);
        send.set(peer, as_bytes(memory));
        open.link = &read;
        read.link = &send;
        send.link = &close;
    }
    bool done() const { return open.done() && read.done() && send.done() && close.done(); }
    std::array<int, 4> completions() const {
        return {open.completions, read.completions, send.completions, close.completions};
    }

    std::string memory;
    any_open open;
    any_read read;
    any_send send;
    on_handle close;
};

class Chain : public conformance {
 protected:
    void SetUp() override {
        conformance::SetUp();
        if (loop_ == nullptr) return;
        file_ = loop().reserve_file().value();
        pair_ = tcp_pair(64 * 1024,
                         64 * 1024);  // the system's own grow past 4 MB between two who know each other
        peer_ = adopt(pair_.ours);
    }
    void TearDown() override {
        if (loop_ != nullptr) loop().close(peer_);
        pair_ = {};
        std::filesystem::remove(path_);
        conformance::TearDown();
    }
    void write_file(std::string_view text) { write_file(path_, text); }
    void write_file(const std::string& path, std::string_view text) {
        if (on_sim()) {
            world_->here().write_file(path, text);
        } else {
            std::ofstream(path, std::ios::binary) << text;
        }
    }
    /// The file's handle can be used again after a chain that did not close it.
    void close_file() {
        on_handle close(operation_kind::close, file_);
        loop().submit(close);
        ASSERT_TRUE(run_until(close));
        EXPECT_EQ(close.result, 0);
    }

    std::string path_ =
        (std::filesystem::temp_directory_path() / ("naru-chain-" + std::to_string(process_number())))
            .string();
    handle file_;
    socket_pair pair_;
    handle peer_;
};
NARU_ON_EVERY_BACKEND(Chain);

TEST_P(Chain, OpenReadSendCloseInOneSubmission) {
    const std::string content = pattern(10'000);
    write_file(content);
    for (int round = 0; round < 100; ++round) {
        if (round > 0) file_ = loop().reserve_file().value();
        file_to_peer chain(file_, peer_, path_, content.size());
        loop().submit(chain.open);
        EXPECT_EQ(loop().in_flight(), 4u);
        EXPECT_EQ(chain.completions(), (std::array{0, 0, 0, 0}));
        received_text got;
        ASSERT_TRUE(run_until([&] {
            got.read_from(pair_.peer.get());
            return chain.done() && got.data.size() == content.size();
        }));
        EXPECT_EQ(chain.completions(), (std::array{1, 1, 1, 1}));
        EXPECT_EQ(chain.open.result, 0);
        EXPECT_EQ(chain.read.result, static_cast<std::int64_t>(content.size()));
        EXPECT_EQ(chain.send.result, static_cast<std::int64_t>(content.size()));
        EXPECT_EQ(chain.close.result, 0);
        EXPECT_EQ(got.data, content);
    }
}

TEST_P(Chain, AMissingFileEndsTheRest) {
    const std::string missing = path_ + ".missing";
    file_to_peer chain(file_, peer_, missing, 10);
    loop().submit(chain.open);
    ASSERT_TRUE(run_until([&] { return chain.done(); }));
    EXPECT_EQ(chain.open.error(), std::errc::no_such_file_or_directory);
    for (const operation* each : {static_cast<operation*>(&chain.read), static_cast<operation*>(&chain.send),
                                  static_cast<operation*>(&chain.close)})
        EXPECT_EQ(each->error(), std::errc::operation_canceled);
    EXPECT_EQ(chain.completions(), (std::array{1, 1, 1, 1}));
    close_file();
    received_text got;
    got.read_from(pair_.peer.get());
    EXPECT_EQ(got.data, "");
}

TEST_P(Chain, AFileThatMayNotBeOpenedEndsTheRest) {
    write_file("secret");
    file_to_peer chain(file_, peer_, path_, 6);
    // Root may read anything, on every system: but nobody makes a file that is there.
    chain.open.set(file_, path_.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    loop().submit(chain.open);
    ASSERT_TRUE(run_until([&] { return chain.done(); }));
    EXPECT_EQ(chain.open.error(), std::errc::file_exists);
    EXPECT_EQ(chain.send.error(), std::errc::operation_canceled);
    close_file();
}

TEST_P(Chain, AShortFileIsReadAndNothingIsSent) {
    write_file("short");
    file_to_peer chain(file_, peer_, path_, 100);
    loop().submit(chain.open);
    ASSERT_TRUE(run_until([&] { return chain.done(); }));
    EXPECT_EQ(chain.open.result, 0);
    EXPECT_EQ(chain.read.result, 5);
    EXPECT_EQ(chain.memory.substr(0, 5), "short");
    EXPECT_EQ(chain.send.error(), std::errc::operation_canceled);
    EXPECT_EQ(chain.close.error(), std::errc::operation_canceled);
    close_file();
}

TEST_P(Chain, WithThePeerGoneTheFileIsStillOpen) {
    write_file("for nobody");
    reset_connection(pair_.peer);
    ticks(2);
    file_to_peer chain(file_, peer_, path_, 10);
    loop().submit(chain.open);
    ASSERT_TRUE(run_until([&] { return chain.done(); }));
    EXPECT_EQ(chain.read.result, 10);
    EXPECT_TRUE(chain.send.failed());
    EXPECT_NE(chain.send.error(), std::errc::operation_canceled);
    EXPECT_EQ(chain.close.error(), std::errc::operation_canceled);
    any_read again;
    std::string memory(10, '.');
    again.set(file_, mutable_bytes(reinterpret_cast<std::byte*>(memory.data()), memory.size()), 0);
    loop().submit(again);
    ASSERT_TRUE(run_until(again));
    EXPECT_EQ(memory, "for nobody");
    close_file();
}

TEST_P(Chain, ACancelOfAMemberEndsItAndTheRest) {
    const std::string content = pattern(4'000'000);  // more than the buffers take: the send must wait
    write_file(content);
    file_to_peer chain(file_, peer_, path_, content.size());
    loop().submit(chain.open);
    loop().cancel(chain.send);  // long before its turn
    ASSERT_TRUE(run_until([&] { return chain.done(); }));
    EXPECT_EQ(chain.completions(), (std::array{1, 1, 1, 1}));
    EXPECT_EQ(chain.send.error(), std::errc::operation_canceled);
    EXPECT_EQ(chain.close.error(), std::errc::operation_canceled);
    close_file();
}

// Before their turn: then there is no buffer that they could end with.
TEST_P(Chain, ACancelEndsMembersThatWouldWaitForABuffer) {
    std::vector<std::byte*> taken;
    while (std::byte* const each = loop().buffers().acquire())
        taken.push_back(each);
    auto another = local_pair();
    received_ahead ahead;
    ahead.bytes.resize(3);
    const handle held =
        loop()
            .attach(another.ours.release(), descriptor_kind::stream, ownership::own, std::move(ahead))
            .value();
    on_handle turns[] = {{operation_kind::readable, peer_}, {operation_kind::readable, peer_}};
    tracked<buffer_operation> buffer;
    a_recv recv(held);
    turns[0].link = &buffer;
    turns[1].link = &recv;
    for (on_handle& each : turns)
        loop().submit(each);
    ticks(2);
    loop().cancel(buffer);
    loop().cancel(recv);
    write_all(pair_.peer.get(), "go");
    EXPECT_TRUE(run_until([&] { return buffer.done() && recv.done(); }));
    EXPECT_EQ(buffer.error(), std::errc::operation_canceled);
    EXPECT_EQ(recv.error(), std::errc::operation_canceled);
    for (std::byte* const each : taken)
        loop().buffers().release(each);
    loop().close(held);
}

TEST_P(Chain, ACloseOfThePeerEndsAWaitingSend) {
    const std::string content = pattern(4'000'000);
    write_file(content);
    file_to_peer chain(file_, peer_, path_, content.size());
    loop().submit(chain.open);
    ticks(3);
    on_handle close(operation_kind::close, peer_);
    loop().submit(close);
    ASSERT_TRUE(run_until([&] { return chain.done() && close.done(); }));
    EXPECT_TRUE(chain.send.failed());
    EXPECT_EQ(chain.completions(), (std::array{1, 1, 1, 1}));
    close_file();
    received_text got;  // and the peer has its end
    ASSERT_TRUE(run_until([&] {
        got.read_from(pair_.peer.get());
        return got.ended;
    }));
}

TEST_P(Chain, OperationsOfAnyKindCanBeLinked) {
    a_send greeting(peer_, "hello, ");
    a_send rest(peer_, "peer");
    a_recv_into answer(peer_, 2);
    greeting.link = &rest;
    rest.link = &answer;
    loop().submit(greeting);
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(pair_.peer.get());
        return got.data.size() == 11;
    }));
    EXPECT_EQ(got.data, "hello, peer");
    EXPECT_FALSE(answer.done());
    write_all(pair_.peer.get(), "ok");
    ASSERT_TRUE(run_until(answer));
    EXPECT_EQ(answer.text(), "ok");
    EXPECT_EQ(greeting.completions + rest.completions, 2);
}

TEST_P(Chain, MoreFilesThanTheRingHasPlacesFor) {
    write_file("one of many");
    std::vector<handle> files{file_};
    while (files.size() < limits::ring_files + 10)
        files.push_back(loop().reserve_file().value());
    for (const handle each : files) {
        file_to_peer chain(each, peer_, path_, 11);
        loop().submit(chain.open);
        ASSERT_TRUE(run_until([&] { return chain.done(); }));
        EXPECT_EQ(chain.close.result, 0) << chain.open.error().message();
        received_text got;
        got.read_from(pair_.peer.get());
        EXPECT_EQ(got.data, "one of many");
    }
}

TEST_P(Chain, ACloseInAChainWaitsForWhatElseIsUnderWay) {
    write_file(pattern(100'000));
    any_open open;
    open.set(file_, path_.c_str(), O_RDONLY);
    loop().submit(open);
    ASSERT_TRUE(run_until(open));
    ASSERT_EQ(open.result, 0);
    for (int round = 0; round < 20; ++round) {
        if (round > 0) {
            file_ = loop().reserve_file().value();
            open.completions = 0;
            open.set(file_, path_.c_str());
            loop().submit(open);
            ASSERT_TRUE(run_until(open));
        }
        std::vector<std::byte> first_memory(100'000);
        std::vector<std::byte> second_memory(50'000);
        any_read first;
        any_read second;
        any_read late;
        on_handle close(operation_kind::close, file_);
        first.set(file_, first_memory, 0);
        second.set(file_, second_memory, 0);
        late.set(file_, second_memory, 0);
        second.link = &close;
        loop().submit(first);
        loop().submit(second);
        loop().submit(late);
        ASSERT_TRUE(run_until([&] { return first.done() && second.done() && late.done() && close.done(); }));
        EXPECT_EQ(first.result, 100'000);
        EXPECT_EQ(second.result, 50'000);
        EXPECT_EQ(close.result, 0);
        EXPECT_EQ(first.completions + second.completions + late.completions + close.completions, 4);
    }
}

// The path of an open that is not the first of its chain is read when its turn comes, not before.
TEST_P(Chain, AnOpenInTheMiddleHasItsPathFromTheReadBeforeIt) {
    const std::string other = path_ + ".other";
    write_file(other, "the other");
    write_file(other + std::string(1, '\0'));
    std::string path(other.size() + 1, '.');
    const handle second = loop().reserve_file().value();
    any_open open;
    any_read read;
    any_open open_other;
    open.set(file_, path_.c_str());
    read.set(file_, mutable_bytes(reinterpret_cast<std::byte*>(path.data()), path.size()), 0);
    open_other.set(second, path.data());
    open.link = &read;
    read.link = &open_other;
    loop().submit(open);
    ASSERT_TRUE(run_until(open_other));
    EXPECT_EQ(open_other.result, 0) << open_other.error().message();
    loop().close(second);
    std::filesystem::remove(other);
    close_file();
}

TEST_P(Chain, AReservedFileMayBeClosedUnopened) {
    on_handle close(operation_kind::close, file_);
    loop().submit(close);
    ASSERT_TRUE(run_until(close));
    EXPECT_EQ(close.result, 0);
    a_recv gone(file_);
    loop().submit(gone);
    ASSERT_TRUE(run_until(gone));
    EXPECT_EQ(gone.error(), std::errc::bad_file_descriptor);
}

TEST_P(Chain, ACloseWhileAFileIsBeingOpenedLeavesNothingBehind) {
    write_file("x");
    for (int round = 0; round < 50; ++round) {
        if (round > 0) file_ = loop().reserve_file().value();
        any_open open;
        open.set(file_, path_.c_str());
        loop().submit(open);
        if (round % 2 == 0) ticks(1);
        on_handle close(operation_kind::close, file_);
        loop().submit(close);
        ASSERT_TRUE(run_until([&] { return open.done() && close.done(); }));
        EXPECT_EQ(close.result, 0);
    }
}

TEST_P(Chain, FileOperationsOnASocketAreRefused) {
    any_open open;
    open.set(peer_, path_.c_str());
    loop().submit(open);
    ASSERT_TRUE(run_until(open));
    EXPECT_EQ(open.error(), std::errc::invalid_argument);
    loop().close(file_);
}

}  // namespace
}  // namespace naru::testing
