// naru doctor: which engines work here and why the others do not; the limits that bound a server.
#include "doctor.hpp"
#include "commands.hpp"
#include "output.hpp"
#include "system.hpp"

#include <load/json.hpp>
#include <naru/backend/choose_backend.hpp>
#include <naru/loop/loop.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

// A byte through a connection: an engine is usable when it has moved one.
std::string try_engine(std::unique_ptr<backend> completions) {
    const auto [one_end, other_end] = connected_pair();
    if (one_end < 0) return "no descriptor left for a test";
    std::string outcome = "a test read did not complete within a second";
    {
        loop on(std::move(completions));
        const auto near = on.attach(one_end, descriptor_kind::stream);
        const auto far = on.attach(other_end, descriptor_kind::stream);
        if (near && far) {
            receive_operation read([](operation&) noexcept {});
            send_operation write([](operation&) noexcept {});
            read.set(*near);
            write.set(*far, as_bytes("?"));
            on.submit(read);
            on.submit(write);
            const instant limit = clock::now() + std::chrono::seconds(1);
            while (clock::now() < limit && !(read.idle() && write.idle()))
                on.run_for_one_tick(std::chrono::milliseconds(50));
            if (read.idle() && read.result == 1) {
                on.buffers().release(read.data);
                outcome.clear();
            }
            on.close(*near);
            on.close(*far);
            while (!read.idle() || !write.idle())
                on.run_for_one_tick(std::chrono::milliseconds(50));
        } else {
            outcome = (near ? far : near).error().message();
        }
    }
    return outcome;
}

section examine_engines() {
    section found{"engines", "Engines", {}};
    for (const engine each : all_engines()) {
        finding line;
        line.name = name_of(each);
        backend_choice choice = try_backend(each);
        if (choice.backend == nullptr || choice.chosen != each) {
            line.good = false;
            line.value = "unusable";
            line.advice = choice.reason;
        } else {
            const std::string note = choice.reason;
            const std::string problem = try_engine(std::move(choice.backend));
            line.good = problem.empty();
            line.value =
                problem.empty() ? "works" + (note.empty() ? std::string() : ", with " + note) : problem;
        }
        found.findings.push_back(line);
    }
    const backend_choice automatic = try_backend(engine::automatic);
    finding chosen;
    chosen.name = "auto";
    chosen.good = automatic.backend != nullptr;
    chosen.value = fmt::format("{}: {}", name_of(automatic.chosen), automatic.reason);
    found.findings.push_back(chosen);
    return found;
}

std::string as_text(const std::string& system, const std::vector<section>& sections) {
    std::string out = system + '\n';
    for (const section& each : sections) {
        out += fmt::format("\n{}\n", each.title);
        std::size_t width = 0;
        for (const finding& line : each.findings)
            width = std::max(width, line.name.size());
        for (const finding& line : each.findings) {
            out += fmt::format("  {} {:<{}}  {}\n", line.good ? "+" : "-", line.name, width, line.value);
            if (!line.advice.empty()) out += fmt::format("    {:<{}}  {}\n", "", width, line.advice);
        }
    }
    return out;
}

std::string as_json(const std::string& system, const std::vector<section>& sections) {
    std::string out = fmt::format("{{\"version\": {}, \"system\": {}", load::json_text(NARU_VERSION),
                                  load::json_text(system));
    for (const section& each : sections) {
        out += fmt::format(", {}: [", load::json_text(each.key));
        bool first = true;
        for (const finding& line : each.findings) {
            out += fmt::format("{}{{\"name\": {}, \"ok\": {}, \"value\": {}, \"advice\": {}}}",
                               first ? "" : ", ", load::json_text(line.name), line.good,
                               load::json_text(line.value), load::json_text(line.advice));
            first = false;
        }
        out += "]";
    }
    return out + "}\n";
}

int examine(bool json) {
    const std::string system = fmt::format("naru {} on {}", NARU_VERSION, system_text());
    std::vector<section> sections{examine_engines()};
    for (section& each : examine_system())
        sections.push_back(std::move(each));
    put(json ? as_json(system, sections) : as_text(system, sections));
    return 0;
}

}  // namespace

void add_doctor(CLI::App& program, action& chosen) {
    CLI::App& command = *program.add_subcommand(
        "doctor", "Say which engines and features work here, and what limits there are");
    auto json = std::make_shared<bool>(false);
    command.add_flag("--json", *json, "For programs");
    command.callback([&chosen, json] { chosen = [json] { return examine(*json); }; });
}

}  // namespace naru::program
