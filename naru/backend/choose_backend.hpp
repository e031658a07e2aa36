// The one place that knows the concrete backends (with make_backend, its part for each platform).
#pragma once

#include <naru/loop/engine.hpp>

#include <memory>
#include <span>
#include <string>

namespace naru {

/// The names that this platform offers, as a sentence has them: "auto, select, ... or io_uring-sqpoll".
std::string engine_names();

/// All concrete engines of this platform, in the order of the table in docs/architecture.md.
std::span<const engine> all_engines() noexcept;

/// Makes the backend by trying, never by a version number: an engine that can be made, but does not do what
/// serving does, is none (naru/backend/uring/trial.hpp). `automatic` takes io_uring where it works, else
/// epoll; on Windows iocp. `io_uring_sqpoll` takes io_uring where the kernel refuses it a thread. Also sees
/// to it that SIGPIPE does not end the process (system_calls::ignore_sigpipe). In a world of its own
/// (naru/sim) the backend is that world's, whatever was asked for.
backend_choice try_backend(engine which, const backend_options& options = {}) noexcept;

/// The same for programs that cannot go on without: throws std::runtime_error with the reason.
std::unique_ptr<naru::backend> choose_backend(engine which = engine::automatic,
                                              const backend_options& options = {});

}  // namespace naru
