// The sentences of a well-known chapter on asynchronous I/O, held against what was measured.
#include <lab/report.hpp>
#include <lab/report_words.hpp>

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

namespace naru::lab {

namespace {

using outcome = claim::outcome;

// A claimed factor holds when at least half of it is seen, and not at all when less than a tenth of its
// excess is.
constexpr double half = 0.5;

class judge {
 public:
    judge(const results& all, const settings& chosen, const workplace& at)
        : all_(all),
          chosen_(chosen),
          at_(at),
          most_(largest_place()),
          few_(std::min<double>(chosen.active, most_)) {}

    std::vector<claim> claims() const {
        return {threads_die(),
                threads_memory(),
                select_at_ten_thousand(),
                poll_at_ten_thousand(),
                epoll_at_ten_thousand(),
                scanning(),
                one_byte(),
                tenfold(),
                apache_speed(),
                apache_memory()};
    }

 private:
    // The chapter's case: 10,000 connections, or as many as this run had.
    double largest_place() const {
        double most = 0;
        for (const double each : all_.places_of(scenarios::connections)) {
            if (each <= chosen_.connections) most = std::max(most, each);
        }
        return most;
    }

    std::optional<double> at(const std::string& model, double x, const figure& which) const {
        return all_.median(scenarios::connections, model, x, which);
    }

    static std::string latency_words(std::optional<double> milliseconds) {
        return milliseconds ? milliseconds_words(*milliseconds) : "no valid latency";
    }

    static claim missing(std::string sentence, std::string claimed, std::string why) {
        return {std::move(sentence), std::move(claimed), "", outcome::not_measured, std::move(why)};
    }

    std::string load_words() const {
        return fmt::format("{} connections, {} active, {} requests/s", count_words(most_), count_words(few_),
                           count_words(chosen_.rate));
    }

    claim threads_die() const {
        claim made{"A thread per connection dies at 10,000 connections.", "dies", "", outcome::not_measured,
                   ""};
        const ceiling limit = ceiling_of("threads", at_);
        if (limit.connections != 0 && limit.connections < 10'000) {
            made.measured = fmt::format("cannot have more than {}", count_words(limit.connections));
            made.found = outcome::holds;
            made.why = limit.why;
            return made;
        }
        const auto cpu = at("threads", most_, figures::cpu_microseconds);
        const auto epoll = at("epoll", most_, figures::cpu_microseconds);
        if (most_ < 10'000 || !cpu || !epoll) {
            made.why = most_ < 10'000 ? "this run went up to fewer connections"
                                      : "no valid figures of threads and epoll";
            return made;
        }
        made.measured = fmt::format("alive at {}: {} us of CPU a request, epoll {}", count_words(most_),
                                    figure_words(*cpu), figure_words(*epoll));
        made.found = outcome::does_not_hold;
        made.why =
            "what ends it is a limit (pid_max, max_map_count, memory for stacks) and the cost of many "
            "threads that are "
            "active at once, not the number 10,000";
        return made;
    }

    claim threads_memory() const {
        constexpr double claimed = 8 * 1024 * 1024;
        const auto user = all_.bytes_per_connection("threads", figures::user_bytes);
        const auto other = all_.bytes_per_connection("epoll", figures::user_bytes);
        const auto kernel = all_.bytes_per_connection("threads", figures::kernel_bytes);
        const auto other_kernel = all_.bytes_per_connection("epoll", figures::kernel_bytes);
        std::string sentence = "Threads take too much memory for many connections (a stack of 8 MB each).";
        if (!user || !other || !kernel || !other_kernel)
            return missing(sentence, "8 MB each", "no valid figures of both");
        return {sentence, "8 MB each",
                fmt::format("{} of user and {} more of kernel memory than epoll for each",
                            byte_words(*user - *other), byte_words(*kernel - *other_kernel)),
                *user + *kernel - *other - *other_kernel >= claimed * half ? outcome::holds
                                                                           : outcome::does_not_hold,
                "a stack is address space; only pages that have been touched are memory"};
    }

