// The threads for what would hold a loop up.
#pragma once

#include <naru/http/limits.hpp>
#include <naru/loop/worker_pool.hpp>

#include <cstddef>

namespace naru::http {

/// For the disk, where the system has no call that does not wait, for `blocking` handlers, and for TLS
/// handshakes: each has threads of its own, so that none holds up another. They begin when there is work for
/// them. Shared by all loops of a server, and by as many servers as are told to (server_options::blocking).
struct blocking_threads {
    /// Threads for `blocking` handlers, and how many requests may wait for one; more are answered 503.
    explicit blocking_threads(unsigned handlers = limits::blocking_threads,
                              std::size_t queue = limits::blocking_queue)
        : blocking(handlers, queue) {}

    worker_pool files{limits::disk_threads, limits::disk_queue};
    worker_pool listings{limits::listing_threads, limits::listing_queue};
    worker_pool blocking;
    worker_pool handshakes{limits::handshake_threads, limits::handshake_queue};
};

}  // namespace naru::http
