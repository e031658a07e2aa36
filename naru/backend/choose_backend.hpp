// The one place that knows the concrete backends (with make_backend, its part for each platform).
#pragma once

#include <naru/backend/uring/options.hpp>
#include <naru/core/result.hpp>
#include <naru/loop/backend.hpp>

#include <memory>
#include <optional>
#include <span>
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

/// The names that this platform offers, as a sentence has them: "auto, select, ... or io_uring-sqpoll".
std::string engine_names();

/// All concrete engines of this platform, in the order of the table in docs/architecture.md.
std::span<const engine> all_engines() noexcept;

/// An engine that was tried, and what came of it.
struct backend_choice {
    std::unique_ptr<naru::backend> backend;  ///< nullptr if it cannot be used here
    engine chosen = engine::automatic;       ///< what was taken
    bool direct = false;                     ///< connections take no descriptor of the process
    std::string reason;                      ///< why it was chosen, or why not and what would change that
};

/// Makes the backend by trying, never by a version number: an engine that can be made, but does not do what
/// serving does, is none (uring_trial.hpp). `automatic` takes io_uring where it works, else
/// epoll; on Windows iocp. `io_uring_sqpoll` takes io_uring where the kernel refuses it a thread. Also sees
/// to it that SIGPIPE does not end the process (system_calls::ignore_sigpipe).
backend_choice try_backend(engine which, const uring_options& options = {}) noexcept;

/// The same for programs that cannot go on without: throws std::runtime_error with the reason.
std::unique_ptr<naru::backend> choose_backend(engine which = engine::automatic,
                                              const uring_options& options = {});

}  // namespace naru
