#include "model/program.hpp"

#include <array>
#include <random>
#include <string_view>

namespace naru::testing {

namespace {

struct kind_facts {
    std::string_view name;
    unsigned weight;
};

constexpr std::array<kind_facts, static_cast<std::size_t>(step_kind::count_)> facts{{
    {"open_pair", 6},   {"receive", 14},     {"receive_into", 10}, {"send", 16},     {"send_pieces", 5},
    {"send_file", 4},   {"readable", 3},     {"writable", 3},      {"shut_down", 2}, {"close", 3},
    {"close_alone", 2}, {"release", 1},      {"cancel", 8},        {"connect", 4},   {"accept", 4},
    {"send_to", 5},     {"receive_from", 5}, {"open_file", 2},     {"read_file", 4}, {"close_file", 1},
    {"chain", 3},       {"work", 3},         {"post", 2},          {"arm", 5},       {"disarm", 1},
    {"inside", 10},     {"tick", 16},
}};

}  // namespace

program program_of(std::uint64_t seed, std::size_t length) {
    std::mt19937_64 random(seed);
    unsigned total = 0;
    for (const kind_facts& each : facts)
        total += each.weight;
    program made;
    made.push_back({.kind = step_kind::open_pair});
    while (made.size() < length) {
        auto place = static_cast<unsigned>(random() % total);
        std::size_t kind = 0;
        while (place >= facts[kind].weight)
            place -= facts[kind++].weight;
        step next{.kind = static_cast<step_kind>(kind),
                  .a = static_cast<std::uint32_t>(random() % 12),
                  .b = 0,
                  .c = static_cast<std::uint32_t>(random() % 5000)};
        // Small sizes often, sizes about the borders of buffers and of what a socket takes now and then.
        switch (random() % 8) {
            case 0:
                next.b = static_cast<std::uint32_t>(1 + random() % 3);
                break;
            case 1:
                next.b = static_cast<std::uint32_t>(16'380 + random() % 10);
                break;
            case 2:
                next.b = static_cast<std::uint32_t>(1 + random() % 300'000);
                break;
            default:
                next.b = static_cast<std::uint32_t>(1 + random() % 2000);
                break;
        }
        made.push_back(next);
    }
    return made;
}

std::string text_of(const program& steps) {
    std::string text = "{\n";
    for (const step& each : steps) {
        text += "    {step_kind::" + std::string(facts[static_cast<std::size_t>(each.kind)].name) + ", " +
                std::to_string(each.a) + ", " + std::to_string(each.b) + ", " + std::to_string(each.c) +
                "},\n";
    }
    return text + "}\n";
}

}  // namespace naru::testing
