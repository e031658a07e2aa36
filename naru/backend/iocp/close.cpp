// Closing: cancel, join, let go. The order is what keeps every OVERLAPPED alive until the kernel has done
// with it: a handle's slot, and with it the backend's last word on a request, is given up only when
// `outstanding` is 0, and it is counted down only by a completion that has come out of the port. Closing the
// socket first would end the requests as well, but a completion that nobody counts is one that comes to freed
// memory.
#include <naru/backend/iocp/backend.hpp>

#include <naru/core/push.hpp>
#include <naru/os/system_calls.hpp>

namespace naru {

void iocp_backend::close(std::uint32_t slot, record& of, operation& op, operation_queue& done) noexcept {
    of.closer = &op;
    of.starved = false;
    cancel_all(of, done);
    if (of.outstanding == 0) finish_close(slot, of, done);
}

// Ends what waits. A queue whose head has lent its memory to the kernel ends with that, so that it ends in
// order.
void iocp_backend::cancel_all(record& of, operation_queue& done) noexcept {
    for (const direction way : {direction::read, direction::write}) {
        if (lends_memory(of.request(way))) continue;
        end_all(of.waiting(way), outcome::canceled, done);
    }
    if (of.outstanding > 0) CancelIoEx(windows::handle_of(of.descriptor), nullptr);
}

void iocp_backend::finish_close(std::uint32_t slot, record& of, operation_queue& done) noexcept {
    operation& op = *of.closer;
    cancel_all(of, done);
    const int descriptor = of.descriptor;
    if (op.kind == operation_kind::release && op.ahead != nullptr) {
        std::vector<int>& leaving = op.ahead->connections;
        if (of.accepts && leaving.empty()) leaving.swap(of.accepts->waiting);
        while (of.accepts && !of.accepts->waiting.empty()) {
            push_or_end(leaving, of.accepts->waiting.front());
            of.accepts->waiting.erase(of.accepts->waiting.begin());
        }
        if (of.read_error != 0) op.ahead->ended = outcome::from_errno(of.read_error);
    }
    if (of.accepts) {
        for (const int socket : of.accepts->waiting)
            system_calls::close(socket);
        of.accepts.reset();
    }
    const bool leaves = op.kind == operation_kind::release;
    if (leaves && of.associated) port_.dissociate(descriptor);
    if (!leaves && descriptor >= 0) system_calls::close(descriptor);
    of.descriptor = -1;
    of.closer = nullptr;
    records_.release(slot);
    complete(op, leaves ? released(descriptor) : 0, done);
}

}  // namespace naru
