// One part of the report for each scenario: its charts, tables, and sentences made from the figures.
#include <lab/held.hpp>
#include <lab/report.hpp>
#include <lab/report_words.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace naru::lab {

namespace {

struct axis {
    std::string label;
    bool logarithmic = true;
};

series series_of(const results& all, std::string_view scenario, const std::string& name,
                 const figure& which) {
    series made;
    made.model = made.label = name;
    for (const double x : all.places_of(scenario)) {
        if (auto there = all.at(scenario, name, x, which)) made.points.push_back(std::move(*there));
    }
    return made;
}

chart lines(const results& all, std::string_view scenario, std::string id, std::string title, const axis& x,
            const axis& y, const figure& which) {
    chart made;
    made.id = std::move(id);
    made.title = std::move(title);
    made.x_label = x.label;
    made.y_label = y.label;
    made.x_logarithmic = x.logarithmic;
    made.y_logarithmic = y.logarithmic;
    for (const std::string& name : all.subjects_of(scenario)) {
        series each = series_of(all, scenario, name, which);
        if (!each.points.empty()) made.all.push_back(std::move(each));
    }
    return made;
}

chart bars(const results& all, std::string_view scenario, double x, std::string id, std::string title,
           std::string label, const figure& which) {
    chart made;
    made.drawn_as = chart::form::bars;
    made.id = std::move(id);
    made.title = std::move(title);
    made.y_label = std::move(label);
    for (const std::string& name : all.subjects_of(scenario)) {
        if (auto there = all.at(scenario, name, x, which))
            made.all.push_back({name, name, {std::move(*there)}, ""});
    }
    return made;
}

void mark_crossovers(chart& in, const results& all, std::string_view scenario, std::string_view unit) {
    const order found = order_of(all, scenario, "io_uring", "epoll");
    if (found.is != order::kind::crosses || !found.crossover) return;
    in.markers.push_back(
        {*found.crossover, fmt::format("beyond about {} {} {} takes less", count_words(*found.crossover),
                                       unit, found.first_is_less ? "io_uring" : "epoll")});
}

// Ratios of every subject to `baseline` at every place, with their intervals; the invalid ones hatched.
table ratios(const results& all, std::string_view scenario, const std::string& baseline, const figure& which,
             std::string caption, std::string_view place_name) {
    table made;
    made.caption = std::move(caption);
    const auto places = all.places_of(scenario);
    made.columns = {"", "median", "interval", "rounds"};
    for (const std::string& name : all.subjects_of(scenario)) {
        if (name == baseline) continue;
        for (const double x : places) {
            const auto ratio = all.ratio(scenario, x, name, baseline, which);
            if (!ratio) continue;
            const std::string row =
                places.size() > 1 ? fmt::format("{}, {} {}", name, count_words(x), place_name) : name;
            made.rows.push_back(
                {{row, figure_words(ratio->ratio.median),
                  fmt::format("{} to {}", figure_words(ratio->ratio.low), figure_words(ratio->ratio.high)),
                  fmt::format("{}", ratio->ratio.rounds)},
                 ratio->valid});
        }
    }
    return made;
}

// The name and figure of the least valid point.
std::string least_words(const results& all, std::string_view scenario, double x, const figure& which,
                        std::string_view unit) {
    std::string best;
    double least = INFINITY;
    for (const std::string& name : all.subjects_of(scenario)) {
        const auto value = all.median(scenario, name, x, which);
        if (value && *value < least) least = *value, best = name;
    }
    return best.empty() ? std::string() : fmt::format("{} ({} {})", best, figure_words(least), unit);
}

const char* const cpu_label = "CPU per request of the server (us)";

class writer {
 public:
    writer(const results& all, const report_frame& frame) : all_(all), frame_(frame) {}

