// Whether io_uring does here what it seems to: a ring can be made where it cannot be entered, and a ring that
// can be entered may complete nothing.
#pragma once

#include <naru/backend/uring/options.hpp>

#include <string>

namespace naru {

/// Does on a small ring what a server does: accepts a connection, sends a byte, receives it, waits with a
/// deadline, closes; on the calling thread, for limits::uring_trial_time at most. Empty if all of that
/// worked, else the reason for people. Throws std::system_error if there can be no ring.
std::string try_uring(const uring_options& options);

}  // namespace naru
