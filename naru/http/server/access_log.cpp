#include <naru/http/server/access_log.hpp>

#include <naru/fs/files.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/message/date.hpp>

#include <chrono>
#include <iterator>
#include <system_error>
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

unique_descriptor opened_log(const std::string& path, const line_writer::file_opener& opener) {
    auto opened = opener && path != "-" ? opener(path) : open_log(path);
    if (!opened) throw std::system_error(opened.error(), "cannot write the access log " + path);
    return std::move(*opened);
}

std::string describe(std::uint64_t lines, std::error_code why) {
    return fmt::format("the access log has lost {} line{}: {}", lines, lines == 1 ? "" : "s",
                       why == std::errc::timed_out ? std::string("what takes them stands still")
                       : why                       ? why.message()
                                                   : std::string("they come faster than they are written"));
}

}  // namespace

access_log::access_log(const std::string& path, std::function<void(std::string_view)> report,
                       line_writer::file_opener opener)
    : lines_(opened_log(path, opener), {path == "-" ? std::string() : path, limits::access_log_bytes,
                                        describe, std::move(report), opener}) {}

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
