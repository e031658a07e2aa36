// Accepting: AcceptEx requests posted in advance, a socket in each.
#include <naru/backend/iocp/backend.hpp>

#include <naru/os/system_calls.hpp>

#include <cerrno>
#include <new>

namespace naru {

attempt iocp_backend::try_accept(std::uint32_t slot, record& of, std::int64_t& result) noexcept {
    try {
        if (!of.accepts) of.accepts = std::make_unique<accepted_sockets>();
        of.accepts->waiting.reserve(limits::accepts_posted);
    } catch (const std::bad_alloc&) {
        result = outcome::from_errno(ENOMEM);
        return attempt::finished;
    }
    accepted_sockets& sockets = *of.accepts;
    std::int64_t refusal = 0;
    if (sockets.waiting.empty()) refusal = post_accepts(slot, of);
    if (!sockets.waiting.empty()) {
        const int accepted = sockets.waiting.front();
        sockets.waiting.erase(sockets.waiting.begin());
        const auto attached = attach(accepted, descriptor_kind::stream, ownership::own);
        result = attached ? attached->pack() : outcome::from(attached.error());
        return attempt::finished;
    }
    result = refusal;
    return sockets.posted > 0 ? attempt::blocked : attempt::finished;
}

// As many as there may be. An error matters only if none is posted.
std::int64_t iocp_backend::post_accepts(std::uint32_t slot, record& of) noexcept {
    const std::int64_t refusal = associate(of);
    if (refusal < 0) return refusal;
    while (of.accepts->posted + of.accepts->waiting.size() < limits::accepts_posted) {
        if (const std::int64_t error = post_accept(slot, of); error < 0) return error;
    }
    return 0;
}

std::int64_t iocp_backend::post_accept(std::uint32_t slot, record& of) noexcept {
    accepted_sockets& sockets = *of.accepts;
    if (sockets.family == 0) {
        sockaddr_storage own{};
        int size = sizeof own;
        if (getsockname(windows::socket_of(of.descriptor), reinterpret_cast<sockaddr*>(&own), &size) != 0)
            return windows::last_socket_outcome();
        sockets.family = own.ss_family;
    }
    const SOCKET made = windows::make_socket(sockets.family, SOCK_STREAM);
    if (made == INVALID_SOCKET) return windows::last_socket_outcome();
    iocp_accept_request* room = nullptr;
    try {
        room = &accept_requests_.make(slot);
    } catch (const std::bad_alloc&) {
        closesocket(made);
        return outcome::from_errno(ENOMEM);
    }
    iocp_accept_request& request = *room;
    request.socket = windows::descriptor_of(made);
    const iocp_started start = port_.accept(of.descriptor, request, of.skips);
    ++sockets.posted;
    if (start.how == iocp_start::pending) {
        ++of.outstanding;
        return 0;
    }
    if (start.how == iocp_start::completed) {
        keep_accepted(of, request);
    } else {
        --sockets.posted;
        system_calls::close(request.socket);
    }
    accept_requests_.destroy(request);
    return start.error;
}

// An AcceptEx has ended: with a connection, with one that was reset before we had it, or because of a close.
// What is wrong with the listener itself is said when the next one is posted.
void iocp_backend::keep_accepted(record& of, iocp_accept_request& request) noexcept {
    accepted_sockets& sockets = *of.accepts;
    --sockets.posted;
    const SOCKET listener = windows::socket_of(of.descriptor);
    // Whoever was accepted while the listener is released goes with it; with one that is closed they end.
    const bool closes = of.closer != nullptr && of.closer->kind != operation_kind::release;
    // Until then the socket has neither addresses nor its listener's options.
    const bool good = request.status() >= 0 && !closes &&
                      setsockopt(windows::socket_of(request.socket), SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
                                 reinterpret_cast<const char*>(&listener), sizeof listener) == 0;
    if (good) {
        sockets.waiting.push_back(request.socket);
    } else {
        system_calls::close(request.socket);
    }
}

}  // namespace naru
