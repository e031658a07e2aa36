// naru serve: a directory on the network, until a signal says that it is enough.
#include "certificates.hpp"
#include "client_rules.hpp"
#include "commands.hpp"
#include "config/make_site.hpp"
#include "config/reload.hpp"
#include "log_settings.hpp"
#include "serve_config.hpp"
#include "serve_flags.hpp"
#include "serve_status.hpp"
#include "service.hpp"
#include "system.hpp"

#include "process/surroundings.hpp"

#include <load/machine.hpp>
#include <naru/backend/choose_backend.hpp>
#include <naru/fs/files.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/middleware/middleware.hpp>
#include <naru/http/server/line_writer.hpp>
#include <naru/http/server/server.hpp>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

// Beyond the time that requests have to finish, for threads to end.
constexpr std::chrono::seconds service_margin{5};

constexpr int status_failed = 1;
constexpr const char* listener_failed = "a listener has failed";

std::string describe_loss(std::uint64_t lines, std::error_code why) {
    return fmt::format("naru: {} line{} could not be written here: {}", lines, lines == 1 ? "" : "s",
                       why ? why.message() : std::string("they came faster than they are read"));
}

// What the operator is told: written by threads of their own, because whoever reads it may have stopped to.
class operator_lines {
 public:
    void say(std::string_view line) noexcept try {
        errors_.append(fmt::format("naru: {}\n", line));
    } catch (const std::bad_alloc&) {
        return;
    }
    void put(std::string_view line) noexcept { output_.append(line); }

 private:
    static unique_descriptor opened(standard_output which) {
        auto stream = open_standard(which);
        return stream ? std::move(*stream) : unique_descriptor();
    }
    static std::string describe_output(std::uint64_t /*lines*/, std::error_code why) {
        return fmt::format("cannot write standard output: {}", why == std::errc::timed_out
                                                                   ? std::string("what reads it stands still")
                                                                   : why.message());
    }

    http::line_writer errors_{opened(standard_output::error),
                              {{}, http::limits::operator_log_bytes, describe_loss, {}}};
    http::line_writer output_{
        opened(standard_output::output),
        {{}, http::limits::operator_log_bytes, describe_output, [this](std::string_view line) {
             say(line);
         }}};
};

std::string urls_of(const http::server& server) {
    std::string all;
    std::size_t which = 0;
    for (const endpoint& each : server.local_endpoints()) {
        all += all.empty() ? "" : " and ";
        const bool secure = server.is_secure(which++);
        all += each.local() != nullptr ? fmt::format("unix:{}{}", each.text(), secure ? " (TLS)" : "")
                                       : fmt::format("http{}://{}/", secure ? "s" : "", each.text());
    }
    return all;
}

/// What stands in the start-up line.
std::string served_by(const serve_plan& plan) {
    const std::size_t hosts = plan.sites->hosts.size();
    if (hosts == 0) return plan.root.empty() ? "its routes" : plan.root;
    return fmt::format("{}{} host{}", plan.root.empty() ? "" : plan.root + " and ", hosts,
                       hosts == 1 ? "" : "s");
}

int serve(const serve_plan& plan, surroundings& around) {
    load::raise_descriptor_limit();
    // Before any thread is made. The logs are there when wait is called.
    std::function<void()> reopen;
    around.begin([&reopen] { reopen(); });
    operator_lines lines;
    std::optional<certificates> shown;
    if (!plan.tls_endpoints.empty())
        shown.emplace(plan.tls, !plan.acme_webroot.empty(),
                      [&lines](std::string_view line) { lines.say(line); });
    std::vector<http::endpoint> endpoints = plan.endpoints;
    for (http::endpoint each : plan.tls_endpoints) {
        each.tls = shown->credentials();
        endpoints.push_back(std::move(each));
    }

    http::server_options options = plan.options;
    options.report = [&lines](std::string_view line) { lines.say(line); };
    options.open_log = around.log_opener();
    if (plan.status) endpoints.push_back(*plan.status);
    endpoints = around.adopt(std::move(endpoints));
    std::optional<http::endpoint> status_at;
    if (plan.status) {
        status_at = std::move(endpoints.back());
        endpoints.pop_back();
    }
    site_maker sites;
    http::server server(sites.make(plan), std::move(endpoints), options);
    serve_status status(status_at, server, options.report);
    around.before_start();
    for (std::size_t each = 0; each < server.addresses().size(); ++each) {
        if (!server.is_secure(each) || server.local_endpoints()[each].internet() == nullptr) continue;
        sites.set_tls_port(server.addresses()[each].port());
        break;
    }
    const std::size_t log_files = access_logs_of(plan).size();
    reopen = [&server, &lines, &shown, log_files] {
        server.reopen_logs();
        if (shown) shown->read_again();
        if (log_files > 0)
            lines.say(log_files == 1 ? "the access log is opened anew" : "the access logs are opened anew");
    };
    std::optional<reloader> reloads;
    if (plan.read_again) {
        reloads.emplace(
            plan, sites, server, shown ? &*shown : nullptr,
            [&lines](std::string_view line) { lines.say(line); },
            [&around](const serve_plan* next) { return around.serves_elsewhere(next); });
        around.on_reload([&server, &reloads] {
            server.reopen_logs();
            reloads->reload();
        });
    }
    server.start([&around] { around.request(listener_failed); });
    status.start();
    service_is_running(options.timeouts.drain + service_margin);
    const std::string reason = server.engine_reason();
    around.is_ready();  // before it says so
    lines.put(fmt::format("naru {} serves {} on {} with {}{}, {} thread{}\n", NARU_VERSION, served_by(plan),
                          urls_of(server), name_of(server.engine()),
                          reason.empty() ? std::string() : " (" + reason + ")", options.threads,
                          options.threads == 1 ? "" : "s"));
    if (plan.status) lines.put(status.line());

    const std::string why = around.wait(server, [&status] { status.retire(); });
    if (!why.empty()) {
        status.not_ready();
        around.delay(plan.drain_delay);
        lines.say(
            fmt::format("{}: no new connections; what is in flight has {} s to finish (again to end at once)",
                        why, static_cast<double>(options.timeouts.drain.count()) / 1000));
        server.drain();
        around.is_draining();
    }
    around.wait_for_end(server);
    return server.has_failed() ? status_failed : 0;
}

