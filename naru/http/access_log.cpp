#include <naru/http/access_log.hpp>

#include <naru/http/date.hpp>
#include <naru/http/limits.hpp>
#include <naru/net/files.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <new>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

namespace {

void append_escaped(std::string& out, std::string_view text) {
    if (text.empty()) out += '-';
    for (const char byte : text) {
        const auto value = static_cast<unsigned char>(byte);
        if (value < 0x20 || value >= 0x7f || byte == '"' || byte == '\\') {
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", value);
        } else {
            out += byte;
        }
    }
}

}  // namespace

access_log::access_log(const std::string& path, std::function<void(std::string_view)> report)
    : report_(std::move(report)) {
    auto opened = open_log(path);
    if (!opened) throw std::system_error(opened.error(), "cannot write the access log " + path);
    file_ = std::move(*opened);
    writer_ = std::thread([this] { write_all(); });
}

access_log::~access_log() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wake_.notify_one();
    writer_.join();
}

void access_log::append(std::string_view line) noexcept try {
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.size() + line.size() > limits::access_log_bytes) {
            ++dropped_;
            return;
        }
        waiting_ += line;
    }
    wake_.notify_one();
} catch (const std::bad_alloc&) {
    const std::lock_guard lock(mutex_);
    ++dropped_;
}

void access_log::write_all() noexcept {
    std::string batch;
    while (true) {
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
            lost_ += std::exchange(dropped_, 0);
            if (waiting_.empty()) break;
            batch.swap(waiting_);
        }
        write(batch);
        report_lost(false);
    }
    report_lost(true);
}

// A full disk: these lines are lost, the server is not. What is written when there is room again is no part
// of the line that was cut.
void access_log::write(std::string& batch) noexcept {
    std::string_view left = batch;
    std::string_view line_end = "\n";
    auto written = line_is_open_ ? write_log(file_.get(), line_end) : result<void>();
    if (written) {
        line_is_open_ = false;
        written = write_log(file_.get(), left);
        line_is_open_ =
            !written && left.size() < batch.size() && batch[batch.size() - left.size() - 1] != '\n';
    }
    if (!written) {
        lost_ += static_cast<std::uint64_t>(std::count(left.begin(), left.end(), '\n'));
        reason_ = written.error();
    }
    batch.clear();
}

void access_log::report_lost(bool at_once) noexcept try {
    const auto now = std::chrono::steady_clock::now();
    if (lost_ == 0 || (now < report_at_ && !at_once)) return;
    report_(fmt::format("the access log has lost {} line{}: {}", lost_, lost_ == 1 ? "" : "s",
                        reason_ ? reason_.message() : std::string("they come faster than they are written")));
    lost_ = 0;
    reason_.clear();
    report_at_ = now + limits::access_log_report_interval;
} catch (const std::bad_alloc&) {
    return;  // the next time
}

std::string combined_line(const access_entry& entry) {
    using namespace std::chrono;
    constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const sys_seconds when{seconds(entry.unix_seconds)};
    const sys_days day = floor<days>(when);
    const year_month_day date(day);
    const hh_mm_ss<seconds> time(when - day);
    std::string line;
    fmt::format_to(std::back_inserter(line), "{} - - [{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000] \"",
                   entry.host.empty() ? "-" : entry.host, static_cast<unsigned>(date.day()),
                   months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                   time.hours().count(), time.minutes().count(), time.seconds().count());
    append_escaped(line, entry.request_line);
    fmt::format_to(std::back_inserter(line), "\" {} {} \"", entry.status, entry.bytes);
    append_escaped(line, entry.referer);
    line += "\" \"";
    append_escaped(line, entry.user_agent);
    line += "\"\n";
    return line;
}

}  // namespace naru::http
