// A listening TCP socket in a loop, for coroutines.
#pragma once

#include <naru/net/listener.hpp>
#include <naru/stream/tcp_stream.hpp>

namespace naru {

/// Hands out a tcp_stream for each connection; what else it can do stands in listener.hpp.
class tcp_listener : public listener<tcp_stream> {
 public:
    [[nodiscard]] static result<tcp_listener> bind(loop& on, const address& where,
                                                   const listen_options& options = {}) noexcept;
    /// "127.0.0.1:7777"; port 0 takes a free one.
    [[nodiscard]] static result<tcp_listener> bind(loop& on, std::string_view where,
                                                   const listen_options& options = {}) noexcept;
    /// One that has left another loop: hands out first whom that had accepted ahead. Errors: those of
    /// check_adopted and loop::attach; it is closed then.
    [[nodiscard]] static result<tcp_listener> adopt(loop& into, detached from) noexcept;
    /// A listening socket from outside (socket activation), in non-blocking mode: accept has no flag against
    /// waiting, and the mode, which others may share, is not changed. Errors: the same; blocking_descriptor.
    [[nodiscard]] static result<tcp_listener> adopt(loop& into, unique_descriptor from) noexcept;

    /// Where it listens; tells the port that was chosen for port 0.
    [[nodiscard]] result<address> local_address() const noexcept { return home().local_address(native()); }

 private:
    using listener::listener;
};

}  // namespace naru
