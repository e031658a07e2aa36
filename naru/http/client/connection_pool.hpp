// The connections of one client: how many there may be, whose turn it is, and which are kept.
#pragma once

#include <naru/coro/sync.hpp>
#include <naru/coro/task.hpp>
#include <naru/http/client/client_connection.hpp>
#include <naru/http/client/client_options.hpp>
#include <naru/http/client/http2_link.hpp>
#include <naru/http/client/string_stash.hpp>
#include <naru/http/client/url.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace naru::http {

/// Belongs to one loop's thread. Ends after all turns.
class connection_pool {
    struct origin;

 public:
    explicit connection_pool(const client_options& options);
    ~connection_pool();
    connection_pool(const connection_pool&) = delete;
    connection_pool& operator=(const connection_pool&) = delete;

    /// The right to one connection to one origin, and that connection as soon as there is one. Move-only.
    class turn {
     public:
        turn() noexcept = default;
        turn(turn&& other) noexcept { swap(other); }
        turn& operator=(turn&& other) noexcept {
            turn taken(std::move(other));
            swap(taken);
            return *this;
        }
        ~turn() { drop(); }

        client_connection* operator->() const noexcept { return connection_.get(); }
        explicit operator bool() const noexcept { return connection_ != nullptr; }

        /// A connection that was kept, if there is one that will do; for what must not be sent twice, none
        /// that the peer may be about to close.
        bool take_kept(bool idempotent) noexcept;
        /// A stream of the origin's HTTP/2 connection, if there is one.
        bool take_stream() noexcept;
        /// Before a connection is made to an origin that may speak HTTP/2: waits while somebody else makes
        /// one, which may do for both; where it speaks HTTP/1.1 only, for one of the connections that there
        /// may be.
        task<result<void>> wait_to_connect();
        /// The connection that was made speaks HTTP/2: it is the origin's, and has a stream for this turn.
        result<void> adopt_link(tcp_stream over, const address& peer);

        /// Before a connection is made, which counts from here on: keeps to the limits by closing one that
        /// nobody uses.
        void make_room() noexcept;
        void adopt(client_connection::pointer made) noexcept;
        /// Closes the connection, or gives its room up; the turn stays.
        void close() noexcept;
        /// The request is over: keeps the connection, if it can be kept, and ends the turn.
        void finish() noexcept;

     private:
        friend class connection_pool;
        turn(connection_pool& pool, origin& of) noexcept;
        void swap(turn& other) noexcept;
        void drop() noexcept;

        connection_pool* pool_ = nullptr;
        origin* origin_ = nullptr;
        client_connection::pointer connection_;
        async_semaphore::permit of_all_;
        async_semaphore::permit of_origin_;
        async_semaphore::permit connecting_;
        async_semaphore::permit of_connections_;
        bool counted_ = false;  // in `open`
    };

    /// Waits for a turn, first come, first served. Errors: EAGAIN when too many wait.
    task<result<turn>> wait_for_turn(const url& to);

    /// For what requests and answers are made of. Answers may outlive the pool.
    const std::shared_ptr<string_stash>& strings() const noexcept { return strings_; }

    /// Connections between two requests.
    std::size_t kept() const noexcept;
    /// All of them, those that are in use included.
    std::size_t open() const noexcept { return open_; }

 private:
    enum class speech : std::uint8_t { unknown, http1, http2 };

    struct origin {
        origin(std::string of, std::size_t turns_at_once, std::size_t connections_at_once)
            : name(std::move(of)), turns(turns_at_once), connections(connections_at_once) {}
        std::string name;
        std::vector<client_connection::pointer> kept;  // the one used last at the back
        std::size_t open = 0;
        std::size_t users = 0;  // turns, and who waits for one
        async_semaphore turns;
        // Of one that may speak HTTP/2:
        bool may_speak_http2 = false;
        speech speaks = speech::unknown;
        http2_link* link = nullptr;  // that takes requests
        async_mutex connecting;
        async_semaphore connections;  // of HTTP/1.1, that are in use or made
    };

    origin& origin_of(const url& to);
    void release(origin& of) noexcept;
    void close_oldest(origin& of) noexcept;
    void close_oldest_of_all() noexcept;
    static void on_kept_ended(void* self, client_connection& ended) noexcept;
    static void on_link_ended(void* self, http2_link& ended) noexcept;
    void forget_link(origin& of) noexcept;

    const client_options& options_;
    std::map<std::string, std::unique_ptr<origin>, std::less<>> origins_;
    std::shared_ptr<string_stash> strings_ = std::make_shared<string_stash>();
    std::string name_;  // of the origin that is looked for
    async_semaphore turns_;
    std::size_t waiting_ = 0;
    std::size_t kept_ = 0;
    std::size_t open_ = 0;
};

}  // namespace naru::http
