// nghttp2's memory.
#pragma once

#include <nghttp2/nghttp2.h>

namespace naru::http::h2 {

/// Small blocks are kept by the thread that gave them back, for the next stream: one costs some dozen
/// instructions instead of a malloc's hundred. Lives as long as the program; any thread.
nghttp2_mem& loop_memory() noexcept;

}  // namespace naru::http::h2
