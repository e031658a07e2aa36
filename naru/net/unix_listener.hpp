// A listening socket of the UNIX domain in a loop, for coroutines. ENOTSUP on Windows.
#pragma once

#include <naru/net/listener.hpp>
#include <naru/stream/unix_stream.hpp>

namespace naru {

/// Hands out a unix_stream for each connection; what else it can do stands in listener.hpp. Its path stays
/// when it is closed: it may have gone on to another loop or process.
class unix_listener : public listener<unix_stream> {
 public:
    [[nodiscard]] static result<unix_listener> bind(loop& on, const unix_address& where,
                                                    const unix_listen_options& options = {}) noexcept;
    /// "/run/service.sock", "@abstract".
    [[nodiscard]] static result<unix_listener> bind(loop& on, std::string_view where,
                                                    const unix_listen_options& options = {}) noexcept;
    /// One that has left another loop, or a listening socket from outside: see tcp_listener::adopt.
    [[nodiscard]] static result<unix_listener> adopt(loop& into, detached from) noexcept;
    [[nodiscard]] static result<unix_listener> adopt(loop& into, unique_descriptor from) noexcept;

    [[nodiscard]] result<unix_address> local_address() const noexcept {
        return unix_address::local_of(borrow().get());
    }

 private:
    using listener::listener;
};

}  // namespace naru
