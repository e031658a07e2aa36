// The other side of a connection, as plain non-blocking system calls.
#pragma once

#include "support/system.hpp"

#include <naru/core/bytes.hpp>
#include <naru/os/address.hpp>
#include <naru/os/socket.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace naru::testing {

struct socket_pair {
    unique_descriptor ours;
    unique_descriptor peer;
};

/// A pair of connected stream sockets, as cheap as the system has them.
inline socket_pair local_pair() {
    auto [ours, peer] = make_local_pair();
    return {std::move(ours), std::move(peer)};
}

inline unique_descriptor listening_socket(const listen_options& options = {}) {
    return open_listener(address::parse("127.0.0.1:0").value(), options).value();
}

/// `receive_buffer`: bytes for SO_RCVBUF, if not 0. `wait`: until there is a connection.
inline unique_descriptor connect_to(const address& where, bool wait = true, int receive_buffer = 0) {
    unique_descriptor made = blocking_socket(where.family());
    if (receive_buffer > 0) set_buffer(made.get(), SO_RCVBUF, receive_buffer);
    if (!wait) set_non_blocking(made.get());
    const int result = connect_socket(made.get(), where);
    if (result < 0 && errno != EINPROGRESS) checked(result, "connect");
    if (wait) set_non_blocking(made.get());
    return made;
}

/// A connected pair over loopback TCP. `send_buffer`: bytes for our side's SO_SNDBUF, `receive_buffer` for
/// the peer's SO_RCVBUF (0: the system's).
inline socket_pair tcp_pair(int send_buffer = 0, int receive_buffer = 0) {
    const unique_descriptor listener = listening_socket();
    if (send_buffer > 0) set_buffer(listener.get(), SO_SNDBUF, send_buffer);
    socket_pair made;
    made.peer = connect_to(local_of(listener.get()).value(), true, receive_buffer);
    wait_readable(listener.get(), 10'000);
    made.ours.reset(checked(accept_socket(listener.get()), "accept"));
    return made;
}

/// Writes what fits; the number of bytes.
inline std::size_t write_some(int socket, std::string_view text) {
    std::size_t written = 0;
    while (written < text.size()) {
        const std::ptrdiff_t step = send_some(socket, text.substr(written));
        if (step < 0 && errno == EINTR) continue;
        if (step < 0) break;
        written += static_cast<std::size_t>(step);
    }
    return written;
}

/// For short texts that must fit.
inline void write_all(int socket, std::string_view text) {
    if (write_some(socket, text) != text.size()) throw std::runtime_error("the peer's text does not fit");
}

/// What has come from a socket so far.
struct received_text {
    std::string data;
    bool ended = false;
    int error = 0;

    /// Reads at most `limit` bytes of what is there.
    std::size_t read_from(int socket, std::size_t limit = ~std::size_t{0}) {
        std::size_t total = 0;
        char chunk[16384];
        while (total < limit) {
            const std::size_t wanted = limit - total < sizeof chunk ? limit - total : sizeof chunk;
            const std::ptrdiff_t got = receive_some(socket, chunk, wanted);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0 && errno != EAGAIN) error = errno;
            if (got == 0) ended = true;
            if (got <= 0) break;
            data.append(chunk, static_cast<std::size_t>(got));
            total += static_cast<std::size_t>(got);
        }
        return total;
    }
};

/// Closes with a reset (RST) instead of an orderly end.
inline void reset_connection(unique_descriptor& socket) {
    set_reset_on_close(socket.get());
    socket.reset();
}

/// Whether this system tells a program that its connection was reset. wine does not always: it looks at the
/// error itself, and a read then finds an ordinary end.
inline bool system_tells_resets() {
    socket_pair sockets = tcp_pair();
    reset_connection(sockets.peer);
    wait_readable(sockets.ours.get(), 10'000);
    received_text got;
    got.read_from(sockets.ours.get());
    return got.error == ECONNRESET;
}

/// Text in which a lost, doubled or moved piece shows.
inline std::string pattern(std::size_t size, std::uint32_t seed = 1) {
    std::string text(size, '\0');
    std::minstd_rand random(seed);
    for (char& each : text)
        each = static_cast<char>(random() >> 7);
    return text;
}

}  // namespace naru::testing
