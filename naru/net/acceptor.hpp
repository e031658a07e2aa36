// Accepting for ever: takes connections one after another and survives what goes wrong in between.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/loop/loop.hpp>

#include <array>
#include <cstddef>
#include <system_error>
#include <utility>

namespace naru {

/// Keeps accepts pending on a listener, so that a burst of connections is taken in few ticks. When the system
/// is out of descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM, or select's own limit) it waits, twice
/// as long each time up to a second, instead of spinning; connections meanwhile queue in the kernel. A
/// connection that was reset before it could be accepted (ECONNABORTED) is passed over. Pinned; stop must
/// complete before it is destroyed.
class acceptor {
 public:
    struct events {
        /// A connection, attached to the loop; the callee owns it.
        void (*on_connection)(void* context, handle connection) noexcept;
        /// Accepting pauses for `pause` because of `why`; called once a pause. Optional.
        void (*on_pause)(void* context, std::error_code why, duration pause) noexcept;
        /// The listener has failed for good (it was closed, or never was one); nothing is pending any more.
        /// Optional.
        void (*on_failure)(void* context, std::error_code why) noexcept;
        /// After stop: no more calls will come. Optional.
        void (*on_stopped)(void* context) noexcept;
        void* context;
    };

    acceptor(loop& on, handle listener, const events& callbacks) noexcept;
    acceptor(const acceptor&) = delete;
    acceptor& operator=(const acceptor&) = delete;

    void start() noexcept;
    /// Ends accepting; on_stopped follows, from a later tick, after on_connection for those whom the backend
    /// has accepted already (operation.hpp, rule 9). The listener stays open and is the caller's.
    void stop() noexcept;

 private:
    struct accept_step : accept_operation {
        explicit accept_step(acceptor& of) noexcept;
        acceptor& owner;
    };
    using accept_steps = std::array<accept_step, limits::accepts_at_once>;
    template <std::size_t>
    static acceptor& same(acceptor& of) noexcept {
        return of;
    }
    template <std::size_t... Each>
    static accept_steps make_steps(acceptor& of, std::index_sequence<Each...> /*unused*/) noexcept {
        return {{accept_step(same<Each>(of))...}};
    }
    struct retry_timer : timer {
        explicit retry_timer(acceptor& of) noexcept;
        acceptor& owner;
    };

    void submit_all() noexcept;
    void cancel_all() noexcept;
    bool is_idle() const noexcept;
    void submit(accept_step& each) noexcept;
    void on_accept(accept_step& each) noexcept;
    void on_failure(accept_step& failed, std::error_code why) noexcept;
    void end_if_idle() noexcept;

    loop& loop_;
    events events_;
    accept_steps accepts_;
    retry_timer retry_;
    duration pause_{0};
    unsigned in_vain_ = 0;  // accepts that failed since one succeeded
    bool stopping_ = false;
    std::error_code lost_;  // why the listener has failed for good, until that has been told
};

/// Whether an accept that failed like this is worth repeating after a pause: the system ran out of something.
bool is_shortage(std::error_code error) noexcept;

/// How long to wait after a shortage: twice as long as the last time, within limits.
duration next_accept_pause(duration last) noexcept;

/// Whether it concerned one connection only and the next accept may follow at once (accept(2): pending
/// network errors of the new socket are reported here).
bool concerns_one_connection(std::error_code error) noexcept;

}  // namespace naru