// A file that is just being written, or a pipe that was read before, is no word to serve this directory.
serve_settings read_settings(const serve_settings& given, const std::string& config) {
    if (config.empty()) return given;
    const serve_settings read = read_config(config);
    if (!says_something(read) && !given.root)
        throw std::runtime_error(
            fmt::format("{}: there is nothing in it: no setting, no host and no route", config));
    return merged(given, read);
}

/// `filter`: see settings_filter.
serve_plan plan_of(const serve_settings& given, const std::string& config,
                   const settings_filter& filter = {}) {
    const serve_settings read = read_settings(given, config);
    const serve_settings filtered = filter ? filter(read) : read;
    serve_plan plan = to_plan(filtered);
    if (filtered.basic_auth) plan.readable.push_back(*filtered.basic_auth);
    // Here, because a worker may not make one.
    std::error_code ignored;  // who serves it says why it is not there
    if (!plan.acme_webroot.empty())
        std::filesystem::create_directories(plan.acme_webroot + "/.well-known/acme-challenge", ignored);
    if (config.empty()) return plan;
    plan.readable.push_back(config);
    // Sockets from outside stay in the place of those of the file.
    const bool has_sockets = filtered.listen != read.listen || filtered.listen_tls != read.listen_tls;
    plan.read_again = [given, config, has_sockets, listen = filtered.listen,
                       listen_tls = filtered.listen_tls] {
        serve_settings fresh = read_settings(given, config);
        if (has_sockets) {
            fresh.listen = listen;
            fresh.listen_tls = listen_tls;
        }
        return fresh;
    };
    return plan;
}

void require_absolute(std::string_view what, const std::string& path) {
    if (!std::filesystem::path(path).is_absolute())
        throw std::runtime_error(fmt::format(
            "--service: {} {} is no absolute path, and a service begins in the system's own directory", what,
            path));
}

serve_settings read_service_settings(const serve_settings& given, const std::string& config) {
    if (!config.empty()) require_absolute("--config", config);
    const serve_settings settings = read_settings(given, config);
    if (!settings.root)
        throw std::runtime_error("--service: which directory? a service begins in the system's own");
    require_absolute("the directory", *settings.root);
    if (settings.access_log) require_absolute("--access-log", *settings.access_log);
    for (const host_settings& each : settings.sites ? settings.sites->hosts : std::vector<host_settings>()) {
        if (each.access_log) require_absolute("access-log", *each.access_log);
    }
    return settings;
}

// What is wrong with the settings is found when the manager is there to be told: it has no exit code of a
// process that ends before.
int serve_as_service(const serve_settings& given, const std::string& config) {
    const auto plan = [&] { return to_plan(read_service_settings(given, config)); };
    if (const auto status = run_as_service([&] { return serve_alone(plan(), serve); })) return *status;
    (void)plan();
    throw std::runtime_error(
        "--service: it was not the service control manager that started this (see docs/backends.md)");
}

}  // namespace

void add_serve(CLI::App& program, action& chosen) {
    CLI::App& command = *program.add_subcommand("serve", "Put a directory on the network");
    command.footer(signals_text());
    auto given = std::make_shared<serve_settings>();
    auto config = std::make_shared<std::string>();
    auto as_service = std::make_shared<bool>(false);
    add_serve_flags(command, given, *config, *as_service);
    command.callback([&chosen, given, config, as_service] {
        chosen = [given, config, as_service] {
            return *as_service ? serve_as_service(*given, *config)
                               : serve_in_processes(
                                     [given, config](const settings_filter& filter) {
                                         return plan_of(*given, *config, filter);
                                     },
                                     serve);
        };
    });
}

}  // namespace naru::program
