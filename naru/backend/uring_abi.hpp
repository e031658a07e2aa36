// The kernel's io_uring interface: Debian 12's header (Linux 6.1) and what later kernels added to it. The
// numbers are the kernel's and never change (include/uapi/linux/io_uring.h).
#pragma once

#include <linux/io_uring.h>

namespace naru::uring_abi {

inline constexpr unsigned setup_no_sqarray = 1u << 16;   // 6.6: no indirection array before the queue
inline constexpr unsigned enter_no_iowait = 1u << 7;     // 6.15: a waiting ring is idle, not in iowait
inline constexpr unsigned feature_no_iowait = 1u << 17;  // 6.15

}  // namespace naru::uring_abi
