// Whether there are descriptors enough to serve with.
#pragma once

#include "../serve_config.hpp"

#include <cstddef>

namespace naru::program {

/// Raises the soft limit to the hard one. Throws std::runtime_error with one sentence where that is less than
/// what serving takes, with `listeners` sockets that listen: a server without would start, and accept nobody.
void require_descriptors(const serve_plan& plan, std::size_t listeners);

}  // namespace naru::program
