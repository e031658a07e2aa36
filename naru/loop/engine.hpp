// Which backend a loop has: the engines by name, and how one is asked for (environment::make_backend).
#pragma once

#include <naru/core/limits.hpp>
#include <naru/loop/backend.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace naru {

enum class engine : std::uint8_t {
    automatic,
    select,
    poll,
    epoll,
    epoll_level,
    epoll_oneshot,
    io_uring,
    io_uring_sqpoll,
    iocp
};

/// The name on the command line: auto, select, poll, epoll, epoll-level, epoll-oneshot, io_uring,
/// io_uring-sqpoll, iocp. Known on every platform, whatever it offers.
std::string_view name_of(engine which) noexcept;
std::optional<engine> engine_named(std::string_view name) noexcept;

/// What there is to choose of any engine. What one engine alone has to choose is a type derived from this
/// (uring_options); the others take of that what stands here.
struct backend_options {
    /// Buffers in the loop's pool, at most limits::pool_buffers_max.
    std::size_t pool_buffers = limits::pool_buffers;
    /// Whether connections are kept where they do not count against RLIMIT_NOFILE, where the engine has such
    /// a place (io_uring's direct descriptors). `near_limit`: from the moment a connection's descriptor is
    /// past three quarters of the limit, or none is left.
    enum class direct : std::uint8_t { off, near_limit, always };
    direct direct_descriptors = direct::off;

    backend_options() noexcept = default;
    backend_options(const backend_options&) noexcept = default;
    backend_options& operator=(const backend_options&) noexcept = default;
    virtual ~backend_options() = default;
};

/// An engine that was tried, and what came of it.
struct backend_choice {
    std::unique_ptr<naru::backend> backend;  ///< nullptr if it cannot be used here
    engine chosen = engine::automatic;       ///< what was taken
    bool direct = false;                     ///< connections take no descriptor of the process
    std::string reason;                      ///< why it was chosen, or why not and what would change that
};

}  // namespace naru