    std::vector<section> sections() {
        const auto measured = [this](std::string_view scenario) {
            return std::any_of(all_.plan().begin(), all_.plan().end(), [&](const cell& each) {
                return each.scenario == scenario && all_.has(each.key());
            });
        };
        std::vector<section> made;
        if (measured(scenarios::held)) made.push_back(held());
        if (measured(scenarios::connections)) {
            made.push_back(chapter());
            made.push_back(connections());
            made.push_back(memory());
        }
        if (measured(scenarios::activity)) made.push_back(activity());
        if (measured(scenarios::size)) made.push_back(size());
        if (measured(scenarios::pipeline)) made.push_back(pipeline());
        if (measured(scenarios::churn)) made.push_back(churn());
        if (measured(scenarios::reading)) made.push_back(reading());
        if (measured(scenarios::calls)) made.push_back(calls());
        if (measured(scenarios::servers)) made.push_back(servers());
        return made;
    }

 private:
    section held() const {
        const std::string with(held_subject);
        const std::string without(alone_subject);
        const double x = frame_.chosen.held;
        section made;
        made.id = "held";
        const bool websockets = frame_.chosen.websockets;
        const char* const those = websockets ? "WebSockets" : "connections";
        made.title = fmt::format("{} {} held by one process", count_words(x), those);
        made.question =
            fmt::format("What do {} idle {} cost the {} that ask, and what do they cost in memory?",
                        count_words(x), those, count_words(frame_.chosen.active));
        const auto words = [&](const std::string& name, const figure& which, auto&& in_words) {
            const auto there = all_.at(scenarios::held, name, x, which);
            return there ? in_words(there->y) + (there->valid ? "" : " (invalid)") : std::string("-");
        };
        table figures_table;
        figures_table.caption =
            fmt::format("{} active connections, {} requests a second", count_words(frame_.chosen.active),
                        count_words(frame_.chosen.rate));
        figures_table.columns = {"", "with the idle ones", "without them"};
        const auto row = [&](const char* name, const figure& which, auto&& in_words) {
            figures_table.rows.push_back(
                {{name, words(with, which, in_words), words(without, which, in_words)}, true});
        };
        row("connections that were open", figures::connections, count_words);
        row("p50", figures::p50_milliseconds, milliseconds_words);
        row("p99", figures::p99_milliseconds, milliseconds_words);
        row("CPU of the server per request (us)", figures::cpu_microseconds, figure_words);
        row("the server's memory", figures::user_bytes, byte_words);
        row("the kernel's memory, both ends", figures::kernel_bytes, byte_words);
        made.tables.push_back(std::move(figures_table));
        const auto per_connection = [&](const figure& which) {
            const auto full = all_.median(scenarios::held, with, x, which);
            const auto empty = all_.median(scenarios::held, without, x, which);
            return full && empty && *full > *empty ? byte_words((*full - *empty) / x) : std::string("-");
        };
        made.findings.push_back(
            fmt::format("An idle {} takes {} of the server's memory, and {} of the kernel's for both ends.",
                        websockets ? "WebSocket" : "connection", per_connection(figures::user_bytes),
                        per_connection(figures::kernel_bytes)));
        made.findings.push_back(held_words(answer_held(all_, x), frame_.chosen.active));
        const auto cpu = all_.ratio(scenarios::held, x, with, without, figures::cpu_microseconds);
        if (cpu) {
            made.findings.push_back(
                fmt::format("CPU of the server per request is {} what it is without the idle ones{}.",
                            times_words(cpu->ratio.median), cpu->valid ? "" : " (disturbed)"));
        }
        made.notes.push_back(
            "The active ones ask in many runs of a fixed schedule, before the idle ones are there, beside "
            "them, and "
            "after them. A run is set aside when the generator says that it could not keep its schedule, was "
            "stopped or "
            "lost time to the hypervisor, when it waited for its core for more than 2% of the time "
            "(schedstat), and when "
            "other programs had more than 5% of both cores (/proc/stat).");
        made.notes.push_back(fmt::format(
            "The idle connections belong to a generator process of its own, on the generators' core; each "
            "{}. "
            "Its source addresses are of 127/8, 12,000 connections each.",
            websockets ? "was upgraded, and nothing was said on it since" : "has had one answer"));
        made.notes.push_back(
            "Server and idle generator have as many threads as io_uring's tables of direct descriptors take: "
            "they are not counted "
            "against the limit of descriptors, but each ring's is as long as that.");
        return made;
    }

