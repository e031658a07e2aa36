// What ends a wait from another thread: an eventfd (a pipe would do the same with two descriptors).
#pragma once

namespace naru {

/// Throws std::system_error.
int make_wake_descriptor();
void signal_wake_descriptor(int descriptor) noexcept;
void drain_wake_descriptor(int descriptor) noexcept;

}  // namespace naru
