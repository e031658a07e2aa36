// Figures as people read them.
#pragma once

#include <naru/core/clock.hpp>

#include <cstdint>
#include <string>

namespace naru::program {

/// 1,234,567
std::string grouped(std::uint64_t number);

/// 812 us, 3.41 ms, 1.20 s
std::string words_for(duration value);

/// 0.30, 12.3, 4567
std::string words_for_rate(double per_second);

/// 512 bytes, 50.1 KiB, 3.0 MiB
std::string words_for_bytes(double bytes);

/// A duration, or "-" if the value is not to be shown.
std::string words_if(bool known, duration value);

}  // namespace naru::program
