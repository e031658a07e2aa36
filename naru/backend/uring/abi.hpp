// The kernel's io_uring interface: Debian 12's header (Linux 6.1) and what later kernels added to it. The
// numbers are the kernel's and never change (include/uapi/linux/io_uring.h).
#pragma once

#include <cstdint>

#include <linux/io_uring.h>

namespace naru::uring_abi {

inline constexpr unsigned setup_no_sqarray = 1u << 16;   // 6.6: no indirection array before the queue
inline constexpr unsigned enter_no_iowait = 1u << 7;     // 6.15: a waiting ring is idle, not in iowait
inline constexpr unsigned feature_bundles = 1u << 14;    // 6.10: a receive may fill several buffers
inline constexpr unsigned feature_no_iowait = 1u << 17;  // 6.15
inline constexpr unsigned receive_bundle = 1u << 4;      // 6.10: io_uring_sqe::ioprio of a receive

inline constexpr std::uint8_t op_fixed_fd_install = 54;  // 6.8: an ordinary descriptor for a direct one
inline constexpr unsigned register_send_msg_ring = 31;   // 6.13: a completion for another ring, without one

}  // namespace naru::uring_abi
