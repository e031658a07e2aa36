#include <lab/iocp_workers_server.hpp>

#include <naru/core/check.hpp>
#include <naru/os/windows_api.hpp>

#include <array>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

namespace naru::lab {

using windows::handle_of;
using windows::socket_of;

namespace {

constexpr const char* not_accepted = "no connection can be accepted";

std::system_error last_error(const char* what) {
    return {windows::errno_of(GetLastError()), errno_category(), what};
}

}  // namespace

/// A connection, from the AcceptEx that waits for its peer. `overlapped` is the kernel's while a request is
/// under way, and the first member: it is what a completion names.
struct iocp_workers_server::connection {
    enum class step : std::uint8_t { accepting, receiving, sending };

    OVERLAPPED overlapped{};
    unique_descriptor socket;
    step doing = step::accepting;
    bool ends = false;  // behind the answer under way
    std::size_t filled = 0;
    std::size_t used = 0;  // of `input`, by requests that were answered
    std::size_t sending = 0;
    connections::iterator place;
    std::array<char, limits::buffer_bytes> input;  // AcceptEx puts the addresses here first

    OVERLAPPED* fresh() noexcept {
        overlapped = {};
        return &overlapped;
    }
};

iocp_workers_server::iocp_workers_server(unique_descriptor listener, const handler& answers,
                                         std::function<void(std::string_view)> report)
    : listener_(std::move(listener)), handler_(answers), report_(std::move(report)) {
    const auto where = address::local_of(listener_.get());
    if (!where) throw std::system_error(where.error(), "the listener cannot be used");
    family_ = where->family();
}

iocp_workers_server::~iocp_workers_server() {
    stop();
    if (port_ != -1) CloseHandle(handle_of(port_));
}

void iocp_workers_server::start(unsigned workers) {
    // The port lets as many run at a time as there are: a worker here never waits for anything else.
    const HANDLE port =
        CreateIoCompletionPort(handle_of(listener_.get()), nullptr, 0, static_cast<DWORD>(workers));
    if (port == nullptr) throw last_error("CreateIoCompletionPort");
    port_ = windows::descriptor_of(port);
    const int error = post_accepts();
    if (accepting_ == 0) throw std::system_error(error, errno_category(), not_accepted);
    report(error);
    for (unsigned each = 0; each < workers; ++each)
        workers_.emplace_back([this] { work(); });
}

// When the workers have ended, all there is are requests with the kernel: their completions are taken here.
void iocp_workers_server::stop() noexcept {
    if (port_ == -1) return;
    if (stopping_.exchange(true)) return;
    for (std::size_t each = 0; each < workers_.size(); ++each)
        PostQueuedCompletionStatus(handle_of(port_), 0, 0, nullptr);
    for (std::thread& each : workers_)
        each.join();
    CancelIoEx(handle_of(listener_.get()), nullptr);
    listener_.reset();
    cancel(false);
    while (!connections_.empty()) {
        if (!handle_one(static_cast<unsigned long>(drain_patience.count()))) cancel(true);
    }
}

// What is cancelled comes out of the port as well, and its connection is ended there. The workers have ended.
void iocp_workers_server::cancel(bool sends) noexcept {
    for (const auto& each : connections_) {
        if (each->doing == connection::step::receiving || (sends && each->doing == connection::step::sending))
            CancelIoEx(handle_of(each->socket.get()), &each->overlapped);
    }
}

void iocp_workers_server::work() noexcept {
    while (handle_one(INFINITE)) {
    }
}

bool iocp_workers_server::handle_one(unsigned long milliseconds) noexcept {
    DWORD bytes = 0;
    ULONG_PTR key = 0;
    OVERLAPPED* completed = nullptr;
    const bool good = GetQueuedCompletionStatus(handle_of(port_), &bytes, &key, &completed, milliseconds);
    if (completed == nullptr) return false;
    on_completion(*reinterpret_cast<connection*>(completed), good, bytes);
    return true;
}

void iocp_workers_server::on_completion(connection& of, bool good, std::size_t bytes) noexcept {
    switch (of.doing) {
        case connection::step::accepting:
            return on_accepted(of, good);
        case connection::step::receiving:
            if (!good || bytes == 0) return end(of);
            of.filled += bytes;
            return answer(of);
        case connection::step::sending:
            if (!good || bytes != of.sending || of.ends) return end(of);
            return answer(of);
    }
}

// What cannot be posted now is tried again when a connection has come or gone.
int iocp_workers_server::post_accepts() noexcept {
    const std::lock_guard lock(mutex_);
    while (!stopping_ && accepting_ < limits::accepts_posted) {
        const int error = post_accept();
        if (error != 0) return error != std::exchange(reported_, error) ? error : 0;
    }
    return 0;
}

// Without the lock: nobody waits for whoever reads the report.
void iocp_workers_server::report(int error) noexcept {
    if (error != 0) report_(std::string(not_accepted) + ": " + errno_category().message(error));
}

int iocp_workers_server::post_accept() noexcept {
    constexpr DWORD address_bytes = sizeof(sockaddr_in6) + 16;
    const SOCKET made = windows::make_socket(family_, SOCK_STREAM);
    if (made == INVALID_SOCKET) return windows::errno_of(static_cast<DWORD>(WSAGetLastError()));
    auto fresh = std::make_unique_for_overwrite<connection>();
    fresh->socket.reset(windows::descriptor_of(made));
    connection& next = *fresh;
    next.place = connections_.insert(connections_.end(), std::move(fresh));
    DWORD bytes = 0;
    if (!AcceptEx(socket_of(listener_.get()), made, next.input.data(), 0, address_bytes, address_bytes,
                  &bytes, next.fresh()) &&
        WSAGetLastError() != ERROR_IO_PENDING) {
        const int error = windows::errno_of(static_cast<DWORD>(WSAGetLastError()));
        connections_.erase(next.place);
        return error;
    }
    ++accepting_;
    return 0;
}

void iocp_workers_server::on_accepted(connection& of, bool good) noexcept {
    {
        const std::lock_guard lock(mutex_);
        --accepting_;
    }
    report(post_accepts());
    const SOCKET listener = socket_of(listener_.get());
    good = good && !stopping_ &&
           setsockopt(socket_of(of.socket.get()), SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
                      reinterpret_cast<const char*>(&listener), sizeof listener) == 0 &&
           CreateIoCompletionPort(handle_of(of.socket.get()), handle_of(port_), 0, 0) != nullptr;
    good ? receive(of) : end(of);
}

// Nothing of `of` may be touched behind the call: the next worker may have it already.
void iocp_workers_server::receive(connection& of) noexcept {
    WSABUF into{static_cast<ULONG>(of.input.size() - of.filled), of.input.data() + of.filled};
    DWORD flags = 0;
    of.doing = connection::step::receiving;
    if (WSARecv(socket_of(of.socket.get()), &into, 1, nullptr, &flags, of.fresh(), nullptr) != 0 &&
        WSAGetLastError() != WSA_IO_PENDING)
        end(of);
}

void iocp_workers_server::answer(connection& of) noexcept {
    std::array<slice, answers_per_write> slices;
    const std::string_view input(of.input.data() + of.used, of.filled - of.used);
    const handler::outcome done = handler_.answer(input, slices);
    if (done.answers == 0) {
        if (stopping_) return end(of);
        of.filled -= of.used;
        std::memmove(of.input.data(), input.data(), of.filled);
        of.used = 0;
        return receive(of);
    }
    of.used += done.used;
    of.ends = done.end;
    std::array<WSABUF, answers_per_write> pieces;
    for (std::size_t each = 0; each < done.answers; ++each)
        pieces[each] = windows::buffer_of(slices[each]);
    of.sending = total_size(std::span(slices).first(done.answers));
    of.doing = connection::step::sending;
    if (WSASend(socket_of(of.socket.get()), pieces.data(), done.answers, nullptr, 0, of.fresh(), nullptr) !=
            0 &&
        WSAGetLastError() != WSA_IO_PENDING)
        end(of);
}

void iocp_workers_server::end(connection& of) noexcept {
    {
        const std::lock_guard lock(mutex_);
        connections_.erase(of.place);
    }
    report(post_accepts());
}

}  // namespace naru::lab
