// naru doctor on Linux: io_uring's features, and the kernel's limits.
#include "doctor.hpp"

#include "process/sandbox.hpp"

#include <naru/backend/uring/backend.hpp>
#include <naru/backend/uring/quirks.hpp>
#include <naru/backend/uring/trial.hpp>

#include <exception>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

#include <fmt/format.h>

namespace naru::program {

namespace {

// Empty if it works.
std::string try_serving() {
    try {
        return try_uring({});
    } catch (const std::exception& refusal) {
        return refusal.what();
    }
}

section examine_io_uring() {
    section found{"io_uring", "io_uring features, each found by trying", {}};
    const auto add = [&](std::string name, bool good, std::string advice) {
        finding line;
        line.name = std::move(name);
        line.good = good;
        line.value = good ? "yes" : "no";
        if (!good) line.advice = std::move(advice);
        found.findings.push_back(line);
    };
    uring_setup setup;
    setup.entries = 8;
    setup.completions = 16;
    std::string steps;
    uring_ring ring;
    if (const std::error_code error = ring.open(setup, steps)) {
        add("ring", false, fmt::format("{} ({})", steps, error.message()));
        return found;
    }
    if (const std::string problem = try_serving(); !problem.empty()) {
        add("ring", false, problem);
        return found;
    }
    add("ring", true, "");
    if (!steps.empty()) found.findings.back().value += ", with " + steps;
    for (const uring_quirk& each : quirks_of_this_kernel())
        add("this kernel", false, each.text() + ": a newer kernel has it again");
    add("SINGLE_ISSUER and DEFER_TASKRUN", (ring.setup_flags() & IORING_SETUP_DEFER_TASKRUN) != 0,
        "needs Linux 6.1");
    add("NO_SQARRAY", (ring.setup_flags() & uring_abi::setup_no_sqarray) != 0, "needs Linux 6.6");
    add("waiting without iowait", (ring.features() & uring_abi::feature_no_iowait) != 0,
        "needs Linux 6.15: until then an idle server is shown as 100% iowait, which is harmless");
    const auto operation = [&](std::uint8_t code, const char* name, const char* advice) {
        add(name, ring.knows(code), advice);
    };
    operation(IORING_OP_SEND_ZC, "zero-copy sends", "needs Linux 6.0; sends are copied without");
    operation(uring_abi::op_fixed_fd_install, "direct descriptors", "need Linux 6.8; see descriptors below");
    add("receive bundles", (ring.features() & uring_abi::feature_bundles) != 0,
        "need Linux 6.10; not used by default");
    constexpr std::uint8_t one[] = {IORING_OP_NOP};
    add("restricted rings", !ring.restrict_to(one), "needs Linux 5.10");
    buffer_pool pool(64);
    uring_buffers buffers(pool);
    add("provided-buffer rings", !buffers.open(ring),
        "needs Linux 5.19; without them the engine is not used");
    return found;
}

std::optional<long> read_number(const char* path) {
    std::ifstream file(path);
    long value = 0;
    if (file >> value) return value;
    return std::nullopt;
}

finding limit_line(const char* name, int resource, rlim_t wanted, std::string_view unit, const char* advice) {
    rlimit limit{};
    finding line;
    line.name = name;
    getrlimit(static_cast<__rlimit_resource>(resource), &limit);
    const auto text = [&](rlim_t value) {
        return value == RLIM_INFINITY ? std::string("unlimited") : fmt::format("{}{}", value, unit);
    };
    line.value = fmt::format("{} (hard limit {})", text(limit.rlim_cur), text(limit.rlim_max));
    line.good = limit.rlim_max >= wanted;
    if (!line.good) line.advice = advice;
    return line;
}

// What `naru serve --direct-descriptors` would hold.
finding direct_line() {
    finding line;
    line.name = "direct descriptors";
    uring_options options;
    options.direct_descriptors = uring_options::direct::always;
    try {
        if (const std::string problem = try_uring(options); !problem.empty())
            throw std::runtime_error(problem);
        const uring_backend tried(options);
        line.good = tried.accepts_direct();
        line.value = line.good ? fmt::format(
                                     "{} connections each thread, whatever the limit above: naru serve "
                                     "--direct-descriptors on --threads N",
                                     tried.direct_places())
                               : "no";
        if (!line.good) line.advice = tried.given_up();
    } catch (const std::exception& refusal) {
        line.good = false;
        line.value = "no";
        line.advice = refusal.what();
    }
    return line;
}

section examine_limits() {
    section found{"limits", "Limits", {}};
    found.findings.push_back(limit_line(
        "descriptors", RLIMIT_NOFILE, 65'536, "",
        "each connection takes one: ulimit -n 1048576, or LimitNOFILE= in the service's unit; or let "
        "io_uring keep connections outside of it"));
    found.findings.push_back(direct_line());
    finding memlock =
        limit_line("locked memory", RLIMIT_MEMLOCK, 8 * 1024 * 1024, " bytes",
                   "io_uring rings are charged to it: ulimit -l, or LimitMEMLOCK= in the service's unit");
    if (geteuid() == 0) {
        memlock.good = true;
        memlock.value += ", not applied to root";
        memlock.advice.clear();
    }
    found.findings.push_back(memlock);
    finding select_limit;
    select_limit.name = "select";
    select_limit.value = fmt::format("descriptors below {}", FD_SETSIZE);
    found.findings.push_back(select_limit);

    finding backlog;
    backlog.name = "listen backlog";
    if (const auto value = read_number("/proc/sys/net/core/somaxconn")) {
        backlog.value = fmt::format("net.core.somaxconn = {}", *value);
        backlog.good = *value >= 4096;
        if (!backlog.good)
            backlog.advice = "bursts of connections are dropped: sysctl -w net.core.somaxconn=4096";
        found.findings.push_back(backlog);
    }
    std::ifstream ports("/proc/sys/net/ipv4/ip_local_port_range");
    long first = 0;
    long last = 0;
    if (ports >> first >> last) {
        finding range;
        range.name = "local ports";
        range.value =
            fmt::format("net.ipv4.ip_local_port_range = {} {} ({} connections from one address to one port)",
                        first, last, last - first + 1);
        found.findings.push_back(range);
    }
    if (const auto value = read_number("/proc/sys/net/ipv4/tcp_fastopen")) {
        finding fast_open;
        fast_open.name = "TCP Fast Open";
        fast_open.good = (*value & 2) != 0;
        fast_open.value = fmt::format("net.ipv4.tcp_fastopen = {}", *value);
        if (!fast_open.good)
            fast_open.advice = "--fast-open has no effect: sysctl -w net.ipv4.tcp_fastopen=3";
        found.findings.push_back(fast_open);
    }
    return found;
}

}  // namespace

std::vector<section> examine_system() { return {examine_io_uring(), examine_sandbox(), examine_limits()}; }

}  // namespace naru::program
