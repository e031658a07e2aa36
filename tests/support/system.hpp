// The other side of a connection speaks to the system, or to the simulated world that this thread is in: the
// same calls under the same names. What is made in such a world has a descriptor that says so.
#pragma once

#if defined(_WIN32)
#include "support/system_windows.hpp"
#else
#include "support/system_posix.hpp"
#endif

#include <naru/loop/backend.hpp>
#include <naru/os/address.hpp>
#include <naru/os/socket.hpp>
#include <naru/sim/world.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <utility>

#if !defined(_WIN32)
#include <poll.h>
#endif

namespace naru::testing {

using real::checked;
using real::descriptor_limit;
using real::no_descriptor_limit;
using real::no_local_datagrams;
using real::process_number;
#if defined(_WIN32)
using real::with_errno;
#endif

inline constexpr const char* speaks_to_the_system = "speaks to the system directly";

/// Whether what is made here is part of a simulated world.
inline bool in_simulation() { return sim::world::current() != nullptr; }
inline bool is_simulated(int descriptor) { return descriptor >= foreign_descriptors; }

namespace simulated {

inline sim::world& world() { return *sim::world::current(); }
inline sim::network& net() { return world().net(); }

/// An outcome as a system call has it.
inline std::ptrdiff_t called(std::int64_t outcome) {
    if (outcome >= 0) return static_cast<std::ptrdiff_t>(outcome);
    if (outcome == outcome::end_of_stream) return 0;
    errno = static_cast<int>(-outcome);
    return -1;
}

inline sim::socket_ref of(int descriptor) {
    sim::socket_ref found = world().find(descriptor);
    if (found == nullptr) throw std::runtime_error("no such simulated descriptor");
    return found;
}

inline std::pair<unique_descriptor, unique_descriptor> named(
    std::pair<sim::socket_ref, sim::socket_ref> made) {
    return {world().name(std::move(made.first)), world().name(std::move(made.second))};
}

inline int connect_socket(int socket, const address& where) {
    const sim::socket_ref from = of(socket);
    if (from->kind == sim::socket_kind::datagram)
        return static_cast<int>(called(net().connect_datagrams(from, where)));
    std::int64_t begun = net().connect(from, where);
    if (begun == outcome::from_errno(EINPROGRESS) && !from->non_blocking) {
        world().run_until([&] { return from->state != sim::connection::connecting; });
        begun = from->connect_outcome;
    }
    return static_cast<int>(called(begun));
}

inline int accept_socket(int listener) {
    sim::socket_ref made;
    const std::int64_t accepted = net().accept(of(listener), made);
    return accepted < 0 ? static_cast<int>(called(accepted)) : world().name(std::move(made)).release();
}

inline std::ptrdiff_t send_some(int socket, std::string_view text) {
    const sim::socket_ref from = of(socket);
    const slice piece(text);
    if (from->kind == sim::socket_kind::datagram) return called(net().send_to(from, {&piece, 1}, nullptr));
    return called(net().send(*from, {&piece, 1}));
}

inline std::ptrdiff_t receive_some(int socket, char* into, std::size_t size) {
    const sim::socket_ref to = of(socket);
    if (to->kind != sim::socket_kind::datagram)
        return called(net().receive(*to, {reinterpret_cast<std::byte*>(into), size}));
    sim::datagram got;
    const std::int64_t received = net().receive_from(*to, got);
    if (received < 0) return called(received);
    return static_cast<std::ptrdiff_t>(got.bytes.copy(into, size));
}

inline bool wait_for(int socket, int events, int milliseconds) {
    const sim::socket_ref of_it = of(socket);
    const auto ready = [&] {
        return ((events & POLLIN) != 0 && sim::network::is_readable(*of_it)) ||
               ((events & POLLOUT) != 0 && sim::network::is_writable(*of_it)) ||
               sim::network::is_hung_up(*of_it);
    };
    return world().run_until(ready, std::chrono::milliseconds(milliseconds));
}

inline unique_descriptor file_with(std::string_view text) {
    sim::socket_ref made = net().make(world().here(), sim::socket_kind::file);
    made->content = std::make_shared<sim::stored_file>(sim::stored_file{std::string(text), {}, 0});
    return world().name(std::move(made));
}

}  // namespace simulated

/// A socket from a specification, made beside the loop.
inline result<unique_descriptor> open_listener(const address& where, const listen_options& options) {
    if (!in_simulation()) return listen_on(where, options);
    return simulated::world().open_listener(simulated::world().here(), where, options);
}
inline result<unique_descriptor> open_datagram(const address& where, const udp_options& options = {}) {
    if (!in_simulation()) return bind_datagram(where, options);
    return simulated::world().open_datagram(simulated::world().here(), where, options);
}
inline result<unique_descriptor> open_stream_socket(const address& peer) {
    if (!in_simulation()) return stream_socket_for(peer);
    return simulated::world().open_stream(simulated::world().here());
}
inline result<address> local_of(int socket) {
    return is_simulated(socket) ? simulated::world().local_address(socket) : address::local_of(socket);
}
inline result<address> peer_of(int socket) {
    return is_simulated(socket) ? simulated::world().peer_address(socket) : address::peer_of(socket);
}

inline std::pair<unique_descriptor, unique_descriptor> make_local_pair() {
    if (!in_simulation()) return real::make_local_pair();
    return simulated::named(simulated::net().stream_pair(simulated::world().here()));
}
inline std::pair<unique_descriptor, unique_descriptor> make_local_datagram_pair() {
    if (!in_simulation()) return real::make_local_datagram_pair();
    return simulated::named(simulated::net().datagram_pair(simulated::world().here()));
}

inline unique_descriptor blocking_socket(int family) {
    if (!in_simulation()) return real::blocking_socket(family);
    unique_descriptor made = simulated::world().open_stream(simulated::world().here());
    simulated::of(made.get())->non_blocking = false;
    return made;
}
inline void set_non_blocking(int socket) {
    if (!is_simulated(socket)) return real::set_non_blocking(socket);
    simulated::of(socket)->non_blocking = true;
}
inline bool is_non_blocking(int socket) {
    return is_simulated(socket) ? simulated::of(socket)->non_blocking : real::is_non_blocking(socket);
}

/// These leave the error in errno. `EINPROGRESS`: under way.
inline int connect_socket(int socket, const address& where) {
    return is_simulated(socket) ? simulated::connect_socket(socket, where)
                                : real::connect_socket(socket, where);
}
inline int accept_socket(int listener) {
    return is_simulated(listener) ? simulated::accept_socket(listener) : real::accept_socket(listener);
}
inline int bind_socket(int socket, const address& where) {
    if (!is_simulated(socket)) return real::bind_socket(socket, where);
    return static_cast<int>(simulated::called(simulated::net().bind(simulated::of(socket), where, false)));
}
inline int listen_socket(int socket, int backlog) {
    if (!is_simulated(socket)) return real::listen_socket(socket, backlog);
    return static_cast<int>(
        simulated::called(simulated::net().listen(simulated::of(socket), static_cast<std::size_t>(backlog))));
}
inline std::ptrdiff_t send_some(int socket, std::string_view text) {
    return is_simulated(socket) ? simulated::send_some(socket, text) : real::send_some(socket, text);
}
/// Sends the last byte as TCP's urgent data: out of band, past everybody who does not ask for it.
inline std::ptrdiff_t send_urgent(int socket, std::string_view text) {
    return real::send_urgent(socket, text);
}
inline std::ptrdiff_t receive_some(int socket, char* into, std::size_t size) {
    return is_simulated(socket) ? simulated::receive_some(socket, into, size)
                                : real::receive_some(socket, into, size);
}
inline int end_sending(int socket) {
    if (!is_simulated(socket)) return real::end_sending(socket);
    return static_cast<int>(simulated::called(simulated::net().shut_down(*simulated::of(socket))));
}

inline void set_buffer(int socket, int option, int bytes) {
    if (!is_simulated(socket)) return real::set_buffer(socket, option, bytes);
    const auto which = option == SO_SNDBUF ? socket_option::send_buffer : socket_option::receive_buffer;
    simulated::of(socket)->options[static_cast<std::size_t>(which)] = bytes;
}
inline void set_reset_on_close(int socket) {
    if (!is_simulated(socket)) return real::set_reset_on_close(socket);
    simulated::of(socket)->reset_on_close = true;
}

/// Whether the socket is ready within so many milliseconds.
inline bool wait_for(int socket, int events, int milliseconds) {
    return is_simulated(socket) ? simulated::wait_for(socket, events, milliseconds)
                                : real::wait_for(socket, events, milliseconds);
}
inline bool wait_readable(int socket, int milliseconds) {
    return is_simulated(socket) ? simulated::wait_for(socket, POLLIN, milliseconds)
                                : real::wait_readable(socket, milliseconds);
}

inline bool is_open(int descriptor) {
    if (!is_simulated(descriptor)) return real::is_open(descriptor);
    return in_simulation() && simulated::world().find(descriptor) != nullptr;
}

/// How many descriptors this process has open, those of a simulated world included.
inline std::size_t open_descriptors() {
    return real::open_descriptors() + (in_simulation() ? simulated::world().open_descriptors() : 0);
}

/// A copy with the lowest free number from `least` on; nothing if there is none below the limit.
inline unique_descriptor duplicate_from(int descriptor, int least) {
    return is_simulated(descriptor) ? simulated::world().duplicate(descriptor)
                                    : real::duplicate_from(descriptor, least);
}

/// An unlinked file with this text.
inline unique_descriptor file_with(std::string_view text) {
    return in_simulation() ? simulated::file_with(text) : real::file_with(text);
}
inline void empty_file(int file) {
    if (!is_simulated(file)) return real::empty_file(file);
    simulated::of(file)->content->bytes.clear();
}

}  // namespace naru::testing
