#include <lab/plan.hpp>

#include <load/limits.hpp>
#include <load/request.hpp>

#include <naru/core/limits.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <optional>

#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

#include <fmt/format.h>

namespace naru::lab {

namespace {

constexpr std::size_t kept_descriptors = 500;
constexpr std::uint32_t chapter_connections = 10'000;
constexpr std::uint32_t quick_connections = 5'000;
constexpr std::uint32_t ab_connections = 1'000;  // the chapter's
constexpr double apache_warmup = 1;              // seconds: the memory of many busy processes is read in it
constexpr std::uint32_t busy_connections = 1'000;
// The active connections alone, beside the idle ones, and alone again: less than five minutes in all.
constexpr unsigned held_rounds = 1;
constexpr double held_seconds = 2;
constexpr double held_warmup = 0.3;
constexpr double start_seconds = 0.3;  // of a generator
// Memory of an idle connection, both ends, in the kernel and in both programs: 10.5 KiB were measured.
constexpr std::uint64_t held_bytes_each = 12 * 1024;
constexpr double creation_rate =
    4'000;  // threads or processes that are made in a second without a full queue

std::vector<std::string> names_of(std::span<const subject> subjects, subject::kind which) {
    std::vector<std::string> names;
    for (const subject& each : subjects) {
        if (each.is == which) names.push_back(each.name);
    }
    return names;
}

// io_uring's direct descriptors are not counted against the limit of descriptors, but a ring's table is as
// long as the limit is. Connections are not spread quite evenly over the threads: a tenth more than they
// need.
unsigned threads_holding(std::uint32_t held, const workplace& at) {
    const std::uint64_t each = at.descriptors > 2 * naru::limits::ring_files
                                   ? at.descriptors - naru::limits::ring_files
                                   : naru::limits::ring_files;
    return static_cast<unsigned>((std::uint64_t{held} + held / 10 + each - 1) / each);
}

bool holds(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

class planner {
 public:
    planner(const settings& chosen, std::span<const subject> subjects, const workplace& at)
        : settings_(chosen),
          at_(at),
          subjects_(subjects),
          rounds_(chosen.rounds > 0 ? chosen.rounds
                  : chosen.quick    ? 2
                                    : 4),
          seconds_(chosen.seconds > 0 ? chosen.seconds
                   : chosen.quick     ? 0.25
                                      : 0.5),
          models_(names_of(subjects, subject::kind::model)) {
        if (!settings_.models.empty()) {
            std::erase_if(models_, [this](const auto& each) { return !holds(settings_.models, each); });
        } else if (settings_.quick) {
            static const std::vector<std::string> few{"threads", "select", "poll", "epoll", "io_uring"};
            std::erase_if(models_, [](const auto& each) { return !holds(few, each); });
        }
    }

    std::vector<cell> make() {
        add_connections();
        add_activity();
        add_by_size();
        add_by_depth();
        point(scenarios::churn, 0, models_, [](shape& load) { load.close = true; });
        point(scenarios::reading, 0, readers(), [](shape& load) { load.connections = 16; });
        rounds_ = 1;
        if (!find_program("strace").empty())
            point(scenarios::calls, 0, models_, [](shape& load) { load.by = shape::tool::traced; });
        add_servers();
        if (holds(settings_.scenarios, scenarios::held)) add_held();
        return std::move(cells_);
    }

 private:
    template <class Change>
    void point(std::string_view scenario, double x, const std::vector<std::string>& names, Change change) {
        if (!settings_.scenarios.empty() && !holds(settings_.scenarios, scenario)) return;
        for (unsigned round = 0; round < rounds_; ++round) {
            for (std::size_t index = 0; index < names.size(); ++index) {
                cell made;
                made.scenario = scenario;
                // Odd rounds go backwards: nobody always follows the same other.
                const std::size_t turn = round % names.size();
                const std::size_t place = round % 2 == 0 ? index + turn : 2 * names.size() - turn - index;
                made.subject = names[place % names.size()];
                made.x = x;
                made.round = round;
                made.load.seconds = seconds_;
                change(made.load);
                const std::uint32_t wanted = made.load.connections + made.load.idle;
                const ceiling most = ceiling_of(made.subject, at_);
                if (most.connections != 0 && wanted > most.connections) continue;
                if (wanted > 500 && (made.subject == "threads" || made.subject == "apache-prefork"))
                    made.load.ramp = creation_rate;
                if (made.subject.starts_with("apache")) made.load.warmup = apache_warmup;
                cells_.push_back(std::move(made));
            }
        }
    }

    void add_connections() {
        const std::uint32_t most = most_connections(at_);
        // Beyond the chapter's case up to the limit: where a model dies.
        std::vector<std::uint32_t> numbers{10, 100, 1'000, 3'000, settings_.connections};
        if (settings_.quick) {
            numbers = {10, 1'000, std::min<std::uint32_t>(quick_connections, settings_.connections)};
        } else if (settings_.connections >= chapter_connections) {
            numbers.push_back(most);
        }
        std::sort(numbers.begin(), numbers.end());
        numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
        for (const std::uint32_t number : numbers) {
            if (number > most || (number > settings_.connections && number != most)) continue;
            point(scenarios::connections, number, models_, [&](shape& load) {
                load.connections = std::min(number, settings_.active);
                load.idle = number - load.connections;
                load.rate = settings_.rate;
                load.warmup = number > 5'000 ? 0.3 : 0.15;
            });
        }
    }

    void add_activity() {
        const std::uint32_t all = std::min<std::uint32_t>(busy_connections, settings_.connections);
        for (const std::uint32_t each : {all / 100, all / 10, all}) {
            if (each == 0 || (settings_.quick && each == all / 10)) continue;
            point(scenarios::activity, each, models_, [&](shape& load) {
                load.connections = each;
                load.idle = all - each;
                load.warmup = 0.3;  // a thousand threads take that long to come round
            });
        }
    }

    // One of each kind is enough where the number of connections does not matter.
    std::vector<std::string> kinds() const {
        std::vector<std::string> few;
        for (const char* each : {"threads", "epoll", "io_uring-single", "io_uring"}) {
            if (holds(models_, each)) few.emplace_back(each);
        }
        return few.empty() ? models_ : few;
    }

    void add_by_size() {
        static constexpr std::array<std::size_t, 4> sizes{64, 4 * 1024, 64 * 1024, 1024 * 1024};
        for (const std::size_t each : sizes) {
            if (settings_.quick && (each == 4 * 1024 || each == 1024 * 1024)) continue;
            point(scenarios::size, static_cast<double>(each), kinds(), [&](shape& load) {
                load.body = each;
                load.connections = 16;
            });
        }
    }

    void add_by_depth() {
        static constexpr std::array<unsigned, 4> depths{1, 4, 16, 64};
        for (const unsigned each : depths) {
            if (settings_.quick && (each == 4 || each == 64)) continue;
            point(scenarios::pipeline, each, kinds(), [&](shape& load) {
                load.pipeline = each;
                load.connections = 16;
            });
        }
    }

    std::vector<std::string> readers() const {
        std::vector<std::string> names = names_of(subjects_, subject::kind::reading);
        if (settings_.quick)
            std::erase_if(names,
                          [](const auto& each) { return each != "one-byte-level" && each != "drain-edge"; });
        return names;
    }

    void add_servers() {
        // A thousand processes of apache-prefork take ten seconds to come and go, and as long for ab.
        const bool brief = settings_.quick && settings_.scenarios.empty();
        std::vector<std::string> names = names_of(subjects_, subject::kind::server);
        if (brief) std::erase(names, "apache-prefork");
        rounds_ = settings_.rounds > 0 ? settings_.rounds : settings_.quick ? 1 : 4;
        point(scenarios::servers, 0, names, [this](shape& load) {
            load.connections = std::min<std::uint32_t>(busy_connections, settings_.connections);
            load.warmup = 0.3;
        });
        if (!settings_.quick) {
            point(scenarios::servers, 1, names, [this](shape& load) {
                load.connections = settings_.active;
                load.idle = settings_.connections - std::min(settings_.active, settings_.connections);
                load.rate = settings_.rate;
                load.warmup = 0.3;
            });
        }
        rounds_ = 1;
        if (brief || find_program("ab").empty()) return;
        point(scenarios::ab, 0, names, [](shape& load) {
            load.by = shape::tool::ab;
            load.connections = ab_connections;
        });
    }

    // Only when it is asked for: it takes half a minute to open a million connections. Few times therefore,
    // with many runs of the active ones beside them, and as many before and after.
    void add_held() {
        if (!holds(names_of(subjects_, subject::kind::holder), held_subject)) return;
        const unsigned rounds = settings_.rounds > 0 ? settings_.rounds : held_rounds;
        for (unsigned round = 0; round < rounds; ++round) {
            add_held(alone_subject, round);
            add_held(held_subject, round);
        }
        add_held(alone_subject, rounds);
    }

    void add_held(std::string_view subject_name, unsigned round) {
        cell made;
        made.scenario = scenarios::held;
        made.subject = subject_name;
        made.x = settings_.held;
        made.round = round;
        shape& load = made.load;
        load.by = shape::tool::held;
        load.connections = settings_.active;
        if (subject_name == held_subject) load.idle = settings_.held;
        load.rate = settings_.rate;
        load.warmup = held_warmup;
        load.seconds = settings_.seconds > 0 ? settings_.seconds : held_seconds;
        load.websockets = settings_.websockets;
        load.server_threads = threads_holding(settings_.held, at_);
        load.runs = subject_name == held_subject ? settings_.runs : (settings_.runs + 1) / 2;
        load.runs_at_most = load.runs + load.runs * 2 / 3;
        cells_.push_back(std::move(made));
    }

    const settings& settings_;
    const workplace& at_;
    std::span<const subject> subjects_;
    unsigned rounds_;
    double seconds_;
    std::vector<std::string> models_;
    std::vector<cell> cells_;
};

// Nothing when the file is not there or says "max".
std::optional<std::uint64_t> number_in(const std::string& path) {
    std::ifstream file(path);
    std::uint64_t number = 0;
    return file >> number ? std::optional(number) : std::nullopt;
}

// Of the control group that this process is in (cgroups(7), version 2).
std::string pids_limit_file() {
    std::ifstream groups("/proc/self/cgroup");
    std::string line;
    while (std::getline(groups, line)) {
        if (line.starts_with("0::")) return "/sys/fs/cgroup" + line.substr(3) + "/pids.max";
    }
    return {};
}

// A thread takes a process number and two memory areas (its stack and the guard page before it).
ceiling threads_ceiling() {
    ceiling least{1u << 30, {}};
    const auto bound = [&least](std::optional<std::uint64_t> limit, const char* name) {
        if (!limit) return;
        const std::uint64_t usable = *limit - *limit / 16;  // the rest of the machine has processes, too
        if (usable >= least.connections) return;
        least = {static_cast<std::uint32_t>(usable), fmt::format("threads: {} is {}", name, *limit)};
    };
    bound(number_in("/proc/sys/kernel/pid_max"), "pid_max");
    bound(number_in("/proc/sys/kernel/threads-max"), "threads-max");
    bound(number_in(pids_limit_file()), "the control group's pids.max");
    rlimit processes{};
    if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &processes) == 0 && processes.rlim_cur != RLIM_INFINITY)
        bound(processes.rlim_cur, "RLIMIT_NPROC");
    if (const auto areas = number_in("/proc/sys/vm/max_map_count"))
        bound(*areas / 2, "half of max_map_count");
    return least;
}

}  // namespace

std::string cell::key() const { return fmt::format("{}/{}/{:g}/{}", scenario, subject, x, round); }

std::string lacking_for(std::uint32_t held, const workplace& at) {
    if (const unsigned threads = threads_holding(held, at); threads > load::limits::threads) {
        return fmt::format(
            "{} threads with {} descriptors each, where {} is the most: raise the limit of "
            "descriptors (ulimit -Hn)",
            threads, at.descriptors, load::limits::threads);
    }
    const std::uint64_t bytes = held_bytes_each * held;
    if (at.memory_bytes != 0 && bytes > at.memory_bytes) {
        return fmt::format("about {} MiB of memory for both ends, and {} MiB are available", bytes >> 20,
                           at.memory_bytes >> 20);
    }
    // Both ends are open files of the system; only root may go beyond file-max.
    const std::uint64_t files = 2 * std::uint64_t{held} + kept_descriptors;
    if (const auto most = number_in("/proc/sys/fs/file-max"); most && *most < files && geteuid() != 0) {
        return fmt::format("{} open files, and fs.file-max is {}: sysctl -w fs.file-max={}", files, *most,
                           files);
    }
    std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    if (range >> first >> last && last - first + 1 < load::connections_per_source) {
        return fmt::format(
            "{} ports for each source address, and there are {}: sysctl -w "
            "net.ipv4.ip_local_port_range=\"32768 60999\"",
            load::connections_per_source, last - first + 1);
    }
    return {};
}

double cell::expected_seconds() const {
    if (load.by == shape::tool::traced) return 2;
    if (load.by == shape::tool::ab) return 1.5;
    const double connections = load.connections + load.idle;
    const double opening = connections / (load.ramp > 0 ? load.ramp : 12'000);
    const double run = load.warmup + load.seconds + (load.by == shape::tool::held ? start_seconds : 0);
    return 0.25 + load.runs * run + opening + connections / 40'000;
}

std::vector<cell> make_plan(const settings& chosen, std::span<const subject> subjects, const workplace& at) {
    return planner(chosen, subjects, at).make();
}

std::uint32_t most_connections(const workplace& at) {
    constexpr std::uint64_t bytes_each = 64 * 1024;  // both ends, the threads' stacks included
    std::uint64_t most = connections_at_most;
    if (at.descriptors < connections_at_most + kept_descriptors)
        most = at.descriptors > 2 * kept_descriptors ? at.descriptors - kept_descriptors : at.descriptors / 2;
    if (at.memory_bytes != 0) most = std::min(most, at.memory_bytes / 2 / bytes_each);
    return static_cast<std::uint32_t>(most);
}

ceiling ceiling_of(const std::string& subject_name, const workplace& at) {
    constexpr std::uint32_t others = 24;  // descriptors that are not connections
    if (subject_name == "select")
        return {FD_SETSIZE - others,
                fmt::format("FD_SETSIZE: select cannot watch descriptors from {} on", FD_SETSIZE)};
    if (subject_name == "apache-prefork")
        return {1'024, "a process for each connection, 1,024 are configured"};
    if (subject_name == "threads") {
        ceiling most = threads_ceiling();
        if (most.connections < most_connections(at)) return most;
    }
    if (subject_name == held_subject || subject_name == alone_subject) return {};
    if (subject_name == "h2o" || subject_name == "nginx" || subject_name.starts_with("naru-"))
        return {static_cast<std::uint32_t>(at.descriptors - std::min(at.descriptors, kept_descriptors)),
                "the limit of descriptors"};
    return {};
}

}  // namespace naru::lab
