// The web server: one loop per thread, each with its own listener (SO_REUSEPORT).
#pragma once

#include <naru/http/server_options.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace naru::http {

class server {
 public:
    /// Opens the root and the log, makes the engines and binds the listeners: after this the port is taken
    /// and the kernel queues connections. Throws std::runtime_error with one sentence that says what is wrong
    /// and what to do. `report` gets lines for the operator; any thread may call it.
    server(server_options options, std::function<void(std::string_view)> report);
    /// Drains if it still runs. Should a thread hang in a look at the disk by then (a network file system),
    /// it is left behind, with the memory and the descriptors that it may come back to, for the rest of the
    /// process.
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    /// Starts the threads. Throws std::system_error if there can be none.
    void start();

    /// Stops accepting and lets what is in flight finish, for timeouts.drain at most. Thread-safe.
    void drain();

    /// Returns when all threads have ended, but for those that hang in a look at the disk.
    void wait();

    /// What `automatic` became, and why; the address with the port that was chosen for port 0.
    naru::engine engine() const noexcept;
    const std::string& engine_reason() const noexcept;
    address local_address() const noexcept;

 private:
    struct shard;
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace naru::http
