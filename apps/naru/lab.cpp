// naru lab: every I/O model under the same load, on this machine, and a report of it.
#include "commands.hpp"
#include "output.hpp"

#include <lab/process.hpp>
#include <lab/run.hpp>

#include <csignal>
#include <filesystem>
#include <memory>
#include <stdexcept>

#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

struct lab_settings {
    lab::settings chosen;
    std::string engines;
    std::string scenarios;
    std::string directory = "naru-lab";
    bool fresh = false;
    bool serve = false;
    std::string listen = "127.0.0.1:8090";
};

volatile std::sig_atomic_t signalled = 0;

// The run ends its processes and writes what it knows; a second signal ends it at once, and the kernel ends
// them.
void on_signal(int which) {
    if (signalled != 0) _exit(128 + which);
    signalled = which;
}

void catch_signals() {
    struct sigaction action{};
    action.sa_handler = on_signal;
    for (const int each : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction before{};
        sigaction(each, nullptr, &before);
        if (before.sa_handler != SIG_IGN) sigaction(each, &action, nullptr);  // nohup(1)
    }
    std::signal(SIGCHLD, SIG_DFL);  // children are waited for
}

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> words;
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        if (end > begin) words.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return words;
}

std::string command_of(const lab_settings& given) {
    std::string words = "naru lab";
    if (given.chosen.quick) words += " --quick";
    if (!given.engines.empty()) words += " --engines " + given.engines;
    if (!given.scenarios.empty()) words += " --scenarios " + given.scenarios;
    const lab::settings usual;
    if (given.chosen.held != usual.held) words += fmt::format(" --held {}", given.chosen.held);
    if (given.chosen.runs != usual.runs) words += fmt::format(" --runs {}", given.chosen.runs);
    if (given.chosen.websockets) words += " --websockets";
    if (given.chosen.connections != usual.connections)
        words += fmt::format(" --connections {}", given.chosen.connections);
    if (given.chosen.active != usual.active) words += fmt::format(" --active {}", given.chosen.active);
    if (given.chosen.rate != usual.rate) words += fmt::format(" --rate {:g}", given.chosen.rate);
    if (given.chosen.rounds != 0) words += fmt::format(" --rounds {}", given.chosen.rounds);
    if (given.chosen.seconds != 0) words += fmt::format(" --seconds {:g}", given.chosen.seconds);
    return words;
}

std::string duration_words(double seconds) {
    return seconds < 90 ? fmt::format("{:.0f} s", seconds) : fmt::format("{:.0f} min", seconds / 60);
}

std::string figures_of(const lab::sample& measured) {
    if (measured.failed) return "not measured: " + measured.reasons;
    std::string words;
    const auto add = [&words](std::string text) { words += (words.empty() ? "" : ", ") + std::move(text); };
    if (measured.calls >= 0) add(fmt::format("{:.2f} system calls a request", measured.calls));
    if (measured.cpu_microseconds >= 0)
        add(fmt::format("{:.1f} us of CPU a request", measured.cpu_microseconds));
    if (measured.p99_microseconds >= 0) add(fmt::format("p99 {:.2f} ms", measured.p99_microseconds / 1000));
    if (measured.requests_per_second >= 0)
        add(fmt::format("{:.0f} requests/s", measured.requests_per_second));
    if (!measured.valid) add("INVALID: " + measured.reasons);
    return words;
}

// A line for each cell, which is known before it begins and has its figures behind it when it has ended.
class progress_lines {
 public:
    void update(const lab::status& now) {
        if (now.last != nullptr && open_) put_error(figures_of(*now.last) + '\n');
        open_ = now.next != nullptr;
        if (!open_) return;
        put_error(fmt::format("[{}/{}, {} left] {} {}{} (round {}): ", now.done + 1, now.planned,
                              duration_words(now.seconds_left), now.next->scenario, now.next->subject,
                              now.next->x > 0 ? fmt::format(" at {:g}", now.next->x) : std::string(),
                              now.next->round + 1));
    }

 private:
    bool open_ = false;
};

std::string own_path() {
    std::error_code error;
    const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) throw std::runtime_error("cannot find this program: " + error.message());
    return path.string();
}

// Our own server says who it is; so does the line that this becomes part of.
std::string without_name(const std::string& words) {
    constexpr std::string_view name = "naru: ";
    return words.starts_with(name) ? words.substr(name.size()) : words;
}

// The report while it grows, by our own server in a process of its own.
std::unique_ptr<lab::process> serve_report(const lab_settings& given) {
    auto server = std::make_unique<lab::process>(
        lab::command{{own_path(), "serve", given.directory, "--listen", given.listen, "--threads", "1"}, {}},
        given.directory + "/serve.log");
    if (server->read_line(std::chrono::seconds(5)).empty())
        throw std::runtime_error("the report cannot be shown: " + without_name(server->last_words(1)));
    put(fmt::format("The report: http://{}/report.html\n", given.listen));
    return server;
}

