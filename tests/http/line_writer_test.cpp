// A log whose reader, disk or thread does not do its part. No engine.
#include "fixture.hpp"

#include <naru/fs/files.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/line_writer.hpp>

#include <array>
#include <csignal>

#include <fcntl.h>
#include <unistd.h>

namespace naru::testing {
namespace {

using http::line_writer;

struct small_pipe {
    small_pipe() {
        std::array<int, 2> ends{};
        checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
        reader.reset(ends[0]);
        writer.reset(ends[1]);
        checked(::fcntl(writer.get(), F_SETPIPE_SZ, 4096), "F_SETPIPE_SZ");
    }
    /// What has arrived; waits for the first byte, or the end.
    std::string read() const {
        std::string got(8192, '\0');
        const ssize_t size = ::read(reader.get(), got.data(), got.size());
        got.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        return got;
    }
    unique_descriptor reader;
    unique_descriptor writer;
};

std::string describe(std::uint64_t lines, std::error_code why) {
    return std::to_string(lines) + " lost: " + (why ? why.message() : "too fast");
}

std::string line(char letter, std::size_t size) { return std::string(size - 1, letter) + '\n'; }

class line_writer_test : public ::testing::Test {
 protected:
    void SetUp() override {
        ::signal(SIGPIPE, [](int) {});
    }
    line_writer::settings reporting(std::size_t most) {
        return {{}, most, describe, [this](std::string_view each) {
                    const std::lock_guard lock(mutex_);
                    reports_.emplace_back(each);
                }};
    }
    std::vector<std::string> reports() {
        const std::lock_guard lock(mutex_);
        return reports_;
    }

 private:
    std::mutex mutex_;
    std::vector<std::string> reports_;
};

TEST_F(line_writer_test, a_reader_that_stalls_does_not_hold_up_the_end) {
    small_pipe pipe;
    std::size_t written = 0;
    {
        line_writer log(std::move(pipe.writer), reporting(100'000));
        for (int each = 0; each < 10; ++each)
            log.append(line('a', 1000));
    }
    const std::string got = pipe.read();
    written = static_cast<std::size_t>(std::count(got.begin(), got.end(), '\n'));
    EXPECT_GT(written, 0u);
    EXPECT_EQ(got.back(), '\n') << "no part of a line";
    ASSERT_EQ(reports().size(), 1u);
    EXPECT_TRUE(reports()[0].starts_with(std::to_string(10 - written) + " lost: ")) << reports()[0];
}

TEST_F(line_writer_test, lines_that_have_no_room_are_told_while_the_reader_stalls) {
    small_pipe pipe;
    line_writer log(std::move(pipe.writer), reporting(3'000));
    EXPECT_TRUE(eventually([&] {
        log.append(line('a', 1000));
        return !reports().empty();
    }));
    EXPECT_EQ(reports()[0], "1 lost: too fast");
    while (!pipe.read().ends_with("b\n"))
        log.append("b\n");
}

TEST_F(line_writer_test, without_a_report_the_log_itself_tells_it_when_it_can) {
    small_pipe pipe;
    line_writer::settings settings{{}, 3'000, describe, {}};
    line_writer log(std::move(pipe.writer), settings);
    for (int each = 0; each < 100; ++each)
        log.append(line('a', 1000));
    // Every line has come, or one that came says that it was lost: in one number or in several.
    std::string got;
    std::size_t lost = 0;
    std::size_t come = 0;
    for (std::size_t appended = 100; lost + come < appended;) {
        log.append("b\n");
        ++appended;
        got += pipe.read();
        lost = come = 0;
        for (std::size_t at = 0, end = 0; (end = got.find('\n', at)) != std::string::npos; at = end + 1) {
            const std::string one = got.substr(at, end - at);
            if (one.ends_with(" lost: too fast")) {
                lost += std::stoul(one);
            } else {
                ++come;
            }
        }
        EXPECT_LE(lost + come, appended);
    }
    EXPECT_GE(lost, 80u);
}

TEST_F(line_writer_test, a_stream_that_never_was_loses_its_lines) {
    {
        line_writer log(unique_descriptor(), reporting(1000));
        log.append("a\nb\n");
    }
    ASSERT_FALSE(reports().empty());
    EXPECT_TRUE(reports()[0].starts_with("2 lost: ")) << reports()[0];
}

TEST_F(line_writer_test, a_non_blocking_stream_is_waited_for) {
    small_pipe pipe;
    checked(::fcntl(pipe.writer.get(), F_SETFL, O_NONBLOCK), "F_SETFL");
    std::string got;
    {
        line_writer log(std::move(pipe.writer), reporting(100'000));
        for (int each = 0; each < 20; ++each)
            log.append(line('a', 1000));
        while (got.size() < 20'000)
            got += pipe.read();
    }
    EXPECT_TRUE(reports().empty());
}

TEST_F(line_writer_test, a_path_is_opened_anew) {
    const temporary_directory logs;
    const std::string path = (logs.path() / "log").string();
    const auto content = [](const std::string& of) {
        std::ifstream file(of);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    {
        auto settings = reporting(1000);
        settings.path = path;
        line_writer log(std::move(*open_log(path)), settings);
        log.append("a\n");
        EXPECT_TRUE(eventually([&] { return content(path) == "a\n"; }));
        std::filesystem::rename(path, path + ".1");
        log.reopen();
        EXPECT_TRUE(eventually([&] { return std::filesystem::exists(path); }));
        log.append("b\n");
        EXPECT_TRUE(eventually([&] { return content(path) == "b\n"; }));
        std::filesystem::rename(path, path + ".2");
        EXPECT_TRUE(eventually([&] {
            log.append("c\n");
            return std::filesystem::exists(path);
        })) << "also when nobody asks for it";
    }
    EXPECT_EQ(content(path + ".1"), "a\n");
    EXPECT_TRUE(content(path).ends_with("c\n"));
    EXPECT_TRUE(reports().empty());
}

}  // namespace
}  // namespace naru::testing
