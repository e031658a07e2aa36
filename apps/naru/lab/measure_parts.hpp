// What the ways to measure a cell share.
#pragma once

#include <lab/measure.hpp>

#include <chrono>
#include <cstdint>

namespace naru::lab {

/// How often a process that is waited for is looked at.
inline constexpr auto look_interval = std::chrono::milliseconds(50);

sample failure(const cell& what, std::string why);
void spoil(sample& made, const char* reason);

/// The load of a cell, as `naru load` takes it.
std::vector<std::string> load_words(const cell& what, const workplace& at, std::uint16_t port, int server);

/// Waits for the end of `running`; nothing when that took too long or the user wants to stop.
std::optional<std::string> output_of(process& running, const cell& what,
                                     const std::function<bool()>& cancelled);

/// From the JSON of `naru load`.
sample from_report(const cell& what, const std::string& text);

/// measure_held.cpp: shape::tool::held.
sample measure_held(const cell& what, started& server, const workplace& at,
                    const std::function<bool()>& cancelled);

}  // namespace naru::lab
