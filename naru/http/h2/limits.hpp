// What an HTTP/2 connection that sends may take at most; what its client may ask, see naru/http/limits.hpp.
#pragma once

#include <cstddef>

namespace naru::http::limits {

/// Pool buffers of frames that one connection sends at a time, beside the memory that its streams lend. More
/// than one only while less than this share of the loop's pool is leased.
inline constexpr std::size_t h2_output_buffers = 3;
inline constexpr std::size_t h2_output_share = 8;

}  // namespace naru::http::limits