    section chapter() const {
        double most = 0;
        for (const double x : all_.places_of(scenarios::connections)) {
            if (x <= frame_.chosen.connections) most = std::max(most, x);
        }
        section made;
        made.id = "chapter";
        made.title =
            fmt::format("{} connections, {} active", count_words(most), count_words(frame_.chosen.active));
        made.question = fmt::format(
            "What does each model pay for connections that say nothing, while {} others ask {} times "
            "a second in all?",
            count_words(frame_.chosen.active), count_words(frame_.chosen.rate));
        chart cpu = bars(all_, scenarios::connections, most, "chapter-cpu", "CPU of the server",
                         "CPU (% of a core)", figures::cpu_percent);
        cpu.summary =
            fmt::format("Share of one core at {} requests a second.", count_words(frame_.chosen.rate));
        chart latency = bars(all_, scenarios::connections, most, "chapter-p99", "Latency", "p99 (ms)",
                             figures::p99_milliseconds);
        latency.summary = "The 99th percentile, from the time at which a request was to be sent.";
        made.charts = {std::move(cpu), std::move(latency)};
        table all;
        all.caption = "All figures of this case";
        all.columns = {"", "CPU", "CPU per request", "p50", "p99"};
        for (const std::string& name : all_.subjects_of(scenarios::connections))
            add_row(all, name, most);
        made.tables.push_back(std::move(all));
        const std::string best =
            least_words(all_, scenarios::connections, most, figures::cpu_microseconds, "us a request");
        if (!best.empty()) made.findings.push_back("Least CPU: " + best + ".");
        const auto poll =
            all_.ratio(scenarios::connections, most, "poll", "epoll", figures::cpu_microseconds);
        if (poll)
            made.findings.push_back(
                fmt::format("poll took {} the CPU of epoll.", times_words(poll->ratio.median)));
        made.notes.push_back(
            "Open loop: requests come on a schedule, whether the server keeps up or not, and latency "
            "counts from the schedule.");
        return made;
    }

    void add_row(table& into, const std::string& name, double x) const {
        const auto cell = [&](const figure& which, std::string_view unit) {
            const auto there = all_.at(scenarios::connections, name, x, which);
            return there
                       ? fmt::format("{}{}{}", figure_words(there->y), unit, there->valid ? "" : " (invalid)")
                       : std::string("-");
        };
        const ceiling most = ceiling_of(name, frame_.at);
        if (most.connections != 0 && x > most.connections) {
            into.rows.push_back({{name, most.why, "-", "-", "-"}, true});
            return;
        }
        const auto cpu = all_.at(scenarios::connections, name, x, figures::cpu_percent);
        into.rows.push_back({{name, cell(figures::cpu_percent, "%"), cell(figures::cpu_microseconds, " us"),
                              cell(figures::p50_milliseconds, " ms"), cell(figures::p99_milliseconds, " ms")},
                             !cpu || cpu->valid});
    }

