#include "sample_page.hpp"

#include <cmath>
#include <functional>

namespace naru::lab {

namespace {

struct sample_model {
    const char* name;
    const char* label;
    double fixed;  ///< microseconds per request
    double slope;  ///< more of them for each connection
    double most;   ///< connections at which it ends
    const char* ends;
};

const std::vector<sample_model> models = {
    {"threads", "threads", 9.1, .00011, 10'000, "the cgroup's pids.max of 16,384 threads"},
    {"select", "select", 7.6, .0098, 1'000, "FD_SETSIZE: an fd_set holds descriptors below 1,024"},
    {"poll", "poll", 7.4, .0171, 20'000, ""},
    {"epoll-level", "epoll, level", 7.9, .00002, 20'000, ""},
    {"epoll", "epoll", 7.1, .00002, 20'000, ""},
    {"epoll-oneshot", "epoll, one-shot", 8.6, .00003, 20'000, ""},
    {"io_uring-single", "io_uring, single", 7.7, .00001, 20'000, ""},
    {"io_uring", "io_uring", 6.2, .00001, 20'000, ""},
    {"io_uring-sqpoll", "io_uring, sqpoll", 10.8, .00001, 20'000, ""},
};

// Noise that is the same in every run.
double wobble(std::size_t a, std::size_t b) {
    return 1 + .02 * std::sin(static_cast<double>(a * 7 + b * 13));
}

point measured(double x, double y, double spread) {
    return {.x = x,
            .y = y,
            .low = y * (1 - spread),
            .high = y * (1 + spread),
            .rounds = 5,
            .valid = true,
            .note = {}};
}

std::vector<series> lines_over(const std::vector<double>& xs,
                               const std::function<double(const sample_model&, double)>& cost,
                               bool with_ends) {
    std::vector<series> made;
    for (std::size_t at = 0; at < models.size(); ++at) {
        const sample_model& each = models[at];
        series line{each.name, each.label, {}, {}};
        for (std::size_t column = 0; column < xs.size(); ++column) {
            if (with_ends && xs[column] > each.most) {
                line.ends = each.ends;
                break;
            }
            line.points.push_back(measured(xs[column], cost(each, xs[column]) * wobble(at, column),
                                           .03 + .02 * static_cast<double>(at % 3)));
        }
        made.push_back(line);
    }
    return made;
}

chart against_connections() {
    chart made{.id = "cost-by-connections",
               .title = "What a request costs as idle connections are added",
               .summary =
                   "select and poll pay for every connection that is there; the others only for those that "
                   "are active. 100 active connections throughout.",
               .x_label = "connections",
               .y_label = "\u00b5s of server CPU per request",
               .x_logarithmic = true,
               .y_logarithmic = true};
    made.all = lines_over(
        {10, 20, 50, 100, 200, 500, 1'000, 2'000, 5'000, 10'000, 20'000},
        [](const sample_model& each, double x) { return each.fixed + each.slope * x; }, true);
    auto& doubtful = made.all[3].points[9];
    doubtful.valid = false;
    doubtful.y *= 1.9;
    doubtful.note = "the generator was kept from its core for 14% of the time";
    made.markers.push_back({350, "beyond 350 connections io_uring costs less than epoll"});
    return made;
}

chart bars(const char* id, const char* title, const char* unit, const std::vector<double>& values,
           const char* summary) {
    chart made{.id = id,
               .title = title,
               .summary = summary,
               .drawn_as = chart::form::bars,
               .x_label = {},
               .y_label = unit};
    for (std::size_t at = 0; at < models.size(); ++at) {
        series each{models[at].name, models[at].label, {}, {}};
        if (values[at] > 0) {
            each.points.push_back(measured(0, values[at], .06));
        } else {
            each.ends = models[at].ends;
        }
        made.all.push_back(each);
    }
    return made;
}

section chapter() {
    section made{.id = "c10k",
                 .title = "10,000 connections, 100 of them active",
                 .question = "What do 9,900 connections cost that do nothing?"};
    made.findings = {
        "With 10,000 connections of which 100 are active, poll takes 24 times the CPU that epoll takes for "
        "the same requests.",
        "One thread for each connection does not die at 10,000: it costs 28% more CPU than epoll, and 13 "
        "times the memory.",
        "select cannot be asked: its bitmap ends at descriptor 1,023."};
    chart cpu = bars(
        "c10k-cpu", "CPU at 5,000 requests per second", "% of a core",
        {5.1, 0, 89.2, 4.1, 3.7, 4.4, 3.9, 3.2, 61.0},
        "The same 5,000 requests per second for all. The io_uring thread spins, whatever there is to do.");
    cpu.all.push_back({"nginx", "nginx 1.22", {measured(0, 6.4, .05)}, {}});
    cpu.all.push_back({"apache2-event", "apache2, event", {measured(0, 21.9, .09)}, {}});
    cpu.all[8].points[0].valid = false;
    cpu.all[8].points[0].note = "the kernel thread and the generator shared a core";
    chart latency = bars("c10k-latency", "How long the slowest hundredth waits", "p99 latency, ms",
                         {.31, 0, 12.4, .22, .21, .24, .22, .19, .92}, "Corrected for coordinated omission.");
    latency.y_logarithmic = true;
    latency.all.push_back({"nginx", "nginx 1.22", {measured(0, .25, .05)}, {}});
    latency.all.push_back({"apache2-event", "apache2, event", {measured(0, 1.4, .2)}, {}});
    made.charts = {cpu, latency};
    made.tables.push_back(
        {"Ratios to epoll, of CPU per request",
         {"model", "ratio", "95% interval", "verdict"},
         {{{"poll", "24.1", "22.8 to 25.6", "more"}, true},
          {{"threads", "1.28", "1.21 to 1.36", "more"}, true},
          {{"io_uring", "0.87", "0.84 to 0.91", "less"}, true},
          {{"io_uring, sqpoll", "16.5", "9.0 to 21.7", "not ranked: shared a core"}, false}}});
    made.notes = {
        "Server and generator in processes of their own, pinned to a core each; five rounds, interleaved.",
        "CPU is the server's user and system time from /proc, and the kernel's threads that work for it.",
        "The generator keeps a schedule; latency counts from the time at which a request was due."};
    return made;
}

section growth() {
    section made{
        .id = "growth",
        .title = "From 10 connections to 20,000",
        .question = "Which cost grows with the number of connections, and which only with the work?"};
    made.findings = {
        "poll's cost doubles between 200 and 1,000 connections, and is 48 times epoll's at 20,000.",
        "epoll and io_uring draw flat lines: a connection that does nothing costs nothing."};
    chart activity{
        .id = "cost-by-activity",
        .title = "What a request costs as more of 1,000 connections are active",
        .summary = "Waiting is shared by all that is ready. With everything active poll is not far behind.",
        .x_label = "% of the connections active",
        .y_label = "\u00b5s of server CPU per request"};
    activity.all = lines_over(
        {1, 5, 10, 25, 50, 75, 100},
        [](const sample_model& each, double x) { return each.fixed + each.slope * 1'000 * 3 / (x + 2); },
        false);
    activity.all.erase(activity.all.begin() + 5);
    made.charts = {against_connections(), activity};
    return made;
}

section sizes() {
    section made{.id = "sizes",
                 .title = "Message size and pipelining",
                 .question = "When does the model stop to matter?"};
    made.findings = {"From 64 KiB on copying is all there is, and all models are within 6% of each other."};
    chart throughput{.id = "size",
                     .title = "Throughput by message size",
                     .summary = "One server core, 64 connections.",
                     .x_label = "bytes per response",
                     .y_label = "MiB per second",
                     .x_logarithmic = true,
                     .y_logarithmic = true};
    throughput.less_is_better = false;
    throughput.all = lines_over(
        {64, 256, 1024, 4096, 16384, 65536, 262144, 1048576},
        [](const sample_model& each, double x) { return x / (each.fixed + x / 2600) / 1.05; }, false);
    chart depth{.id = "depth",
                .title = "Requests per second by pipelining depth",
                .summary =
                    "With 16 requests under way on a connection one read brings all of them, and the model "
                    "hardly counts.",
                .x_label = "requests under way on each connection",
                .y_label = "requests per second",
                .x_logarithmic = true};
    depth.less_is_better = false;
    depth.all = lines_over(
        {1, 2, 4, 8, 16, 32, 64},
        [](const sample_model& each, double x) { return 1e6 / (1.4 + each.fixed / x); }, false);
    made.charts = {throughput, depth};
    return made;
}

section resources() {
    section made{.id = "memory",
                 .title = "Memory and system calls",
                 .question = "What does a connection hold while it does nothing?"};
    made.findings = {
        "An idle connection takes 22 KiB with a thread and 1.7 KiB without; nearly all of it is the "
        "kernel's."};
    made.charts = {bars("memory-user", "User memory per idle connection", "bytes",
                        {8'420, 184, 190, 176, 176, 176, 201, 201, 201},
                        "Resident memory, 10,000 connections against none."),
                   bars("memory-kernel", "Kernel memory per idle connection", "bytes",
                        {14'100, 1'480, 1'480, 1'650, 1'650, 1'650, 1'720, 1'705, 1'705},
                        "Slab, page tables and stacks."),
                   bars("calls", "System calls per request", "calls",
                        {2.0, 2.02, 2.02, 2.06, 2.04, 3.05, .11, .09, .004},
                        "In a traced run of its own; 64 connections, closed loop.")};
    return made;
}

std::vector<claim> claims() {
    using enum claim::outcome;
    return {
        {"One thread per connection dies at 10,000 connections.", "dies at 10,000",
         "answers at 10,000, 28% more CPU than epoll", does_not_hold,
         "It ended at 16,000, where the cgroup allows no more threads."},
        {"With 10,000 connections of which 100 are active, poll burns 60% CPU at 12 ms and epoll 5% at 0.5 "
         "ms.",
         "12 times", "24 times (22.8 to 25.6)", holds, ""},
        {"Half of select's CPU at 1,000 connections goes into scanning.", "50%", "56%", holds, ""},
        {"nginx does 17 times Apache's requests in a 166th of the memory.", "17 times, 1/166",
         "3.4 times, 1/41", depends, "On Apache's module: 3.4 times the event module, 11 times prefork."},
        {"io_uring is ten times faster than epoll.", "10 times", "1.15 times (1.10 to 1.19)", does_not_hold,
         "One system call fewer is not a tenth of the work."},
        {"A level-triggered loop that reads one byte at a time spins.", "spins", "", not_measured,
         "Left out of the quick run."},
    };
}

}  // namespace

page sample_page(bool under_way) {
    page made;
    made.title = "The C10K question, answered on this machine";
    made.subtitle = "a sample with made-up figures \u00b7 2 cores \u00b7 Linux 6.1 \u00b7 24 November 2026";
    made.headlines = {
        "10,000 connections are no problem for any model that does not look at all of them. Asking about "
        "each one costs 24 times as much as being told.",
        "A thread for each connection works at 10,000, at 28% more CPU and 13 times the memory of epoll.",
        "io_uring takes 13% less CPU than epoll here, not a tenth of it.",
        "select ends at 1,023 descriptors, whatever the machine."};
    made.claims = claims();
    made.sections = {chapter(), growth(), sizes(), resources()};
    for (const auto& each : models) {
        made.models.push_back(
            {each.name,
             {std::to_string(each.fixed).substr(0, 4) + " \u00b5s of CPU per request at 64 connections",
              "2.04 system calls per request", "176 bytes of user memory per idle connection"}});
    }
    made.models.pop_back();
    made.machine = {{"processor", "2 cores, x86-64, 2.6 GHz"},
                    {"memory", "7.8 GiB"},
                    {"kernel", "Linux 6.1.0-28"},
                    {"open files", "20,000"},
                    {"threads", "pids.max 16,384"}};
    made.command = "naru lab --engines all --connections 10000 --active 100 --rounds 5 --out lab-report";
    made.version = "naru 0.1.0";
    made.caveats = {
        "Everything goes over the loopback: no network card, no interrupts, no packet is ever lost.",
        "Server and generator share the machine's caches and memory bandwidth."};
    if (under_way) made.under_way = {31, 90, 412, "poll at 5,000 connections, round 2 of 5"};
    return made;
}

}  // namespace naru::lab
