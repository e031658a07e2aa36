#include <naru/http/server/access_log.hpp>

#include <naru/fs/files.hpp>
#include <naru/http/limits.hpp>

#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

namespace {

unique_descriptor opened_log(const std::string& path, const line_writer::file_opener& opener) {
    auto opened = opener && path != "-" ? opener(path) : open_log(path);
    if (!opened) throw std::system_error(opened.error(), "cannot write the access log " + path);
    return std::move(*opened);
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

}  // namespace naru::http
