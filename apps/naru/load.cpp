// naru load: requests to a server, and an honest account of what became of them.
#include "commands.hpp"
#include "load_settings.hpp"
#include "load_view.hpp"
#include "output.hpp"
#include "system.hpp"
#include "terminal.hpp"

#include <load/output.hpp>
#include <load/run.hpp>
#include <load/text_file.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

using namespace std::chrono_literals;

// What is printed does not follow a terminal to where lines are no longer read well.
constexpr std::size_t narrowest_report = 60;
constexpr std::size_t widest_report = 100;
constexpr int status_invalid = 3;  // with --strict, and of a comparison that was refused

// Tried before the run: minutes of load are not lost to a misspelt directory.
void require_writable(const std::string& path, const char* flag) {
    if (path.empty()) return;
    if (const auto tried = load::try_result_file(path); !tried)
        throw usage_error(fmt::format("--{}: cannot write {}: {}", flag, path, tried.error().message()));
}

void write_output(const std::string& path, std::string_view text) {
    if (path.empty()) return;
    if (const auto written = load::write_result_file(path, text); !written)
        throw std::runtime_error(fmt::format("cannot write {}: {}", path, written.error().message()));
}

std::string read_report(const std::string& path) {
    auto text = load::read_file(path);
    if (!text) throw usage_error(fmt::format("--compare: cannot read {}: {}", path, text.error().message()));
    return *std::move(text);
}

int compare_files(const std::vector<std::string>& paths) {
    const auto compared = load::compare(read_report(paths[0]), read_report(paths[1]), paths[0], paths[1]);
    if (!compared) throw usage_error("--compare: " + compared.error());
    put(compared->text);
    return compared->ranked ? 0 : status_invalid;
}

// The request to end is looked for where the view is drawn, so nothing has to be restored in a handler. The
// wait is for the run: one that has ended is not kept.
void watch(load::run& run, progress_view& view, ending& request_to_end) {
    bool interrupted = false;
    while (!run.wait_for(150ms)) {
        const bool ends = !request_to_end.wait_for(0ms).empty();
        if (ends && interrupted) {
            view.clear();
            std::_Exit(request_to_end.exit_status());
        }
        if (ends) {
            interrupted = true;
            run.stop();
        }
        view.update(run.look());
    }
    view.update(run.look());
}

int generate(const load_settings& given) {
    require_writable(given.hdr, "hdr");
    require_writable(given.json_file, "json-file");
    const load::run_options options = to_run_options(given);
    ending request_to_end;  // before any thread is made

    load::run run(options);
    const bool live = is_live_terminal() && !given.json;
    const auto style = given.quiet ? progress_view::style::none
                       : live      ? progress_view::style::live
                                   : progress_view::style::lines;
    load::report made;
    {
        progress_view view(style, title_of(options, given.url, ""), run.options());
        run.start();
        watch(run, view, request_to_end);
        made = run.finish();
    }
    const std::string object = load::to_json(made, options, NARU_VERSION, given.url);
    put(given.json ? object
                   : report_text(made, title_of(options, given.url, made.engine), wants_colour(),
                                 std::clamp(terminal_width(), narrowest_report, widest_report)));
    write_output(given.json_file, object);
    write_output(given.hdr, load::to_hdr_text(made.latency()));
    if (made.interrupted) return request_to_end.exit_status();
    return given.strict && !load::judge(made).empty() ? status_invalid : 0;
}

int run_command(const load_settings& given) {
    try {
        if (!given.compare.empty()) {
            if (!given.url.empty()) throw usage_error("--compare takes two reports and no URL");
            return compare_files(given.compare);
        }
        if (given.url.empty())
            throw usage_error("where to? naru load wants a URL, as in http://127.0.0.1:8080/");
        return generate(given);
    } catch (const usage_error& wrong) {
        say(wrong.what());
        return status_usage;
    }
}

// An empty value (of a variable in a script that is not set) is not the same as none: it would be taken for
// the default.
void refuse_empty_values(CLI::App& options) {
    const CLI::Validator has_text(
        [](const std::string& value) {
            return value.empty() ? std::string("must not be empty") : std::string();
        },
        "");
    for (CLI::Option* each :
         options.get_options([](const CLI::Option* any) { return any->get_name() != "--body"; }))
        each->check(has_text);
}

