// naru serve: a directory on the network, until a signal says that it is enough.
#include "commands.hpp"
#include "serve_config.hpp"
#include "service.hpp"
#include "system.hpp"

#include <naru/http/server.hpp>
#include <naru/load/machine.hpp>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include <fmt/format.h>

namespace naru::program {

namespace {

// Beyond the time that requests have to finish, for threads to end.
constexpr std::chrono::seconds service_margin{5};

int serve(const http::server_options& options) {
    load::raise_descriptor_limit();
    ending request_to_end;  // before any thread is made

    http::server server(options, say);
    server.start();
    service_is_running(options.timeouts.drain + service_margin);
    const std::string reason = server.engine_reason();
    fmt::print("naru {} serves {} on http://{}/ with {}{}, {} thread{}\n", NARU_VERSION, options.root,
               server.local_address().text(), name_of(server.engine()),
               reason.empty() ? std::string() : " (" + reason + ")", options.threads,
               options.threads == 1 ? "" : "s");
    std::fflush(stdout);

    const std::string why = request_to_end.wait();
    say(fmt::format("{}: no new connections; what is in flight has {} s to finish (again to end at once)",
                    why, static_cast<double>(options.timeouts.drain.count()) / 1000));
    server.drain();
    request_to_end.end_at_once_next_time();
    server.wait();
    return 0;
}

serve_settings read_settings(const serve_settings& given, const std::string& config) {
    return config.empty() ? given : merged(given, read_config(config));
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
    return settings;
}

// What is wrong with the settings is found when the manager is there to be told: it has no exit code of a
// process that ends before.
int serve_as_service(const serve_settings& given, const std::string& config) {
    const auto options = [&] { return to_options(read_service_settings(given, config)); };
    if (const auto status = run_as_service([&] { return serve(options()); })) return *status;
    (void)options();
    throw std::runtime_error(
        "--service: it was not the service control manager that started this (see docs/backends.md)");
}

}  // namespace

void add_serve(CLI::App& program, action& chosen) {
    CLI::App& command = *program.add_subcommand("serve", "Put a directory on the network");
    auto given = std::make_shared<serve_settings>();
    auto config = std::make_shared<std::string>();
    auto as_service = std::make_shared<bool>(false);
    command.add_option("DIR", given->root, "The directory (default: the current one)");
    command.add_option("-l,--listen", given->listen,
                       "ADDRESS:PORT; port 0 takes a free one (default: 127.0.0.1:8080)");
    command.add_option("-e,--engine", given->engine, engine_names() + " (default: auto)");
    command.add_option("-t,--threads", given->threads,
                       "Loops, one a thread (default: the number of usable cores)");
    command.add_option("-c,--config", *config, "A TOML file with these settings; flags go before it");
    command.add_flag_callback(
        "--listings", [given] { given->listings = true; }, "Show directories that have no index.html");
    command.add_flag_callback(
        "--dotfiles", [given] { given->dotfiles = true; },
        "Serve and show names that begin with a dot (always: .well-known at the top)");
    command.add_option("--access-log", given->access_log,
                       "Write the combined format to a file; - is standard output");
    add_service_flag(command, *as_service);
    CLI::Option_group& times = *command.add_option_group("Deadlines", "In seconds");
    times.add_option("--head-timeout", given->head_timeout, "For a request's head (default: 20)");
    times.add_option("--body-timeout", given->body_timeout,
                     "Between two pieces of a request's body (default: 30)");
    times.add_option("--write-timeout", given->write_timeout,
                     "Without the client taking a byte (default: 60)");
    times.add_option("--keep-alive-timeout", given->keep_alive_timeout, "Between two requests (default: 60)");
    times.add_option("--disk-timeout", given->disk_timeout, "For a look at the disk; then 503 (default: 10)");
    times.add_option("--drain-timeout", given->drain_timeout,
                     "For what is in flight when the server stops (default: 10)");
    CLI::Option_group& shares =
        *command.add_option_group("Shares", "See the price list in docs/operations.md");
    shares.add_option("--least-body-rate", given->least_body_rate,
                      "Bytes a second a client must send of a request's body; 0: none (default: 500)");
    shares.add_option("--least-answer-rate", given->least_answer_rate,
                      "Bytes a second a client must take of an answer; 0: none (default: 500)");
    shares.add_option("--rate-period", given->rate_period, "Seconds over which these count (default: 60)");
    shares.add_option("--connections-per-address", given->connections_per_address,
                      "Of one address while three quarters of all there can be are open; 0: any number "
                      "(default: 100)");
    CLI::Option_group& uring = *command.add_option_group("io_uring", "See docs/io_uring.md");
    uring.add_option(
        "--direct-descriptors", given->direct_descriptors,
        "on, off or auto: connections outside the descriptor limit (default: auto, when it is near)");
    uring.add_option("--zero-copy-from", given->zero_copy_from,
                     "Send at least so many bytes without a copy (default: 0, never)");
    uring.add_option("--sqpoll-idle", given->sqpoll_idle,
                     "io_uring-sqpoll: milliseconds before the kernel's thread sleeps (default: 1000)");
    uring.add_option("--sqpoll-cpu", given->sqpoll_cpu,
                     "io_uring-sqpoll: the first thread's core; the next threads take the next ones");
    CLI::Option_group& tcp = *command.add_option_group("TCP", "See docs/operations.md");
    tcp.add_option("--backlog", given->backlog, "Connections waiting to be accepted (default: 4096)");
    tcp.add_option("--fast-open", given->fast_open, "TCP Fast Open, this many pending");
    tcp.add_option("--defer-accept", given->defer_accept,
                   "Accept when data has come, or after so many seconds; 0: at once (default: 1)");
    tcp.add_option("--tcp-keep-alive", given->tcp_keep_alive, "Probes: IDLE,INTERVAL,COUNT");
    tcp.add_option("--user-timeout", given->user_timeout, "Milliseconds sent data may stay unacknowledged");
    tcp.add_option("--send-buffer", given->send_buffer, "Bytes (SO_SNDBUF)");
    tcp.add_option("--receive-buffer", given->receive_buffer, "Bytes (SO_RCVBUF)");
    command.callback([&chosen, given, config, as_service] {
        chosen = [given, config, as_service] {
            return *as_service ? serve_as_service(*given, *config)
                               : serve(to_options(read_settings(*given, *config)));
        };
    });
}

}  // namespace naru::program
