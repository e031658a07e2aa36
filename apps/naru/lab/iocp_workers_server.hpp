// The textbooks' model for Windows: several threads wait on one completion port, and the kernel gives each
// completion to any of them. Written against the system's calls directly, because naru's operations belong to
// their loop's thread.
#pragma once

#include <lab/handler.hpp>
#include <naru/os/socket.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

namespace naru::lab {

/// Every connection has one request with the kernel at most, so one worker at a time works for it, and only
/// the list of connections needs a lock. All completions come out of the port, those that were there at once
/// as well: that is how the work is shared.
class iocp_workers_server {
 public:
    /// Takes the listener over. `report` gets the reason when connections can no longer be accepted; any
    /// worker may call it. Throws std::system_error when the listener cannot be used.
    iocp_workers_server(unique_descriptor listener, const handler& answers,
                        std::function<void(std::string_view)> report);
    /// Stops.
    ~iocp_workers_server();
    iocp_workers_server(const iocp_workers_server&) = delete;
    iocp_workers_server& operator=(const iocp_workers_server&) = delete;

    /// Posts accepts and starts the workers. Once. Throws std::system_error when there is no port to be had,
    /// and when no accept can be posted.
    void start(unsigned workers);

    /// No new connections and requests; answers under way are finished, but none is waited for longer than
    /// `drain_patience` after the last one that was. Returns when all connections are closed. Not
    /// thread-safe.
    void stop() noexcept;

    static constexpr std::chrono::milliseconds drain_patience{2000};

 private:
    struct connection;
    using connections = std::list<std::unique_ptr<connection>>;

    void work() noexcept;
    /// False after `milliseconds` without a completion, and when it was a worker's call to end.
    bool handle_one(unsigned long milliseconds) noexcept;
    void on_completion(connection& of, bool good, std::size_t bytes) noexcept;

    /// As many as there may be. The error for which there are fewer, unless it was the last one as well; or
    /// 0.
    int post_accepts() noexcept;
    void report(int error) noexcept;
    int post_accept() noexcept;
    void on_accepted(connection& of, bool good) noexcept;
    void receive(connection& of) noexcept;
    void answer(connection& of) noexcept;
    void end(connection& of) noexcept;
    void cancel(bool sends) noexcept;

    unique_descriptor listener_;
    const handler& handler_;
    std::function<void(std::string_view)> report_;
    int port_ = -1;  // a kernel handle, see naru/os/windows_api.hpp
    int family_ = 0;
    std::vector<std::thread> workers_;
    std::atomic<bool> stopping_{false};

    std::mutex mutex_;  // of what follows
    connections connections_;
    unsigned accepting_ = 0;  // of them, still without a peer
    int reported_ = 0;
};

}  // namespace naru::lab