    section connections() const {
        section made;
        made.id = "connections";
        made.title = "Cost against the number of connections";
        made.question = "Which models pay for connections that are merely open?";
        chart cost =
            lines(all_, scenarios::connections, "connections-cpu", "CPU per request, by open connections",
                  {"open connections, of which up to " + count_words(frame_.chosen.active) + " are active"},
                  {cpu_label}, figures::cpu_microseconds);
        cost.summary =
            "select and poll look at every connection at each wait; the others only at those that have "
            "something.";
        for (series& each : cost.all) {
            const ceiling most = ceiling_of(each.model, frame_.at);
            if (most.connections != 0 && !each.points.empty() &&
                all_.places_of(scenarios::connections).back() > most.connections)
                each.ends = most.why;
        }
        mark_crossovers(cost, all_, scenarios::connections, "connections");
        chart latency =
            lines(all_, scenarios::connections, "connections-p99", "p99 latency, by open connections",
                  {"open connections"}, {"p99 (ms)"}, figures::p99_milliseconds);
        latency.summary = "From the time at which a request was to be sent.";
        made.charts = {std::move(cost), std::move(latency)};
        for (const char* name : {"poll", "select", "epoll", "io_uring", "threads"}) {
            const series each = series_of(all_, scenarios::connections, name, figures::cpu_microseconds);
            std::vector<point> sound = each.points;
            std::erase_if(sound, [](const point& one) { return !one.valid; });
            if (sound.size() < 2) continue;
            const point& first = sound.front();
            const point& last = sound.back();
            made.findings.push_back(fmt::format("{}: {} us at {} connections, {} us at {} ({}).", name,
                                                figure_words(first.y), count_words(first.x),
                                                figure_words(last.y), count_words(last.x),
                                                times_words(last.y / first.y)));
        }
        made.tables.push_back(ratios(all_, scenarios::connections, "epoll", figures::cpu_microseconds,
                                     "CPU per request, divided by epoll's in the same round", "connections"));
        return made;
    }

    section memory() const {
        section made;
        made.id = "memory";
        made.title = "Memory of an idle connection";
        made.question = "What does a connection cost that says nothing?";
        chart user;
        user.id = "memory-user";
        user.drawn_as = chart::form::bars;
        user.title = "User memory of one more connection";
        user.y_label = "bytes";
        user.y_logarithmic = true;
        user.summary =
            "Growth of the server's own memory from the fewest to the most connections, divided by their "
            "number. "
            "Threads: the pages of a stack that have been touched.";
        chart kernel = user;
        kernel.id = "memory-kernel";
        kernel.title = "Kernel memory of one more connection, both ends";
        kernel.summary =
            "Growth of the kernel's memory (slabs, stacks, page tables, socket buffers), in which the "
            "generator's "
            "end is, too: differences between models are the model's.";
        for (const std::string& name : all_.subjects_of(scenarios::connections)) {
            const auto mine = all_.bytes_per_connection(name, figures::user_bytes);
            const auto system = all_.bytes_per_connection(name, figures::kernel_bytes);
            if (mine && *mine > 0) user.all.push_back({name, name, {bar(*mine)}, ""});
            if (system && *system > 0) kernel.all.push_back({name, name, {bar(*system)}, ""});
        }
        if (!user.all.empty()) made.charts.push_back(std::move(user));
        if (!kernel.all.empty()) made.charts.push_back(std::move(kernel));
        const auto threads = all_.bytes_per_connection("threads", figures::user_bytes);
        const auto epoll = all_.bytes_per_connection("epoll", figures::user_bytes);
        if (threads && epoll && *epoll > 0)
            made.findings.push_back(
                fmt::format("A thread's connection takes {} of user memory, one of epoll {}.",
                            byte_words(*threads), byte_words(*epoll)));
        made.notes.push_back(
            "The lab's own server, not naru serve: its connections have no deadlines and no log.");
        return made;
    }

    static point bar(double value) {
        point made;
        made.y = made.low = made.high = value;
        return made;
    }

    section activity() const {
        section made;
        made.id = "activity";
        made.title = "Cost against activity";
        made.question =
            "Of 1,000 connections 1% to 100% ask again as soon as they have their answer. Who gains?";
        chart cost = lines(all_, scenarios::activity, "activity-cpu",
                           "CPU per request, by active connections of 1,000", {"active connections"},
                           {cpu_label}, figures::cpu_microseconds);
        cost.summary = "The more are ready at each wait, the less a wait costs each of them.";
        mark_crossovers(cost, all_, scenarios::activity, "active connections");
        chart rate = lines(all_, scenarios::activity, "activity-rate", "Requests per second",
                           {"active connections"}, {"requests per second"}, figures::requests_per_second);
        rate.less_is_better = false;
        rate.summary =
            "Closed loop, one core for the server. Hatched where the generator was the slower one.";
        made.charts = {std::move(cost), std::move(rate)};
        made.tables.push_back(ratios(all_, scenarios::activity, "epoll", figures::cpu_microseconds,
                                     "CPU per request, divided by epoll's in the same round", "active"));
        add_order_finding(made, scenarios::activity, "active connections");
        return made;
    }