    claim select_at_ten_thousand() const {
        const ceiling limit = ceiling_of("select", at_);
        claim made{"10,000 connections, 100 of them active: select burns 65% CPU at 15 ms.", "65% CPU, 15 ms",
                   "", outcome::does_not_hold, ""};
        made.measured = fmt::format("cannot: {}", limit.why);
        double last = 0;
        for (const double x : all_.places_of(scenarios::connections)) {
            if (at("select", x, figures::cpu_percent)) last = x;
        }
        if (last == 0) {
            made.why = "below that it has no valid figures in this run";
            return made;
        }
        made.measured += fmt::format("; at {}: {}% CPU, {}", count_words(last),
                                     figure_words(*at("select", last, figures::cpu_percent)),
                                     latency_words(at("select", last, figures::p50_milliseconds)));
        made.why = fmt::format("share and latency follow the rate of requests, here {} a second",
                               count_words(chosen_.rate));
        return made;
    }

    claim poll_at_ten_thousand() const {
        std::string sentence = "In the same case poll burns 60% CPU at 12 ms: twelve times epoll's.";
        const auto cpu = at("poll", most_, figures::cpu_percent);
        const auto epoll = at("epoll", most_, figures::cpu_percent);
        const auto p50 = at("poll", most_, figures::p50_milliseconds);
        const auto ratio = all_.ratio(scenarios::connections, most_, "poll", "epoll", figures::cpu_percent);
        if (!cpu || !epoll || !p50 || !ratio)
            return missing(sentence, "60% CPU, 12 ms",
                           !cpu || !p50 ? "no valid figures of poll" : "no valid figures of epoll beside it");
        claim made{sentence, "60% CPU, 12 ms",
                   fmt::format("{}% CPU, {} at the median: {} epoll's CPU ({})", figure_words(*cpu),
                               milliseconds_words(*p50), times_words(ratio->ratio.median), load_words()),
                   outcome::depends, ""};
        if (most_ < 10'000) {
            made.why = "on the number of connections: this run went up to fewer";
        } else if (ratio->ratio.median >= 12 * half) {
            made.found = outcome::holds;
            made.why = "the ratio; share and latency follow the rate of requests";
        } else if (ratio->ratio.median < 1.5) {
            made.found = outcome::does_not_hold;
        } else {
            made.why = "on how many requests one wait finds ready: poll is dearer, by less than claimed";
        }
        return made;
    }

    claim epoll_at_ten_thousand() const {
        std::string sentence = "In the same case epoll takes 5% CPU at 0.5 ms.";
        const auto cpu = at("epoll", most_, figures::cpu_percent);
        const auto p50 = at("epoll", most_, figures::p50_milliseconds);
        if (!cpu || !p50) return missing(sentence, "5% CPU, 0.5 ms", "no valid figures of epoll");
        claim made{sentence, "5% CPU, 0.5 ms",
                   fmt::format("{}% CPU, {} at the median ({})", figure_words(*cpu), milliseconds_words(*p50),
                               load_words()),
                   outcome::depends,
                   "on the rate of requests: idle connections cost epoll nothing, requests do"};
        if (*p50 <= 0.5 && *cpu <= 5) made.found = outcome::holds;
        return made;
    }

