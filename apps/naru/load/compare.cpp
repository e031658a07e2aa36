// Two runs side by side. A difference means something only if it is larger than the noise, and the figures of
// an invalid run mean nothing at all.
#include <load/output.hpp>

#include <cmath>
#include <vector>

#include <fmt/format.h>

namespace naru::load {

namespace {

// Fewer whole seconds than this say nothing about noise.
constexpr std::size_t seconds_min = 5;

struct spread {
    std::size_t count = 0;
    double mean = 0;
    double relative = 0;  // standard deviation over mean
};

// Of one figure over the whole seconds of a run.
spread spread_of(const json_value& run, std::string_view member) {
    const json_value* timeline = run.find("timeline");
    const json_value* measured = run.find("measured_s");
    spread made;
    if (timeline == nullptr || measured == nullptr) return made;
    const auto whole = static_cast<std::size_t>(measured->number(0) + 1e-3);
    double sum = 0;
    double squares = 0;
    for (const json_value& each : timeline->elements()) {
        const json_value* value = each.find(member);
        if (made.count >= whole || value == nullptr || !value->is_number()) break;
        ++made.count;
        sum += value->number(0);
        squares += value->number(0) * value->number(0);
    }
    if (made.count < 2 || sum <= 0) return made;
    const auto count = static_cast<double>(made.count);
    made.mean = sum / count;
    made.relative = std::sqrt(std::max(0.0, (squares - sum * sum / count) / (count - 1))) / made.mean;
    return made;
}

std::string noise_words(const json_value& a, const json_value& b, std::string_view member, double ratio) {
    if (member.empty()) return "one value a run: its noise is not known";
    const spread first = spread_of(a, member);
    const spread other = spread_of(b, member);
    if (first.count < seconds_min || other.count < seconds_min)
        return fmt::format("fewer than {} whole seconds: too short to tell noise", seconds_min);
    // Two standard errors of the ratio, as if seconds were independent of each other.
    const double noise = 2 * std::sqrt(first.relative * first.relative / static_cast<double>(first.count) +
                                       other.relative * other.relative / static_cast<double>(other.count));
    const bool larger = std::abs(std::log(ratio)) > noise;
    return fmt::format("{} (+-{:.1f}% from second to second)",
                       larger ? "larger than the noise" : "within the noise", noise * 100);
}

struct figure {
    std::string_view title;
    std::string_view path;
    std::string_view per_second;  // the member of a timeline entry, if there is one
};

std::string reasons_of(const json_value& run, std::string_view name) {
    std::string out;
    const json_value* reasons = run.find("verdict.reasons");
    if (reasons == nullptr) return out;
    for (const json_value& each : reasons->elements()) {
        const json_value* text = each.find("text");
        out += fmt::format("  {}: {}\n", name, text != nullptr ? text->text() : "");
    }
    return out;
}

or_words<json_value> read_report(std::string_view json, std::string_view name) {
    auto read = json_value::parse(json);
    if (!read) return std::unexpected(fmt::format("{} is not JSON: {}", name, read.error()));
    const json_value* tool = read->find("tool");
    if (tool == nullptr || tool->text() != "naru load")
        return std::unexpected(fmt::format("{} is not a report of naru load", name));
    return read;
}

bool is_valid(const json_value& run) {
    const json_value* valid = run.find("verdict.valid");
    return valid != nullptr && valid->truth(false);
}

std::string text_at(const json_value& run, std::string_view path) {
    const json_value* found = run.find(path);
    return found != nullptr ? std::string(found->text()) : std::string();
}

}  // namespace

or_words<comparison> compare(std::string_view json_a, std::string_view json_b, std::string_view name_a,
                             std::string_view name_b) {
    const auto a = read_report(json_a, name_a);
    if (!a) return std::unexpected(a.error());
    const auto b = read_report(json_b, name_b);
    if (!b) return std::unexpected(b.error());
    comparison made;
    made.text =
        fmt::format("A  {} ({})\nB  {} ({})\n\n", name_a, text_at(*a, "url"), name_b, text_at(*b, "url"));
    if (!is_valid(*a) || !is_valid(*b)) {
        made.text += "Not compared: the figures of an invalid run do not describe its server.\n" +
                     reasons_of(*a, "A") + reasons_of(*b, "B");
        return made;
    }
    const bool open = text_at(*a, "mode") == "open";
    if (text_at(*a, "mode") != text_at(*b, "mode")) {
        made.text +=
            "Not compared: one run is an open loop and the other a closed one; they measure different "
            "things.\n";
        return made;
    }
    made.ranked = true;
    const std::string latency = open ? "latency_us.corrected." : "latency_us.service.";
    const std::array<std::string, 5> paths{latency + "p50", latency + "p90", latency + "p99",
                                           latency + "p99.9", latency + "max"};
    const std::array<figure, 7> figures{{{"requests/s", "requests_per_s", "requests"},
                                         {"p50, us", paths[0], "p50_us"},
                                         {"p90, us", paths[1], ""},
                                         {"p99, us", paths[2], "p99_us"},
                                         {"p99.9, us", paths[3], ""},
                                         {"max, us", paths[4], ""},
                                         {"generator CPU, us/request", "generator.cpu_us_per_request", ""}}};
    made.text += fmt::format("{:<26} {:>12} {:>12} {:>8}\n", "", "A", "B", "B/A");
    for (const figure& each : figures) {
        const json_value* first = a->find(each.path);
        const json_value* other = b->find(each.path);
        if (first == nullptr || other == nullptr || first->number(0) <= 0 || other->number(0) <= 0) {
            made.text += fmt::format("{:<26} {:>12} {:>12} {:>8}\n", each.title, "-", "-", "-");
            continue;
        }
        const double ratio = other->number(0) / first->number(0);
        made.text += fmt::format("{:<26} {:>12.1f} {:>12.1f} {:>8.3f}  {}\n", each.title, first->number(0),
                                 other->number(0), ratio, noise_words(*a, *b, each.per_second, ratio));
    }
    for (const std::string_view path :
         {"settings.connections", "settings.idle_connections", "settings.pipeline", "settings.streams",
          "settings.rate_per_s", "settings.connection_per_request", "settings.request_bytes"}) {
        const json_value* first = a->find(path);
        const json_value* other = b->find(path);
        if (first == nullptr || other == nullptr) continue;
        if (first->number(-1) != other->number(-1) || first->truth(false) != other->truth(false))
            made.text +=
                fmt::format("\nThe runs differ in {}: the ratios may come from that.", path.substr(9));
    }
    made.text +=
        "\nOne run of each does not show how much runs differ: repeat them in turns (A B A B) before you "
        "rank.\n";
    return made;
}

}  // namespace naru::load
