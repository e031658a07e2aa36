// Accepting one connection, whatever its family: what listeners hand out.
#pragma once

#include <naru/coro/request.hpp>
#include <naru/net/acceptor.hpp>

namespace naru {

namespace detail {

/// Waits shortages out and passes broken connections over.
class accept_awaiter : public begins<accept_awaiter>,
                       private accept_operation,
                       private stop_entry,
                       private timer {
 public:
    accept_awaiter(loop& on, handle listener) noexcept
        : accept_operation([](operation& op) noexcept { static_cast<accept_awaiter&>(op).on_accept(); }),
          stop_entry([](stop_entry& self) noexcept { static_cast<accept_awaiter&>(self).stop(); }),
          timer([](timer& self) noexcept { static_cast<accept_awaiter&>(self).retry(); }),
          loop_(&on) {
        set(listener);
    }
    accept_awaiter(const accept_awaiter&) = delete;
    accept_awaiter& operator=(const accept_awaiter&) = delete;

    bool await_ready() const noexcept { return false; }
    void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept;

 protected:
    ~accept_awaiter() = default;
    naru::result<handle> accepted() const noexcept {
        if (failed()) return fail(error());
        return handle::unpack(operation::result);
    }

    loop* loop_;

 private:
    void on_accept() noexcept;
    void retry() noexcept;
    void stop() noexcept;

    std::coroutine_handle<> waiting_;
    duration pause_{0};
    bool stopped_ = false;
};

}  // namespace detail

/// result<Stream>.
template <class Stream>
class [[nodiscard]] accept_request : public request<accept_request<Stream>> {
 public:
    accept_request(loop& on, handle listener) noexcept : home_(&on), listener_(listener) {}

    class awaiter : public detail::accept_awaiter {
     public:
        explicit awaiter(accept_request&& of) noexcept : accept_awaiter(*of.home_, of.listener_) {}
        [[nodiscard]] naru::result<Stream> await_resume() noexcept {
            const auto made = accepted();
            if (!made) return fail(made.error());
            return Stream(*loop_, *made);
        }
    };

 private:
    loop* home_;
    handle listener_;
};

}  // namespace naru
