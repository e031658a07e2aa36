// A listening TCP socket in a loop, for coroutines.
#pragma once

#include <naru/net/acceptor.hpp>
#include <naru/net/tcp_stream.hpp>

namespace naru {

/// Move-only; closes at the end of its life.
class tcp_listener {
 public:
    static result<tcp_listener> bind(loop& on, const address& where,
                                     const listen_options& options = {}) noexcept;
    /// "127.0.0.1:7777"; port 0 takes a free one.
    static result<tcp_listener> bind(loop& on, std::string_view where,
                                     const listen_options& options = {}) noexcept;

    class accept_awaiter;
    /// co_await accept() gives result<tcp_stream>. Shortages (EMFILE, ...) are waited out, twice as long each
    /// time up to a second, and broken connections passed over: an error means that the listener has ended or
    /// the wait was stopped.
    accept_awaiter accept() noexcept;

    /// Where it listens; tells the port that was chosen for port 0.
    result<address> local_address() const noexcept {
        return address::local_of(owned_.home().descriptor(owned_.get()));
    }
    handle native() const noexcept { return owned_.get(); }

 private:
    tcp_listener(loop& on, handle listening) noexcept : owned_(on, listening) {}
    owned_handle owned_;
};

class [[nodiscard]] tcp_listener::accept_awaiter : public awaited {
 public:
    accept_awaiter(loop& on, handle listener) noexcept : awaited(on) { op_.target = listener; }

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        begin(waiting);
        loop_->submit(op_);
        watch(op_);
    }
    result<tcp_stream> await_resume() noexcept;

 private:
    struct accept_operation : operation {
        explicit accept_operation(accept_awaiter& of) noexcept
            : operation(operation_kind::accept,
                        [](operation& op) noexcept { static_cast<accept_operation&>(op).owner.on_accept(); }),
              owner(of) {}
        accept_awaiter& owner;
    };
    struct retry_timer : timer {
        explicit retry_timer(accept_awaiter& of) noexcept
            : timer([](timer& self) noexcept { static_cast<retry_timer&>(self).owner.retry(); }), owner(of) {}
        accept_awaiter& owner;
    };

    void on_accept() noexcept;
    void retry() noexcept;

    accept_operation op_{*this};
    retry_timer retry_{*this};
    duration pause_{0};
};

inline tcp_listener::accept_awaiter tcp_listener::accept() noexcept { return {owned_.home(), owned_.get()}; }

}  // namespace naru