    claim scanning() const {
        std::string sentence = "At 1,000 connections half of select's CPU goes into scanning.";
        const auto full = at("select", 1'000, figures::cpu_microseconds);
        const auto none = at("select", 10, figures::cpu_microseconds);
        if (!full || !none)
            return missing(sentence, "50%", "no valid figures of select at 10 and at 1,000 connections");
        const double share = 100 * (*full - *none) / *full;
        claim made{sentence, "50%",
                   fmt::format("{:.0f}%: {} us of CPU a request at 1,000 connections, {} at 10", share,
                               figure_words(*full), figure_words(*none)),
                   share >= 40  ? outcome::holds
                   : share < 15 ? outcome::does_not_hold
                                : outcome::depends,
                   ""};
        if (made.found == outcome::depends) made.why = "on how many of them are ready when select returns";
        return made;
    }

    claim one_byte() const {
        std::string sentence = "A level-triggered loop that reads one byte at a time spins.";
        const auto ratio =
            all_.ratio(scenarios::reading, 0, "one-byte-level", "drain-edge", figures::cpu_microseconds);
        if (!ratio || !ratio->valid)
            return missing(sentence, "spins", "no valid figures of both ways to read");
        return {sentence, "spins",
                fmt::format("{} the CPU of an edge-triggered loop that reads all there is",
                            times_words(ratio->ratio.median)),
                ratio->ratio.median >= 2 ? outcome::holds : outcome::does_not_hold,
                "it makes progress at every turn, but pays for a wait and a read with each byte"};
    }

    claim tenfold() const {
        std::string sentence = "io_uring is ten times faster than epoll.";
        double least = INFINITY;
        double most = 0;
        for (const std::string_view scenario : {scenarios::connections, scenarios::activity, scenarios::size,
                                                scenarios::pipeline, scenarios::churn}) {
            for (const double x : all_.places_of(scenario)) {
                const auto ratio = all_.ratio(scenario, x, "epoll", "io_uring", figures::cpu_microseconds);
                if (!ratio || !ratio->valid) continue;
                least = std::min(least, ratio->ratio.median);
                most = std::max(most, ratio->ratio.median);
            }
        }
        if (most == 0) return missing(sentence, "10 times", "no valid figures of both");
        return {sentence, "10 times",
                fmt::format("from {} to {} (CPU per request, all places with valid figures)",
                            figure_words(least), times_words(most)),
                least >= 10 * half  ? outcome::holds
                : most >= 10 * half ? outcome::depends
                                    : outcome::does_not_hold,
                "most of a request's cost is TCP in the kernel, which both share"};
    }

    // Requests of one core, which is the inverse of CPU per request: a rate would be the generator's as soon
    // as that is the slower one.
    claim apache_speed() const {
        std::string sentence = "nginx serves 17 times as many requests as Apache.";
        const auto prefork =
            all_.ratio(scenarios::servers, 0, "apache-prefork", "nginx", figures::cpu_microseconds);
        const auto events =
            all_.ratio(scenarios::servers, 0, "apache-event", "nginx", figures::cpu_microseconds);
        const bool has_prefork = prefork && prefork->valid;
        const bool has_events = events && events->valid;
        if (!has_prefork && !has_events) return missing(sentence, "17 times", no_servers());
        claim made{sentence, "17 times", "", outcome::does_not_hold,
                   "1,000 busy connections, a small file, one core, by CPU per request"};
        if (has_prefork) made.measured = times_words(prefork->ratio.median) + " (prefork)";
        if (has_events)
            made.measured +=
                fmt::format("{}{} (event)", has_prefork ? ", " : "", times_words(events->ratio.median));
        const auto by_ab =
            all_.ratio(scenarios::ab, 0, "nginx", "apache-prefork", figures::requests_per_second);
        if (by_ab) made.measured += fmt::format("; by ab {} (prefork)", times_words(by_ab->ratio.median));
        const double most =
            std::max(has_prefork ? prefork->ratio.median : 0, has_events ? events->ratio.median : 0);
        if (most >= 17 * half) made.found = outcome::holds;
        return made;
    }

    std::string no_servers() const {
        const auto is_there = [this](std::string_view name) {
            return std::any_of(all_.subjects().begin(), all_.subjects().end(),
                               [&](const subject& each) { return each.name == name; });
        };
        if (!is_there("nginx")) return "nginx is not installed";
        if (!is_there("apache-prefork")) return "apache2 is not installed";
        return "no valid figures of both";
    }

    claim apache_memory() const {
        std::string sentence = "nginx needs a 166th of Apache's memory.";
        const auto ratio = all_.ratio(scenarios::servers, 0, "apache-prefork", "nginx", figures::user_bytes);
        if (!ratio || !ratio->valid) return missing(sentence, "166 times less", no_servers());
        return {sentence, "166 times less",
                fmt::format("{} less than prefork, with 1,000 connections", times_words(ratio->ratio.median)),
                ratio->ratio.median >= 166 * half ? outcome::holds
                : ratio->ratio.median < 16.6      ? outcome::does_not_hold
                                                  : outcome::depends,
                "on how many connections nginx is told to expect, on Apache's modules, and on counting pages "
                "that processes share "
                "once"};
    }

    const results& all_;
    const settings& chosen_;
    const workplace& at_;
    double most_;
    double few_;
};

}  // namespace

std::vector<claim> make_claims(const results& all, const report_frame& frame) {
    return judge(all, frame.chosen, frame.at).claims();
}

}  // namespace naru::lab
