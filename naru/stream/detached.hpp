// What has left a loop and may enter another.
#pragma once

#include <naru/coro/owned_handle.hpp>
#include <naru/loop/received_ahead.hpp>
#include <naru/os/adopted.hpp>
#include <naru/os/socket.hpp>

#include <utility>

namespace naru {

/// A connection or listener outside any loop, with what its loop had received of it or accepted ahead: the
/// stream or listener that adopts it delivers that first, so nothing is lost. May go to another thread.
struct detached {
    unique_descriptor descriptor;
    received_ahead ahead;
};

/// result<detached>: what is in flight is cancelled and joined. Errors: ENOMEM, EMFILE (of a direct
/// descriptor); it is closed then. A request that is never awaited closes it, too.
class [[nodiscard]] release_request : public request<release_request> {
 public:
    explicit release_request(owned_handle leaving) noexcept : leaving_(std::move(leaving)) {}

    class awaiter : public operation_awaiter<release_operation>, public detail::begins<awaiter> {
     public:
        explicit awaiter(release_request&& of) noexcept
            : operation_awaiter(of.leaving_.home()), leaving_(std::move(of.leaving_)) {}
        using detail::begins<awaiter>::await_suspend;
        void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
            set(leaving_.get(), &received_);
            begin_unstoppable(waiting, in);
        }
        [[nodiscard]] naru::result<detached> await_resume() noexcept {
            if (failed()) return fail(error());  // and leaving_ closes what may be left
            (void)leaving_.give();
            return detached{unique_descriptor(static_cast<int>(operation::result)), std::move(received_)};
        }

     private:
        owned_handle leaving_;
        received_ahead received_;
    };

 private:
    owned_handle leaving_;
};

/// result<unique_descriptor>: the same without what was received ahead.
class [[nodiscard]] bare_release_request : public request<bare_release_request> {
 public:
    explicit bare_release_request(owned_handle leaving) noexcept : whole_(std::move(leaving)) {}

    class awaiter : public release_request::awaiter {
     public:
        explicit awaiter(bare_release_request&& of) noexcept
            : release_request::awaiter(std::move(of.whole_)) {}
        [[nodiscard]] naru::result<unique_descriptor> await_resume() noexcept {
            auto whole = release_request::awaiter::await_resume();
            if (!whole) return fail(whole.error());
            return std::move(whole->descriptor);
        }
    };

 private:
    release_request whole_;
};

namespace detail {

/// A handle for what has left another loop, if it is what it is wanted for; closed if it is not.
result<handle> adopt(loop& into, detached&& from, socket_use wanted) noexcept;
/// The same for a descriptor from outside. A stream must be connected: one that has left a loop may have been
/// reset since, and its first receives say so.
result<handle> adopt(loop& into, unique_descriptor&& from, socket_use wanted) noexcept;

}  // namespace detail

}  // namespace naru
