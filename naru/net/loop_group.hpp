// All cores: loops on threads of their own, and a server that is spread over them.
#pragma once

#include <naru/coro/group.hpp>
#include <naru/coro/task.hpp>
#include <naru/loop/engine.hpp>
#include <naru/net/tcp_listener.hpp>
#include <naru/stream/tcp_stream.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace naru {

/// N loops on N threads; in a simulated world, on the one thread that made it. Each is one engine with what
/// belongs to it; nothing is shared between them but what the functions given here share. Used by the thread
/// that made it, which must not be one of the loops'.
class loop_group {
 public:
    /// `loops` of an engine; 0: as many as the process may use cores. Throws std::runtime_error if the engine
    /// cannot be used here.
    explicit loop_group(unsigned loops = 0, engine which = engine::automatic);
    /// A loop for each of these.
    explicit loop_group(std::vector<std::unique_ptr<backend>> backends);
    /// Drains and joins.
    ~loop_group();
    loop_group(const loop_group&) = delete;
    loop_group& operator=(const loop_group&) = delete;

    std::size_t size() const noexcept;
    /// The loop `index`. To another thread than its own it is a place to post to, or to run a task on().
    loop& at(std::size_t index) noexcept;

    /// Runs `body(loop, index)`, a coroutine, on each loop. `body` is shared by the threads: what it captures
    /// must be safe for that. A loop runs until the bodies of all have ended, so that those which end later
    /// can be on() it. Once, and not together with serve.
    void start(std::function<task<>(loop&, std::size_t)> body);

    struct serve_options {
        listen_options listen;
        bool shared = false;  ///< one listener, whose connections are handed round; else one each, where the
                              ///< system has SO_REUSEPORT, whose kernel spreads them
        /// From any of the threads. What it throws ends the loop it was called on.
        std::function<void(const child_failure&)> report = print_failure;
        serve_options() noexcept {}
    };
    /// Serves each connection to `where` by `connection(stream)` on one of the loops. Returns when it
    /// listens: the address, with the port that was chosen for port 0. `connection` is shared by the threads.
    result<address> serve(const address& where, std::function<task<>(tcp_stream)> connection,
                          serve_options options = {});

    /// Ends accepting; connections go on to their ends. What `start` has started is stopped.
    void drain() noexcept;
    /// Asks everything on all loops to end.
    void stop() noexcept;
    /// Returns when all that was started has ended; throws the first exception that came out of a body
    /// or a report.
    void join();

 private:
    struct shard;
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace naru
