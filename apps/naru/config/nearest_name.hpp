// What somebody who has mistyped a name probably meant.
#pragma once

#include <span>
#include <string_view>

namespace naru::program {

/// The name that takes the fewest letters added, left out, changed or swapped; empty if none is near: it may
/// differ in a third of its letters, and in one at least.
std::string_view nearest_name(std::string_view mistyped, std::span<const std::string_view> names);

}  // namespace naru::program
