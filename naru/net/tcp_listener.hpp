// A listening TCP socket in a loop, for coroutines.
#pragma once

#include <naru/net/acceptor.hpp>
#include <naru/stream/tcp_stream.hpp>

namespace naru {

/// Move-only; closes at the end of its life.
class tcp_listener {
 public:
    static result<tcp_listener> bind(loop& on, const address& where,
                                     const listen_options& options = {}) noexcept;
    /// "127.0.0.1:7777"; port 0 takes a free one.
    static result<tcp_listener> bind(loop& on, std::string_view where,
                                     const listen_options& options = {}) noexcept;

    class accept_request;
    /// result<tcp_stream>. Shortages (EMFILE, ...) are waited out, twice as long each time up to a second,
    /// and broken connections passed over: an error means that the listener has ended or the wait was
    /// stopped.
    accept_request accept() noexcept;
    /// Cancels and joins what is in flight, then closes.
    close_request close() noexcept { return close_request(std::move(owned_)); }

    /// Where it listens; tells the port that was chosen for port 0.
    result<address> local_address() const noexcept { return owned_.home().local_address(owned_.get()); }
    loop& home() const noexcept { return owned_.home(); }
    handle native() const noexcept { return owned_.get(); }

 private:
    tcp_listener(loop& on, handle listening) noexcept : owned_(on, listening) {}
    owned_handle owned_;
};

class [[nodiscard]] tcp_listener::accept_request : public request<accept_request> {
 public:
    accept_request(loop& on, handle listener) noexcept : home_(&on), listener_(listener) {}

    class awaiter : public detail::begins<awaiter>, private operation, private stop_entry, private timer {
     public:
        explicit awaiter(accept_request&& of) noexcept
            : operation(operation_kind::accept,
                        [](operation& op) noexcept { static_cast<awaiter&>(op).on_accept(); }),
              stop_entry([](stop_entry& self) noexcept { static_cast<awaiter&>(self).stop(); }),
              timer([](timer& self) noexcept { static_cast<awaiter&>(self).retry(); }),
              loop_(of.home_) {
            target = of.listener_;
        }
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;

        bool await_ready() const noexcept { return false; }
        void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept;
        [[nodiscard]] naru::result<tcp_stream> await_resume() noexcept;

     private:
        void on_accept() noexcept;
        void retry() noexcept;
        void stop() noexcept;

        loop* loop_;
        std::coroutine_handle<> waiting_;
        duration pause_{0};
        bool stopped_ = false;
    };

 private:
    loop* home_;
    handle listener_;
};

inline tcp_listener::accept_request tcp_listener::accept() noexcept { return {owned_.home(), owned_.get()}; }

}  // namespace naru