    void add_order_finding(section& into, std::string_view scenario, std::string_view unit) const {
        const order found = order_of(all_, scenario, "io_uring", "epoll");
        const std::string_view less = found.first_is_less ? "io_uring" : "epoll";
        const std::string_view other = found.first_is_less ? "epoll" : "io_uring";
        switch (found.is) {
            case order::kind::crosses:
                into.findings.push_back(fmt::format("Beyond about {} {} {} takes less CPU, below it {}.",
                                                    count_words(found.crossover.value_or(0)), unit, less,
                                                    other));
                return;
            case order::kind::everywhere:
                into.findings.push_back(
                    fmt::format("{} takes less CPU than {} at every place.", less, other));
                return;
            case order::kind::unclear:
                into.findings.push_back(
                    "Between epoll and io_uring there is no order that is larger than the noise at every "
                    "place.");
        }
    }

    section size() const {
        section made;
        made.id = "size";
        made.title = "Size of the answer";
        made.question = "When is the model's cost lost in the cost of moving bytes?";
        chart cost = lines(all_, scenarios::size, "size-cpu", "CPU per request, by bytes of the body",
                           {"bytes of the body"}, {cpu_label}, figures::cpu_microseconds);
        cost.summary = "16 busy connections. Bodies are in memory; nobody uses sendfile here.";
        mark_crossovers(cost, all_, scenarios::size, "bytes");
        made.charts = {std::move(cost)};
        made.tables.push_back(ratios(all_, scenarios::size, "epoll", figures::cpu_microseconds,
                                     "CPU per request, divided by epoll's in the same round", "bytes"));
        add_order_finding(made, scenarios::size, "bytes");
        return made;
    }

    section pipeline() const {
        section made;
        made.id = "pipeline";
        made.title = "Pipelining";
        made.question = "How much of a request's cost is the system call?";
        chart cost =
            lines(all_, scenarios::pipeline, "pipeline-cpu", "CPU per request, by requests under way",
                  {"requests under way on a connection"}, {cpu_label}, figures::cpu_microseconds);
        cost.summary = "Requests that arrive together are answered together, with one read and one write.";
        mark_crossovers(cost, all_, scenarios::pipeline, "requests");
        made.charts = {std::move(cost)};
        return made;
    }

    section churn() const {
        section made;
        made.id = "churn";
        made.title = "New connections";
        made.question = "What does a connection cost that carries one request?";
        chart cost = bars(all_, scenarios::churn, 0, "churn-cpu", "CPU per connection",
                          "CPU per connection (us)", figures::cpu_microseconds);
        cost.summary = "Accept, read, answer, close.";
        chart rate = bars(all_, scenarios::churn, 0, "churn-rate", "Connections per second",
                          "connections per second", figures::requests_per_second);
        rate.less_is_better = false;
        rate.summary = "Closed loop with 64 at a time; hatched where the generator was the slower one.";
        made.charts = {std::move(cost), std::move(rate)};
        made.tables.push_back(ratios(all_, scenarios::churn, "epoll", figures::cpu_microseconds,
                                     "CPU per connection, divided by epoll's in the same round", ""));
        return made;
    }

