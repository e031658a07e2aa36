// How an io_uring loop is set up.
#pragma once

#include <naru/core/limits.hpp>
#include <naru/loop/engine.hpp>

#include <cstddef>

namespace naru {

/// Features can be switched off one by one, so that the paths for older kernels are tested on new ones.
struct uring_options : backend_options {
    uring_options() noexcept = default;
    explicit uring_options(const backend_options& of_any) noexcept : backend_options(of_any) {}

    bool multishot_accept = true;
    bool multishot_recv = true;
    bool single_issuer = true;
    bool message_wakes = true;
    bool restrictions = true;
    bool connects = true;  ///< false: with restrictions, the kernel refuses to connect, whoever asks the ring
    bool links = true;     ///< chains are linked by the kernel, where their operations allow it
    /// Several buffers in one receive completion: a seventh less for messages of many buffers, more for small
    /// ones (measured in docs/io_uring.md). So a connection gets them when it has filled a whole buffer.
    bool bundles = true;
    bool bundles_from_the_start = false;
    /// A send of at least so many bytes lets the network card read them from where they lie. The kernel
    /// counts them against the user's RLIMIT_MEMLOCK until the peer has them; a send past it goes out as a
    /// copy.
    std::size_t zero_copy_from = limits::zero_copy_from;
    std::size_t direct_limit =
        0;  ///< places in the table of direct descriptors; 0: as many as the kernel gives, RLIMIT_NOFILE
    bool sqpoll = false;  ///< see uring_setup
    unsigned sqpoll_idle_milliseconds = 1000;
    int sqpoll_cpu = -1;
    unsigned entries = limits::uring_entries;
    unsigned completions = limits::uring_completions;
};

}  // namespace naru
