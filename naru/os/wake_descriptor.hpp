// What ends a wait from another thread: an eventfd (a pipe would do the same with two descriptors).
#pragma once

namespace naru {

/// Throws std::system_error.
int make_wake_descriptor();
/// Ends the wait under way, or else the next one. From any thread; on Windows from one at a time, because
/// wine refuses a send while another thread's send on the same socket is not over.
void signal_wake_descriptor(int descriptor) noexcept;
void drain_wake_descriptor(int descriptor) noexcept;

}  // namespace naru