    section reading() const {
        section made;
        made.id = "reading";
        made.title = "A byte at a time";
        made.question = "Does a level-triggered loop that reads one byte for each event spin?";
        chart cost = bars(all_, scenarios::reading, 0, "reading-cpu", "CPU per request", cpu_label,
                          figures::cpu_microseconds);
        cost.summary = "Written against epoll directly: one byte or all there is, level- or edge-triggered.";
        made.charts = {std::move(cost)};
        const auto ratio =
            all_.ratio(scenarios::reading, 0, "one-byte-level", "drain-edge", figures::cpu_microseconds);
        if (ratio && ratio->valid)
            made.findings.push_back(fmt::format("Reading a byte for each event takes {} the CPU of draining.",
                                                times_words(ratio->ratio.median)));
        const auto trigger =
            all_.ratio(scenarios::reading, 0, "drain-level", "drain-edge", figures::cpu_microseconds);
        if (trigger && trigger->valid)
            made.findings.push_back(fmt::format("Level against edge makes {} when both read all there is.",
                                                times_words(trigger->ratio.median)));
        return made;
    }

    section calls() const {
        section made;
        made.id = "calls";
        made.title = "System calls";
        made.question = "How often does the server enter the kernel for a request?";
        chart cost = bars(all_, scenarios::calls, 0, "calls-count", "System calls per request",
                          "system calls per request", figures::calls);
        cost.summary =
            "Counted by strace in a run of its own, 64 busy connections. What io_uring-sqpoll's kernel "
            "thread does is "
            "no system call.";
        made.charts = {std::move(cost)};
        return made;
    }

    section servers() const {
        section made;
        made.id = "servers";
        made.title = "Complete web servers";
        made.question = "How do servers that people use compare under the same load, on one core?";
        chart cost = bars(all_, scenarios::servers, 0, "servers-cpu",
                          "1,000 busy connections: CPU per request", cpu_label, figures::cpu_microseconds);
        cost.summary = "A file of 64 bytes, keep-alive. naru serve does more than the lab's handler.";
        chart rate =
            bars(all_, scenarios::servers, 0, "servers-rate", "1,000 busy connections: requests per second",
                 "requests per second", figures::requests_per_second);
        rate.less_is_better = false;
        rate.summary = "Hatched where the generator was the slower one.";
        chart memory = bars(all_, scenarios::servers, 0, "servers-memory",
                            "1,000 busy connections: user memory", "bytes", figures::user_bytes);
        memory.y_logarithmic = true;
        memory.summary = "All processes of the server; pages that several share are counted once.";
        made.charts = {std::move(cost), std::move(rate), std::move(memory)};
        chart idle = bars(all_, scenarios::servers, 1, "servers-idle", "The chapter's case: CPU per request",
                          cpu_label, figures::cpu_microseconds);
        idle.summary = fmt::format("{} connections, {} active.", count_words(frame_.chosen.connections),
                                   count_words(frame_.chosen.active));
        if (!idle.all.empty()) made.charts.push_back(std::move(idle));
        chart ab = bars(all_, scenarios::ab, 0, "servers-ab", "ab -n 10000 -c 1000", "requests per second",
                        figures::requests_per_second);
        ab.less_is_better = false;
        ab.summary =
            "As the chapter does it: a new connection for each request. It measures ab and the kernel more "
            "than the "
            "server, and says nothing of its own limits.";
        if (!ab.all.empty()) made.charts.push_back(std::move(ab));
        const ceiling prefork = ceiling_of("apache-prefork", frame_.at);
        if (frame_.chosen.connections > prefork.connections)
            made.notes.push_back("apache-prefork is not in the chapter's case: " + prefork.why + ".");
        made.notes.push_back(
            "nginx is told to expect as many connections as come, because it takes memory for all it "
            "expects.");
        for (const subject& each : all_.subjects()) {
            if (each.is == subject::kind::server)
                made.notes.push_back(fmt::format("{}: {}.", each.name, each.what));
        }
        return made;
    }

    const results& all_;
    const report_frame& frame_;
};

}  // namespace

std::vector<section> make_sections(const results& all, const report_frame& frame) {
    return writer(all, frame).sections();
}

}  // namespace naru::lab
