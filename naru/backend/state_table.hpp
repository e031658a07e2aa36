// Small state machines: an enumeration, and beside it the table of its legal steps. A step that the table
// does not have is a bug, and ends the process, in release builds too: it costs four instructions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace naru {

/// Of one state: its name, and the states that may follow it (see states).
struct state_row {
    const char* name;
    std::uint8_t next;
};

/// Several states of one machine, which has eight at most.
template <typename... State>
constexpr std::uint8_t states(State... each) noexcept {
    return static_cast<std::uint8_t>((0u | ... | (1u << static_cast<unsigned>(each))));
}

/// To be specialised for each machine: `machine`, its name, and `rows`, a state_row for each state.
template <typename State>
struct state_table;

/// Prints one line, and aborts.
[[noreturn]] void illegal_step(const char* machine, const char* from, const char* to) noexcept;

/// The same, out of the way of the code that asks.
template <typename State>
[[noreturn, gnu::cold, gnu::noinline]] void illegal_step_of(State from, State to) noexcept {
    using table = state_table<State>;
    illegal_step(table::machine, table::rows[static_cast<std::size_t>(from)].name,
                 table::rows[static_cast<std::size_t>(to)].name);
}

/// Whether `to` may follow `from`.
template <typename State>
constexpr bool may_follow(State from, State to) noexcept {
    constexpr std::uint64_t all = [] {
        static_assert(std::size(state_table<State>::rows) <= 8);
        std::uint64_t packed = 0;
        for (std::size_t each = std::size(state_table<State>::rows); each-- > 0;)
            packed = packed << 8 | state_table<State>::rows[each].next;
        return packed;
    }();
    return (all >> (8 * static_cast<unsigned>(from) + static_cast<unsigned>(to)) & 1) != 0;
}

/// `to`, if it may follow `from`.
template <typename State>
constexpr State step(State from, State to) noexcept {
    if (!may_follow(from, to)) [[unlikely]]
        illegal_step_of(from, to);
    return to;
}

}  // namespace naru
