// Operations on files that no socket is part of: what the backend performs and what workers do is the same.
#include "support/conformance.hpp"

#include <naru/fs/file.hpp>
#include <naru/loop/file_operation.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <fcntl.h>
#if !defined(_WIN32)
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace naru::testing {
namespace {

using an_open = tracked<open_file_operation>;
using a_file_read = tracked<read_file_operation>;
using a_write = tracked<write_file_operation>;
using a_sync = tracked<sync_file_operation>;
using a_status = tracked<file_status_operation>;

class FileOperation : public conformance {
 protected:
    void TearDown() override {
        std::filesystem::remove(path_);
        conformance::TearDown();
    }
    /// Open for writing, made anew.
    handle made() {
        const handle fresh = loop().reserve_file().value();
        an_open open;
        open.set(fresh, path_.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        loop().submit(open);
        EXPECT_TRUE(testing::run_until(loop(), [&] { return open.done(); }));
        EXPECT_EQ(open.result, 0) << open.error().message();
        return fresh;
    }
    void write(handle to, std::string_view text, std::uint64_t offset) {
        a_write writes;
        writes.set(to, as_bytes(text), offset);
        loop().submit(writes);
        EXPECT_TRUE(testing::run_until(loop(), [&] { return writes.done(); }));
        EXPECT_EQ(writes.result, static_cast<std::int64_t>(text.size())) << writes.error().message();
        EXPECT_EQ(writes.target, to);
    }
    std::string read(handle from, std::size_t size, std::uint64_t offset) {
        std::string into(size, '.');
        a_file_read reads;
        reads.set(from, std::as_writable_bytes(std::span(into)), offset);
        loop().submit(reads);
        EXPECT_TRUE(testing::run_until(loop(), [&] { return reads.done(); }));
        EXPECT_GE(reads.result, 0) << reads.error().message();
        into.resize(reads.result < 0 ? 0 : static_cast<std::size_t>(reads.result));
        return into;
    }
    void close(handle of) {
        on_handle closes(operation_kind::close, of);
        loop().submit(closes);
        EXPECT_TRUE(testing::run_until(loop(), [&] { return closes.done(); }));
        EXPECT_EQ(closes.result, 0);
    }

    const std::string path_ =
        (std::filesystem::temp_directory_path() / ("naru-file-operation-" + std::to_string(process_number())))
            .string();
};
NARU_ON_EVERY_BACKEND(FileOperation);

TEST_P(FileOperation, WritesSyncsReadsAndTellsTheStatus) {
    const handle file = made();
    write(file, "Hello, ferry.", 0);
    write(file, "again", 7);
    EXPECT_EQ(read(file, 100, 0), "Hello, again.");
    EXPECT_EQ(read(file, 5, 7), "again");
    EXPECT_EQ(read(file, 5, 100), "");
    for (const bool data_only : {false, true}) {
        a_sync sync;
        sync.set(file, data_only);
        loop().submit(sync);
        ASSERT_TRUE(testing::run_until(loop(), [&] { return sync.done(); }));
        EXPECT_EQ(sync.result, 0) << sync.error().message();
    }
    a_status status;
    status.set(file);
    loop().submit(status);
    ASSERT_TRUE(testing::run_until(loop(), [&] { return status.done(); }));
    ASSERT_EQ(status.result, 0) << status.error().message();
    EXPECT_EQ(status.status.size, 13u);
    EXPECT_EQ(status.status.kind, file_kind::regular);
    close(file);
}

TEST_P(FileOperation, LargeWritesGoOutWhole) {
    const handle file = made();
    const std::string large = pattern(3'000'000);
    write(file, large, 5);
    EXPECT_TRUE(read(file, large.size(), 5) == large);
    EXPECT_EQ(read(file, 5, 0), std::string(5, '\0'));
    close(file);
}

#if !defined(_WIN32)
// The open waits for the other end (io_uring's does not), and the loop does not.
TEST_P(FileOperation, OpeningAFifoDoesNotHoldTheLoop) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    const std::string fifo = path_ + ".fifo";
    checked(::mkfifo(fifo.c_str(), 0600), "mkfifo");
    const handle file = loop().reserve_file().value();
    an_open open_it;
    open_it.set(file, fifo.c_str(), O_RDONLY);
    loop().submit(open_it);
    ticks(20);
    const unique_descriptor other(::open(fifo.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    ASSERT_TRUE(run_until(open_it));
    EXPECT_FALSE(open_it.failed());
    close(file);
    ::unlink(fifo.c_str());
}
#endif

TEST_P(FileOperation, AFileThatWasNeverOpenedHasNothingToRelease) {
    const handle reserved = loop().reserve_file().value();
    tracked<release_operation> release;
    release.set(reserved);
    loop().submit(release);
    ASSERT_TRUE(run_until(release));
    EXPECT_EQ(release.error().value(), EBADF) << release.error().message();
}

TEST_P(FileOperation, OfWhatIsNoOpenFileAreRefused) {
    const handle reserved = loop().reserve_file().value();
    char memory[4];
    const auto refusal = [&](auto& of) {
        of.completions = 0;
        loop().submit(of);
        EXPECT_TRUE(testing::run_until(loop(), [&] { return of.done(); }));
        return of.error().value();
    };
    a_file_read read_it;
    a_write write_it;
    a_sync sync_it;
    a_status status_it;
    read_it.set(reserved, std::as_writable_bytes(std::span(memory)), 0);
    write_it.set(reserved, as_bytes(std::string_view("text")), 0);
    sync_it.set(reserved);
    status_it.set(reserved);
    EXPECT_EQ(refusal(read_it), EBADF);
    EXPECT_EQ(refusal(write_it), EBADF);
    EXPECT_EQ(refusal(sync_it), EBADF);
    EXPECT_EQ(refusal(status_it), EBADF);
    close(reserved);
    EXPECT_EQ(refusal(status_it), EBADF) << "the handle is gone";
    const handle listener = loop().open_listener(address::parse("127.0.0.1:0").value(), {}).value();
    status_it.set(listener);
    sync_it.set(listener);
    EXPECT_EQ(refusal(status_it), EINVAL);
    EXPECT_EQ(refusal(sync_it), EINVAL);
    close(listener);
}

// What is linked begins when the one before has succeeded, whoever does it.
TEST_P(FileOperation, GoOnInAChain) {
    const handle file = made();
    const std::string_view text = "in a chain";
    std::string into(text.size(), '.');
    a_write writes;
    a_sync sync;
    a_status status;
    a_file_read reads;
    on_handle closes(operation_kind::close, file);
    writes.set(file, as_bytes(text), 0);
    sync.set(file);
    status.set(file);
    reads.set(file, std::as_writable_bytes(std::span(into)), 0);
    writes.link = &sync;
    sync.link = &status;
    status.link = &reads;
    reads.link = &closes;
    loop().submit(writes);
    ASSERT_TRUE(testing::run_until(loop(), [&] { return closes.done(); }));
    EXPECT_EQ(status.status.size, text.size());
    EXPECT_EQ(into, text);
    EXPECT_EQ(closes.result, 0);
}

TEST_P(FileOperation, ThatFailEndTheirChain) {
    const handle file = loop().reserve_file().value();
    an_open open;
    a_status status;
    const std::string missing = path_ + ".none";
    open.set(file, missing.c_str());
    status.set(file);
    open.link = &status;
    loop().submit(open);
    ASSERT_TRUE(testing::run_until(loop(), [&] { return status.done(); }));
    EXPECT_EQ(open.error().value(), ENOENT);
    EXPECT_EQ(status.error().value(), ECANCELED);
    close(file);
}

// Rule 6: a close ends or joins what is under way, and completes behind it, whoever does it.
TEST_P(FileOperation, AreJoinedByAClose) {
    for (int round = 0; round < 20; ++round) {
        const handle file = made();
        std::vector<a_write> writes(8);
        std::vector<a_status> statuses(8);
        const std::string text = pattern(100'000);
        for (a_write& each : writes) {
            each.set(file, as_bytes(text), 0);
            loop().submit(each);
        }
        for (a_status& each : statuses) {
            each.set(file);
            loop().submit(each);
        }
        on_handle closes(operation_kind::close, file);
        bool all_before = false;
        closes.then = [&] {
            all_before = std::ranges::all_of(writes, [](const a_write& each) { return each.done(); }) &&
                         std::ranges::all_of(statuses, [](const a_status& each) { return each.done(); });
        };
        loop().submit(closes);
        ASSERT_TRUE(testing::run_until(loop(), [&] { return closes.done(); }));
        EXPECT_TRUE(all_before);
        EXPECT_EQ(closes.result, 0);
        for (const a_write& each : writes)
            EXPECT_TRUE(each.result == 100'000 || each.error().value() == ECANCELED) << each.result;
        for (const a_status& each : statuses)
            EXPECT_TRUE(each.result == 0 || each.error().value() == ECANCELED) << each.result;
    }
}

TEST_P(FileOperation, MayBeCanceled) {
    const handle file = made();
    const std::string text = pattern(200'000);
    std::vector<a_write> writes(16);
    std::vector<a_status> statuses(16);
    for (a_write& each : writes) {
        each.set(file, as_bytes(text), 0);
        loop().submit(each);
    }
    for (a_status& each : statuses) {
        each.set(file);
        loop().submit(each);
    }
    for (a_write& each : writes)
        loop().cancel(each);
    for (a_status& each : statuses)
        loop().cancel(each);
    ASSERT_TRUE(testing::run_until(loop(), [&] {
        return std::ranges::all_of(writes, [](const a_write& each) { return each.done(); }) &&
               std::ranges::all_of(statuses, [](const a_status& each) { return each.done(); });
    }));
    for (const a_write& each : writes) {
        EXPECT_EQ(each.completions, 1);
        EXPECT_TRUE(each.result == 200'000 || each.error().value() == ECANCELED) << each.result;
    }
    for (const a_status& each : statuses) {
        EXPECT_EQ(each.completions, 1);
        EXPECT_TRUE(each.result == 0 || each.error().value() == ECANCELED) << each.result;
    }
    close(file);
}

task<> write_and_read(loop& on, std::string path) {
    auto none = co_await file::open(on, path + ".none");
    EXPECT_FALSE(none.has_value());
    {
        auto fresh = co_await file::open(on, path, open_for::writing_anew());
        EXPECT_TRUE(fresh.has_value());
        if (!fresh) co_return;
        const std::string text = "written by a coroutine";
        auto wrote = co_await fresh->write(text, 0);
        EXPECT_EQ(wrote.value_or(0), text.size());
        EXPECT_TRUE((co_await fresh->sync()).has_value());
        auto status = co_await fresh->status();
        EXPECT_TRUE(status.has_value());
        if (status) {
            EXPECT_EQ(status->size, text.size());
        }
        EXPECT_TRUE((co_await fresh->close()).has_value());
    }
    auto twice = co_await file::open(on, path, open_for::writing_new());
    EXPECT_FALSE(twice.has_value());
    if (!twice) {
        EXPECT_EQ(twice.error(), std::errc::file_exists);
    }
    auto behind = co_await file::open(on, path, open_for::appending());
    EXPECT_TRUE(behind.has_value());
    if (!behind) co_return;
    const std::string more = ", twice";
    EXPECT_TRUE((co_await behind->write(more, 0)).has_value());
    EXPECT_TRUE((co_await behind->close()).has_value());
    auto again = co_await file::open(on, path);
    EXPECT_TRUE(again.has_value());
    if (!again) co_return;
    std::string into(100, '.');
    auto got = co_await again->read(into, 0);
    EXPECT_TRUE(got.has_value());
    if (got) {
        EXPECT_EQ(into.substr(0, *got), "written by a coroutine, twice");
    }
}

TEST_P(FileOperation, AreAwaited) { run(loop(), write_and_read(loop(), path_)); }

task<> send_opened(loop& on, std::string path, tcp_stream& to) {
    auto opened = co_await file::open(on, path);
    EXPECT_TRUE(opened.has_value());
    if (!opened) co_return;
    const borrowed_descriptor lent = opened->borrow();
    const auto sent = co_await to.send_file(lent, 3, 6);
    EXPECT_EQ(sent.value_or(0), 6u);
}

// Also one that io_uring keeps outside the process's table.
TEST_P(FileOperation, AnOpenedOneIsSent) {
    const handle written = made();
    write(written, "an opened file", 0);
    close(written);
    auto sockets = tcp_pair();
    tcp_stream to = stream_of(sockets.ours);
    run(loop(), send_opened(loop(), path_, to));
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return got.data.size() >= 6;
    }));
    EXPECT_EQ(got.data, "opened");
}

}  // namespace
}  // namespace naru::testing
