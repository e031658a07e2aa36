// Datagrams: a wait that lends no memory, then a call that returns at once. An overlapped WSARecvFrom that is
// cancelled does not say for certain that it has taken no datagram.
#include <naru/backend/datagram_call.hpp>
#include <naru/backend/iocp/backend.hpp>

#include <naru/loop/datagram.hpp>
#include <naru/os/system_calls.hpp>

namespace naru {

attempt iocp_backend::try_receive_from(std::uint32_t slot, record& of, operation& op,
                                       std::int64_t& result) noexcept {
    if (of.read_ready) {
        result = receive_datagram(of.descriptor, static_cast<receive_from_operation&>(op));
        if (result != system_calls::would_block) return attempt::finished;
        of.read_ready = false;
    }
    const attempt waited = wait_readable(slot, of, result);
    if (waited != attempt::finished || result < 0) return waited;
    of.read_ready = true;
    return attempt::paused;  // something came meanwhile: others' turn first
}

attempt iocp_backend::try_send_to(std::uint32_t slot, record& of, operation& op,
                                  std::int64_t& result) noexcept {
    if (!of.write_ready) return wait_writable(slot, of, result);
    result = send_datagram(of.descriptor, static_cast<const send_to_operation&>(op));
    return result == system_calls::would_block ? wait_writable(slot, of, result) : attempt::finished;
}

}  // namespace naru