void add_target_options(CLI::App& command, const std::shared_ptr<load_settings>& given) {
    CLI::Option_group& what = *command.add_option_group("Request");
    what.add_option("-X,--method", given->method, "GET, or POST if there is a body");
    what.add_option("-H,--header", given->headers, "\"NAME: VALUE\"; may be given several times")
        ->allow_extra_args(false);
    what.add_option_function<std::string>(
        "--body", [given](const std::string& text) { given->body = text, given->has_body = true; },
        "Sent with each request");
    what.add_option("--body-file", given->body_file, "The same, from a file");
    what.add_flag("-k,--insecure", given->insecure, "https: whoever the server is");
    what.add_option("--ca-file", given->ca_file, "https: the roots to trust, instead of the system's");
    what.add_flag("--resume", given->resume, "https: begin connections with sessions of earlier ones");
    what.add_option("--expect", given->expect, "Statuses that count as answers (default: 200-399)");
    what.add_option("--timeout", given->timeout, "For a connection, and for each response (default: 5s)");
    refuse_empty_values(what);
}

void add_shape_options(CLI::App& command, const std::shared_ptr<load_settings>& given) {
    CLI::Option_group& shape = *command.add_option_group("Load");
    shape.add_option("-c,--connections", given->connections, "Connections that carry requests (default: 64)");
    shape.add_option("-r,--rate", given->rate,
                     "Requests per second on a fixed schedule (open loop); without it each connection asks "
                     "again when it has its answer (closed loop)");
    shape.add_option("-d,--duration", given->duration, "Measured time: 10, 500ms, 2m (default: 10s)");
    shape.add_option("-n,--requests", given->requests, "End when so many were measured (at most a minute)");
    shape.add_option("--warmup", given->warmup, "Before it (default: 500ms; none with --requests)");
    shape.add_option("--idle", given->idle, "Further connections: one request each, then silence");
    shape.add_flag("--idle-silent", given->idle_silent, "Not even that one request");
    shape.add_option("--idle-websocket", given->idle_websocket,
                     "In its place they become WebSockets at this path: /echo");
    shape.add_option("--pipeline", given->pipeline, "Requests under way on a connection (default: 1)");
    shape.add_flag("--http2", given->http2, "HTTP/2: https by ALPN, http with prior knowledge");
    shape.add_option("--streams", given->streams, "With it: requests under way on a connection (default: 1)");
    shape.add_flag("--close", given->close, "A new connection for each request");
    shape.add_option("--ramp", given->ramp, "Connections opened per second (default: as fast as it goes)");
    shape.add_option("--source", given->source,
                     "Source addresses: 127.0.0.2-127.0.0.9, or several with commas");
    shape.add_option("-t,--threads", given->threads, "Loops, one a thread (default: 1)");
    shape.add_option("-e,--engine", given->engine, engine_names() + " (default: auto)");
    refuse_empty_values(shape);
}

void add_output_options(CLI::App& command, const std::shared_ptr<load_settings>& given) {
    CLI::Option_group& output = *command.add_option_group("Output");
    output.add_flag("--json", given->json, "One object on standard output");
    output.add_option("--json-file", given->json_file, "The same into a file");
    output.add_option("--hdr", given->hdr, "Latencies into a file, as HdrHistogram's text");
    output.add_flag("-q,--quiet", given->quiet, "No progress");
    output.add_flag("--strict", given->strict, "Exit status 3 when the verdict is not \"valid\"");
    output.add_option("--max-errors", given->max_errors,
                      "Percent of errors that make a run invalid (default: 1)");
    output.add_option("--server-process", given->server_process,
                      "The server's process number: report its CPU time and memory, too");
    output.add_option("--compare", given->compare, "Two reports (JSON) side by side; no load")->expected(2);
    refuse_empty_values(output);
}

}  // namespace

void add_load(CLI::App& program, action& chosen) {
    CLI::App& command =
        *program.add_subcommand("load", "Put load on a web server, and say what the figures are worth");
    auto given = std::make_shared<load_settings>();
    command.add_option("URL", given->url, "http://HOST[:PORT]/PATH, or https");
    add_shape_options(command, given);
    add_target_options(command, given);
    add_output_options(command, given);
    command.callback([&chosen, given] { chosen = [given] { return run_command(*given); }; });
}

}  // namespace naru::program
