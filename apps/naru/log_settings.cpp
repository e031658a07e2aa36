#include "log_settings.hpp"

#include "config/configuration.hpp"
#include "system.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

namespace naru::program {

namespace {

http::log_format to_log_format(std::string_view name) {
    if (name != "combined" && name != "json")
        throw std::runtime_error(fmt::format("--log-format wants combined or json, not {}", name));
    return name == "json" ? http::log_format::json : http::log_format::combined;
}

// What can be seen of it now: who opens it may be another. A master follows no link, which its directory's
// owner could lead anywhere; a process without one has no rights that another has not.
void check_log(const std::string& path, bool follows_links) {
    const bool has_text = !path.empty() && std::ranges::none_of(path, [](char each) {
        return static_cast<unsigned char>(each) < 0x20 || each == 0x7f;
    });
    if (!has_text || path.size() > 4000)
        throw std::runtime_error("--access-log wants the path of a file, or - for standard output");
    if (path == "-" || path.starts_with("/dev/")) return;
    if (const std::string fault = why_not_appended_to(path, false, follows_links); !fault.empty())
        throw std::runtime_error(
            fmt::format("--access-log: cannot write the access log {}: {}", path, fault));
}

}  // namespace

void set_logs(serve_plan& plan, const serve_settings& settings) {
    http::server_options& options = plan.options;
    options.log_format = to_log_format(settings.log_format.value_or("combined"));
    options.access_log = settings.access_log;
    std::map<std::string, http::log_format> formats;
    if (options.access_log) {
        check_log(*options.access_log, plan.one_process);
        formats.emplace(*options.access_log, options.log_format);
    }
    for (const host_settings& each : plan.sites->hosts)
        try {
            if (!each.access_log) {
                if (each.log_format)
                    throw std::runtime_error("log-format is of a host's own access-log, and it has none");
                continue;
            }
            const http::log_format format = log_format_of(each, plan);
            check_log(*each.access_log, plan.one_process);
            if (formats.emplace(*each.access_log, format).first->second != format)
                throw std::runtime_error(fmt::format(
                    "access-log: {} is written in another log-format, too: give it one, or name another file",
                    *each.access_log));
        } catch (const std::runtime_error& error) {
            const std::string_view what = error.what();
            complain(each.where, what.substr(what.starts_with("--") ? 2 : 0));
        }
}

http::log_format log_format_of(const host_settings& host, const serve_plan& plan) {
    return host.log_format ? to_log_format(*host.log_format) : plan.options.log_format;
}

void find_faults_of_logs(const serve_plan& plan, complaints& wrong) {
    const auto fault_of = [&plan](const std::string& path) {
        const bool is_file = path != "-" && !path.starts_with("/dev/");
        const std::string fault = is_file ? why_not_appended_to(path, true, plan.one_process) : std::string();
        return fault.empty() ? fault
                             : fmt::format("access-log: cannot write the access log {}: {}", path, fault);
    };
    if (plan.options.access_log) {
        const std::string fault = fault_of(*plan.options.access_log);
        if (!fault.empty()) wrong.add({}, located(fault, *plan.sites));
    }
    for (const host_settings& each : plan.sites->hosts) {
        const std::string fault = each.access_log ? fault_of(*each.access_log) : std::string();
        if (!fault.empty()) wrong.add(each.where, fault);
    }
}

std::vector<std::string> access_logs_of(const serve_plan& plan) {
    std::vector<std::string> all;
    if (plan.options.access_log) all.push_back(*plan.options.access_log);
    for (const host_settings& each : plan.sites->hosts) {
        if (each.access_log) all.push_back(*each.access_log);
    }
    std::erase(all, "-");
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

}  // namespace naru::program
