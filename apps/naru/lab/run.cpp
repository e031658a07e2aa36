#include <lab/run.hpp>

#include <lab/machine_facts.hpp>
#include <lab/model.hpp>
#include <lab/report.hpp>
#include <lab/svg_chart.hpp>
#include <load/machine.hpp>
#include <load/text_file.hpp>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace naru::lab {

namespace {

// Before the report is written again while a run goes on.
constexpr unsigned cells_between_reports = 12;
// An invalid cell is measured once more: most reasons (a busy neighbour) pass.
constexpr unsigned attempts = 2;

// Two runs in one directory would spoil each other's files and cores.
unique_descriptor lock_directory(const std::string& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
        throw std::runtime_error(fmt::format("cannot make the directory {}: {}", directory, error.message()));
    unique_descriptor lock(::open((directory + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!lock) throw std::runtime_error(fmt::format("cannot write in {}", directory));
    if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
        throw std::runtime_error(
            fmt::format("another naru lab is at work in {}: choose another with --out", directory));
    return lock;
}

workplace make_workplace(const run_options& options) {
    workplace at;
    at.directory = std::filesystem::absolute(options.directory).lexically_normal().string();
    std::error_code error;
    std::filesystem::create_directory(at.directory + "/charts", error);  // its writers say what is wrong
    at.program = options.program;
    const core_choice cores = choose_cores();
    at.server_cores = cores.server;
    at.generator_cores = cores.generator;
    at.descriptors = load::raise_descriptor_limit();
    at.memory_bytes = available_memory();
    // Readable for servers that give up their privileges.
    std::filesystem::permissions(at.directory,
                                 std::filesystem::perms::others_read | std::filesystem::perms::others_exec,
                                 std::filesystem::perm_options::add, error);
    // The server's core is the server's alone, from here on.
    cpu_set_t mine;
    CPU_ZERO(&mine);
    for (const int each : at.generator_cores)
        CPU_SET(static_cast<unsigned>(each), &mine);
    (void)sched_setaffinity(0, sizeof mine, &mine);
    create_root(at);
    return at;
}

std::vector<cell> checked_plan(const run_options& options, const std::vector<subject>& subjects,
                               const workplace& at, const std::vector<std::string>& missing) {
    for (const std::string& each : options.chosen.models) {
        if (model_named(each) == nullptr) {
            std::string names;
            for (const model& known : all_models())
                names += (names.empty() ? "" : ", ") + std::string(known.name);
            throw std::invalid_argument(fmt::format("there is no model {}: want some of {}", each, names));
        }
        for (const std::string& why : missing) {
            if (why.starts_with(each + ":"))
                throw std::invalid_argument(fmt::format("this cannot be measured here: {}", why));
        }
    }
    for (const std::string& each : options.chosen.scenarios) {
        if (std::find(scenarios::all.begin(), scenarios::all.end(), each) == scenarios::all.end())
            throw std::invalid_argument(fmt::format("there is no scenario {}: want some of {}", each,
                                                    fmt::join(scenarios::all, ", ")));
    }
    const std::uint32_t wanted = options.chosen.connections;
    const std::uint32_t most = most_connections(at);
    if (wanted > most) {
        throw std::invalid_argument(
            fmt::format("--connections {}: a run goes up to {} here ({} descriptors a process, {} MiB of "
                        "memory, and {} at most)",
                        wanted, most, at.descriptors, at.memory_bytes >> 20, connections_at_most));
    }
    if (std::find(options.chosen.scenarios.begin(), options.chosen.scenarios.end(), scenarios::held) !=
        options.chosen.scenarios.end()) {
        if (const std::string lacking = lacking_for(options.chosen.held, at); !lacking.empty())
            throw std::invalid_argument(
                fmt::format("{} idle connections take {}", options.chosen.held, lacking));
    }
    std::vector<cell> plan = make_plan(options.chosen, subjects, at);
    if (plan.empty()) throw std::invalid_argument("there is nothing to measure");
    return plan;
}

// Another plan, machine, program or server is another run.
std::string signature_of(const run_options& options, const workplace& at, const results& all) {
    std::uint64_t hash = 14695981039346656037u;  // FNV-1a
    const auto add = [&hash](const std::string& words) {
        for (const char letter : words)
            hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211u;
    };
    for (const cell& each : all.plan()) {
        add(fmt::format("{} {:g} {:g} {:g} {:g} {} {} {} {} {}{};", each.key(), each.load.seconds,
                        each.load.warmup, each.load.rate, each.load.ramp, each.load.connections,
                        each.load.idle, each.load.body, each.load.pipeline, each.load.close,
                        each.load.websockets ? " websockets" : ""));
    }
    for (const subject& each : all.subjects())
        add(each.name + each.what);
    std::error_code error;
    const auto built = std::filesystem::last_write_time(options.program, error).time_since_epoch().count();
    add(fmt::format("{} {} {} {}", built, std::filesystem::file_size(options.program, error),
                    at.server_cores.front(), at.generator_cores.front()));
    return fmt::format("{} | {} | {} cells | {:016x}", options.version, machine_words(), all.plan().size(),
                       hash);
}

void write_in_one_step(const std::string& path, const std::string& text) {
    if (const auto written = load::write_result_file(path, text); !written)
        throw std::runtime_error(fmt::format("cannot write {}: {}", path, written.error().message()));
}

std::string words_of(const cell& each) {
    return fmt::format("{}: {}{}, round {}", each.scenario, each.subject,
                       each.x > 0 ? fmt::format(" at {:g}", each.x) : std::string(), each.round + 1);
}

}  // namespace

run::run(run_options options)
    : options_(std::move(options)),
      lock_(lock_directory(options_.directory)),
      at_(make_workplace(options_)),
      results_([this] {
          std::vector<subject> subjects = find_subjects(at_, missing_);
          std::vector<cell> plan = checked_plan(options_, subjects, at_, missing_);
          return results(std::move(plan), std::move(subjects));
      }()),
      store_(at_.directory + "/samples.jsonl", signature_of(options_, at_, results_), options_.fresh) {
    for (const sample& each : store_.earlier()) {
        if (!each.failed) results_.add(each);  // what failed is tried again
    }
    resumed_ = results_.done();
}

status run::now() const {
    status is;
    is.planned = results_.plan().size();
    for (const cell& each : results_.plan()) {
        if (results_.has(each.key())) {
            ++is.done;
        } else {
            is.seconds_left += each.expected_seconds() * pace_;
            if (is.next == nullptr) is.next = &each;
        }
    }
    return is;
}

bool run::measure_all(const std::function<void(const status&)>& watch,
                      const std::function<bool()>& cancelled) {
    const auto subject_named = [this](const std::string& name) -> const subject& {
        return *std::find_if(results_.subjects().begin(), results_.subjects().end(),
                             [&](const subject& each) { return each.name == name; });
    };
    double expected = 0;
    double taken = 0;
    unsigned since_report = 0;
    sample last;
    for (const cell& each : results_.plan()) {
        if (results_.has(each.key())) continue;
        status is = now();
        if (taken > 0) is.last = &last;
        watch(is);
        if (since_report++ % cells_between_reports == 0) write_report(is);
        const auto from = std::chrono::steady_clock::now();
        for (unsigned attempt = 0; attempt < attempts; ++attempt) {
            last = measure(each, subject_named(each.subject), at_, cancelled);
            if (cancelled()) return false;
            last.measured_at = static_cast<double>(std::time(nullptr));
            if (last.valid || last.failed) break;
        }
        taken += std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
        expected += each.expected_seconds();
        if (expected > 5) pace_ = taken / expected;
        store_.add(last);
        results_.add(last);
    }
    status is = now();
    is.last = &last;
    watch(is);
    return true;
}

std::vector<std::string> run::headlines() const { return make_page(results_, frame_of(now())).headlines; }

report_frame run::frame_of(const status& now) const {
    report_frame frame;
    frame.chosen = options_.chosen;
    frame.command = options_.command;
    frame.version = options_.version;
    double newest = 0;
    for (const auto& [key, each] : results_.samples())
        newest = std::max(newest, each.measured_at);
    const auto shown = newest > 0 ? static_cast<std::time_t>(newest) : std::time(nullptr);
    frame.date = fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(shown));
    frame.missing = missing_;
    frame.at = at_;
    frame.shared_core = at_.server_cores == at_.generator_cores;
    frame.under_way.done = static_cast<std::uint32_t>(now.done);
    frame.under_way.planned = static_cast<std::uint32_t>(now.planned);
    frame.under_way.seconds_left = now.seconds_left;
    if (now.next != nullptr) frame.under_way.current = words_of(*now.next);
    return frame;
}

void run::write_report(const status& now) const {
    const report_frame frame = frame_of(now);
    const page drawn = make_page(results_, frame);
    write_in_one_step(at_.directory + "/report.html", to_html(drawn));
    write_in_one_step(at_.directory + "/report.json", report_json(results_, frame));
    for (const section& part : drawn.sections) {
        for (const chart& each : part.charts) {
            write_in_one_step(fmt::format("{}/charts/{}.svg", at_.directory, each.id), svg_file(each));
        }
    }
    write_in_one_step(at_.directory + "/progress.json", to_json(frame.under_way));
}

}  // namespace naru::lab
