// The model of the lab's server that is written against Windows directly.
#include "commands.hpp"
#include "lab_server.hpp"
#include "output.hpp"
#include "system.hpp"

#include <lab/iocp_workers_server.hpp>

#include <stdexcept>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

constexpr std::string_view workers_model = "iocp-workers";
constexpr unsigned workers_most = 256;

}  // namespace

void add_lab_models(CLI::App& command, lab_server_settings& into) {
    into.model = "iocp";
    command.add_option("--model", into.model,
                       "select, poll, iocp, or iocp-workers: several threads on one port");
    command.add_option("-t,--threads", into.threads, "iocp-workers: the threads (default: 1)")
        ->check(CLI::Range(1u, workers_most));
}

std::optional<int> serve_without_engine(const lab_server_settings& given, unique_descriptor& listener,
                                        const lab::handler& answering) {
    if (given.model != workers_model) {
        if (given.threads > 1)
            throw std::runtime_error(
                fmt::format("--threads is for {}: {} has one loop", workers_model, given.model));
        return std::nullopt;
    }
    ending request_to_end;  // before any thread is made
    const int number = listener.get();
    lab::iocp_workers_server server(std::move(listener), answering, say);
    server.start(given.threads);
    say_ready(number);
    const std::string why = request_to_end.wait();
    say(fmt::format("{}: no new connections", why));
    request_to_end.end_at_once_next_time();
    server.stop();
    return 0;
}

}  // namespace naru::program
