// An HTTP/2 connection of a client (RFC 9113), by nghttp2: many requests at once, each on a stream.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/core/intrusive.hpp>
#include <naru/loop/loop.hpp>
#include <naru/os/address.hpp>
#include <naru/stream/tcp_stream.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct nghttp2_session;

namespace naru::http {

class http2_stream;

/// On the heap, and its own: it ends with its last stream once it takes no more requests, or when its
/// connection does. One receive is always under way; idle it holds no pool buffer. On its loop's thread.
///
/// Behind its last stream nobody waits for it but its loop's end (loop::hold_up_end), until its close is
/// under way: when its farewell (GOAWAY) has left, or after limits::client_farewell.
class http2_link {
 public:
    /// Takes no more requests: the peer has said so (GOAWAY), or its connection has ended, or it was idle for
    /// `idle_time`. Told once; it is not to be touched behind that.
    using ended_function = void (*)(void* owner, http2_link& ended) noexcept;

    /// Takes a connection over on which HTTP/2 was agreed upon. Throws std::bad_alloc.
    static http2_link& make(tcp_stream over, const address& peer, duration idle_time, void* owner,
                            ended_function on_end);
    http2_link(const http2_link&) = delete;
    http2_link& operator=(const http2_link&) = delete;

    const address& peer() const noexcept { return peer_; }
    handle native() const noexcept { return stream_.native(); }
    loop& home() const noexcept { return loop_; }
    std::size_t streams() const noexcept { return stream_count_; }
    instant idle_since() const noexcept { return idle_since_; }
    /// Its owner has no more requests for it, and is not told.
    void retire() noexcept;

 private:
    friend class http2_stream;
    struct callbacks;

    struct receive_step : receive_operation {
        explicit receive_step(http2_link& of) noexcept
            : receive_operation(
                  [](operation& op) noexcept { static_cast<receive_step&>(op).owner.on_received(); }),
              owner(of) {}
        http2_link& owner;
    };
    struct send_step : send_operation {
        explicit send_step(http2_link& of) noexcept
            : send_operation([](operation& op) noexcept { static_cast<send_step&>(op).owner.on_sent(); }),
              owner(of) {}
        http2_link& owner;
    };
    struct idle_step : timer {
        explicit idle_step(http2_link& of) noexcept
            : timer([](timer& self) noexcept { static_cast<idle_step&>(self).owner.on_idle_end(); }),
              owner(of) {}
        http2_link& owner;
    };
    // Within it this is not destroyed.
    struct at_work {
        explicit at_work(http2_link& of) noexcept : owner(of) { ++of.busy_; }
        ~at_work() {
            if (--owner.busy_ == 0) owner.leave_off();
        }
        at_work(const at_work&) = delete;
        at_work& operator=(const at_work&) = delete;
        http2_link& owner;
    };

    http2_link(tcp_stream over, const address& peer, duration idle_time, void* owner, ended_function on_end);
    ~http2_link();

    void receive() noexcept;
    void on_received() noexcept;
    void on_sent() noexcept;
    void on_idle_end() noexcept;
    void flush() noexcept;
    void tell() noexcept;
    void die(std::int64_t why) noexcept;
    void close() noexcept;
    void leave_off() noexcept;

    // For streams.
    void add(http2_stream& begun) noexcept;
    void forget(http2_stream& ended) noexcept;
    /// The answer to what was sent at `since` was given up: if nothing at all has come since, for a while,
    /// nobody else is to wait in vain.
    void suspect(instant since) noexcept;

    loop& loop_;
    tcp_stream stream_;
    address peer_;
    duration idle_time_;
    void* owner_;
    ended_function on_end_;
    nghttp2_session* http2_ = nullptr;
    list_head streams_;
    std::size_t stream_count_ = 0;
    receive_step receive_{*this};
    send_step send_{*this};
    idle_step idle_{*this};
    std::string output_;
    instant idle_since_;
    instant last_received_;
    unsigned busy_ = 0;
    bool inside_ = false;    // nghttp2, which may not be asked for output there
    bool leaving_ = false;   // no more streams
    bool holds_up_ = false;  // the loop's end
    bool closed_ = false;
};

}  // namespace naru::http