int run_lab(lab_settings given) {
    given.chosen.models = split(given.engines);
    given.chosen.scenarios = split(given.scenarios);
    if (given.chosen.connections < 20 || given.chosen.active < 1 ||
        given.chosen.active > given.chosen.connections)
        throw std::invalid_argument("--connections must be 20 or more, and --active from 1 to that");
    if (!(given.chosen.rate > 0 && given.chosen.rate <= 1e6))
        throw std::invalid_argument("--rate must be from 1 to 1000000");
    catch_signals();
    lab::run_options options;
    options.chosen = given.chosen;
    options.directory = given.directory;
    options.program = own_path();
    options.version = NARU_VERSION;
    options.command = command_of(given);
    options.fresh = given.fresh;
    lab::run all(options);
    for (const std::string& each : all.missing())
        say("not measured: " + each);
    const lab::status before = all.now();
    if (all.resumed() > 0)
        say(fmt::format("{} of {} measurements are there from before (--fresh measures all again)",
                        all.resumed(), before.planned));
    all.write_report(before);
    std::unique_ptr<lab::process> server;
    if (given.serve) server = serve_report(given);
    progress_lines lines;
    const bool complete =
        all.measure_all([&](const lab::status& now) { lines.update(now); }, [] { return signalled != 0; });
    all.write_report(all.now());
    if (!complete) {
        put_error("\n");
        say(fmt::format("stopped; the same command goes on from here. So far: {}/report.html",
                        given.directory));
        return 128 + signalled;
    }
    for (const std::string& each : all.headlines())
        put(each + '\n');
    put(fmt::format("{}/report.html is complete, report.json and charts/ beside it\n", given.directory));
    if (server) {
        say("Ctrl-C ends the server");
        while (signalled == 0 && server->running())
            (void)server->read_line(std::chrono::milliseconds(200));
    }
    return 0;
}

}  // namespace

void add_lab(CLI::App& program, action& chosen) {
    CLI::App& command = *program.add_subcommand(
        "lab", "Measure every I/O model on this machine, and write a report (docs/lab.md)");
    auto given = std::make_shared<lab_settings>();
    command.add_flag("--quick", given->chosen.quick,
                     "Five models, fewer places, two rounds, no ab and no Apache prefork: below 90 s");
    command.add_option("-e,--engines", given->engines,
                       "Models, with commas: threads, select, poll, epoll-level, epoll, epoll-oneshot, "
                       "io_uring-single, io_uring, io_uring-sqpoll (default: all)");
    command.add_option(
        "--scenarios", given->scenarios,
        "With commas: connections, activity, size, pipeline, churn, reading, calls, servers, ab "
        "(default: all these), held");
    command.add_option("-c,--connections", given->chosen.connections,
                       "Connections of the chapter's case (default: 10000)");
    command.add_option("-a,--active", given->chosen.active, "Of those, how many ask (default: 100)");
    command
        .add_option("--held", given->chosen.held, "Idle connections of the scenario held (default: 1000000)")
        ->check(CLI::Range(1'000u, 1'000'000u));
    command
        .add_option("--runs", given->chosen.runs,
                    "Of the active ones beside those; half as many before and after (default: 24)")
        ->check(CLI::Range(1u, 1'000u));
    command.add_flag("--websockets", given->chosen.websockets,
                     "Those are WebSockets, on a server made of naru::http");
    command.add_option("-r,--rate", given->chosen.rate, "Requests per second in that case (default: 5000)");
    command.add_option("--rounds", given->chosen.rounds, "Of each cell (default: 4; 2 with --quick)")
        ->check(CLI::Range(1u, 50u));
    command
        .add_option("--seconds", given->chosen.seconds,
                    "Measured in each cell (default: 0.5; 0.25 with --quick)")
        ->check(CLI::Range(0.05, 60.0));
    command.add_option("-o,--out", given->directory,
                       "Where the report goes, and the run goes on (default: naru-lab)");
    command.add_flag("--fresh", given->fresh, "Do not go on where an earlier run in that directory stopped");
    command.add_flag("--serve", given->serve, "Show the report on --listen while it grows, and after");
    command.add_option("-l,--listen", given->listen, "For --serve (default: 127.0.0.1:8090)");
    command.callback([&chosen, given] {
        chosen = [given] {
            try {
                return run_lab(*given);
            } catch (const std::invalid_argument& wrong) {
                say(wrong.what());
                return status_usage;
            }
        };
    });
}

}  // namespace naru::program
