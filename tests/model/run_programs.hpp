// Runs random programs on a backend; what fails is shortened and told.
#pragma once

#include "model/world.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>

namespace naru::testing {

/// Programs of the seeds 1 to `count`, or of those that the environment names: NARU_MODEL_SEED=N runs one,
/// NARU_MODEL_PROGRAMS=N so many from NARU_MODEL_FROM=S on (1), and NARU_MODEL_TWICE=1 runs each again where
/// that must go the same way to the byte. `prepare` is called before each, also before those that shorten a
/// failure.
void run_programs(const backend_variant& variant, std::uint64_t count,
                  const std::function<void(std::uint64_t seed, world& of)>& prepare);

}  // namespace naru::testing
