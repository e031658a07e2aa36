#include <naru/http/server/access_log.hpp>

#include <naru/fs/files.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/site/site_data.hpp>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

namespace {

unique_descriptor opened_log(const std::string& path, const line_writer::file_opener& opener) {
    auto opened = opener && path != "-" ? opener(path) : open_log(path);
    if (opened) return std::move(*opened);
    const std::string text = "cannot write the access log " + path;
    if (opened.error() == std::error_condition(std::errc::no_such_device_or_address))
        throw std::runtime_error(text + ": nobody reads this FIFO; start its reader first");
    throw std::system_error(opened.error(), text);
}

std::string describe_loss(std::uint64_t lines, std::error_code why) {
    return fmt::format("the access log has lost {} line{}: {}", lines, lines == 1 ? "" : "s",
                       why == std::errc::timed_out ? std::string("what takes them stands still")
                       : why                       ? why.message()
                                                   : std::string("they come faster than they are written"));
}

}  // namespace

access_log::access_log(const std::string& path, std::function<void(std::string_view)> report,
                       const line_writer::file_opener& opener)
    : lines_(opened_log(path, opener), {path == "-" ? std::string() : path, limits::access_log_bytes,
                                        describe_loss, std::move(report), opener}) {}

access_logs::access_logs(std::function<void(std::string_view)> report, line_writer::file_opener opener)
    : report_(std::move(report)), opener_(std::move(opener)) {}

// One that stands still is left to the server's end.
void access_logs::forget_ended() noexcept {
    std::erase_if(all_, [this](const known& each) {
        if (!each.log->has_ended()) return false;
        lost_before_ += each.log->lost();
        return true;
    });
}

std::shared_ptr<access_log> access_logs::open(const std::string& path) {
    const std::lock_guard one(mutex_);
    for (const known& each : all_) {
        if (each.path != path) continue;
        if (auto same = each.users.lock()) return same;
    }
    forget_ended();
    if (std::ranges::count_if(all_, [](const known& each) { return !each.users.expired(); }) >=
        static_cast<std::ptrdiff_t>(limits::access_logs))
        throw std::runtime_error(fmt::format(
            "cannot write the access log {}: a server has {} logs at most; let several hosts have the same",
            path, limits::access_logs));
    known made{path, std::make_unique<access_log>(path, report_, opener_), {}};
    std::shared_ptr<access_log> taken(made.log.get(), [](access_log* of) { of->finish(); });
    made.users = taken;
    all_.push_back(std::move(made));
    return taken;
}

void access_logs::reopen() noexcept {
    const std::lock_guard one(mutex_);
    for (const known& each : all_)
        each.log->reopen();
}

std::uint64_t access_logs::lost() const noexcept {
    const std::lock_guard one(mutex_);
    std::uint64_t sum = lost_before_;
    for (const known& each : all_)
        sum += each.log->lost();
    return sum;
}

void access_logs::end() noexcept {
    const std::lock_guard one(mutex_);
    for (const known& each : all_)
        each.log->finish();
    all_.clear();
}

void open_logs_of(detail::site_data& site, access_logs& logs) {
    for (detail::wanted_log& each : site.logs)
        each.opened = logs.open(each.path);
}

}  // namespace naru::http
