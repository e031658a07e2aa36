// The seam's sockets as the system has them: made by naru/os, then attached.
#include <naru/loop/backend.hpp>

#include <naru/loop/environment.hpp>
#include <naru/os/file_system.hpp>
#include <naru/os/system_calls.hpp>

#include <utility>

namespace naru {

namespace {

result<handle> attach_own(backend& to, result<unique_descriptor> made, descriptor_kind kind) noexcept {
    if (!made) return fail(made.error());
    return to.attach(made->release(), kind, ownership::own);
}

}  // namespace

result<handle> backend::open_listener(const address& where, const listen_options& options) noexcept {
    return attach_own(*this, listen_on(where, options), descriptor_kind::listener);
}

result<handle> backend::open_stream(const address& peer, const stream_options& options) noexcept {
    auto made = stream_socket_for(peer);
    if (!made) return fail(made.error());
    if (options.from) {
        if (auto bound = bind_before_connect(made->get(), *options.from); !bound) return fail(bound.error());
    }
    if (options.no_delay) {
        if (auto set = socket_options::set_no_delay(made->get(), true); !set) return fail(set.error());
    }
    return attach_own(*this, std::move(made), descriptor_kind::socket);
}

result<handle> backend::open_datagram(const address& where, const udp_options& options) noexcept {
    return attach_own(*this, bind_datagram(where, options), descriptor_kind::datagram);
}

std::int64_t backend::opened(handle /*of*/, int descriptor) noexcept {
    const unique_descriptor closed(descriptor);
    return outcome::from_errno(EBADF);
}

file_system& backend::files() noexcept { return environment::current().files(); }

file_system& backend::files_of(lent_descriptor file) noexcept {
    return file.get() >= foreign_descriptors ? files() : system_files();
}

result<address> backend::local_address(handle of) noexcept { return address::local_of(borrow(of).get()); }
result<address> backend::peer_address(handle of) noexcept { return address::peer_of(borrow(of).get()); }
result<void> backend::shutdown_send(handle of) noexcept { return naru::shutdown_send(borrow(of).get()); }
void backend::reset_on_close(handle of) noexcept { naru::reset_on_close(borrow(of).get()); }
std::uint64_t backend::unacknowledged(handle of) noexcept { return naru::unacknowledged(borrow(of).get()); }

peer_end backend::end_of_peer(handle of) noexcept { return naru::end_of_peer(borrow(of).get()); }
std::int64_t backend::take_error(handle of) noexcept { return system_calls::socket_error(descriptor(of)); }
void backend::refuse_connections(handle of) noexcept { naru::refuse_connections(descriptor(of)); }
bool backend::has_connection_waiting(handle of) noexcept {
    return naru::has_connection_waiting(descriptor(of));
}
bool backend::can_be_watched(handle of) noexcept { return system_calls::can_be_watched(descriptor(of)); }

result<void> backend::set_option(handle of, socket_option which, int value) noexcept {
    const borrowed_descriptor lent = borrow(of);
    switch (which) {
        case socket_option::no_delay:
            return socket_options::set_no_delay(lent.get(), value != 0);
        case socket_option::send_buffer:
            return socket_options::set_send_buffer(lent.get(), value);
        case socket_option::receive_buffer:
            return socket_options::set_receive_buffer(lent.get(), value);
        case socket_option::user_timeout:
            return socket_options::set_user_timeout(lent.get(), std::chrono::milliseconds(value));
        case socket_option::broadcast:
            return socket_options::set_broadcast(lent.get(), value != 0);
    }
    return fail_errno(EINVAL);
}

result<int> backend::option(handle of, socket_option which) noexcept {
    const borrowed_descriptor lent = borrow(of);
    const auto as_int = [](const auto& got) -> result<int> {
        if (!got) return fail(got.error());
        return static_cast<int>(*got);
    };
    switch (which) {
        case socket_option::no_delay:
            return as_int(socket_options::no_delay(lent.get()));
        case socket_option::send_buffer:
            return socket_options::send_buffer(lent.get());
        case socket_option::receive_buffer:
            return socket_options::receive_buffer(lent.get());
        case socket_option::user_timeout: {
            const auto got = socket_options::user_timeout(lent.get());
            if (!got) return fail(got.error());
            return static_cast<int>(got->count());
        }
        case socket_option::broadcast:
            return as_int(socket_options::broadcast(lent.get()));
    }
    return fail_errno(EINVAL);
}

}  // namespace naru
