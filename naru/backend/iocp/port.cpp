#include <naru/backend/iocp/port.hpp>

#include <naru/core/limits.hpp>
#include <naru/core/push.hpp>
#include <naru/core/result.hpp>

#include <algorithm>
#include <cerrno>
#include <system_error>

// The call behind FileReplaceCompletionInformation is documented in ntifs.h, mingw's headers leave it out.
extern "C" NTSTATUS NTAPI NtSetInformationFile(HANDLE file, PIO_STATUS_BLOCK status, PVOID information,
                                               ULONG length, FILE_INFORMATION_CLASS which);

namespace naru {

namespace {

using windows::handle_of;
using windows::socket_of;

constexpr ULONG ioctl_afd_poll = 0x00012024;
constexpr int replace_completion_information = 61;

// `ok`: the call says that the request is complete.
iocp_started started(bool ok, DWORD error, bool skips) noexcept {
    if (ok) return {skips ? iocp_start::completed : iocp_start::pending, 0};
    if (error == ERROR_IO_PENDING) return {iocp_start::pending, 0};
    return {iocp_start::failed, outcome::from_errno(windows::errno_of(error))};
}

}  // namespace

iocp_port::iocp_port() {
    windows::start_winsock();
    port_ = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1);
    if (port_ == nullptr)
        throw std::system_error(outcome::to_error(windows::last_file_outcome()), "CreateIoCompletionPort");
}

iocp_port::~iocp_port() { CloseHandle(port_); }

std::int64_t iocp_port::associate(int descriptor, bool& skips) noexcept {
    if (CreateIoCompletionPort(handle_of(descriptor), port_, 0, 0) == nullptr) {
        const std::int64_t refusal = windows::last_file_outcome();
        if (GetLastError() != ERROR_INVALID_PARAMETER) return refusal;
        // Tied already, to this port if it left this loop and could not be untied.
        if (std::find(tied_.begin(), tied_.end(), descriptor) == tied_.end()) return refusal;
    }
    std::erase(tied_, descriptor);  // also when the number now names another socket
    skips = may_skip(descriptor) &&
            SetFileCompletionNotificationModes(
                handle_of(descriptor), FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE);
    return 0;
}

// A provider that is layered over the system's own may complete requests behind the kernel's back: then the
// mode must not be set (SetFileCompletionNotificationModes, Microsoft's documentation). All sockets of a
// process come from the same providers. Files are the kernel's.
bool iocp_port::may_skip(int descriptor) noexcept {
    WSAPROTOCOL_INFOW provider{};
    int size = sizeof provider;
    if (skip_is_safe_ < 0) {
        if (getsockopt(socket_of(descriptor), SOL_SOCKET, SO_PROTOCOL_INFOW,
                       reinterpret_cast<char*>(&provider), &size) != 0)
            return true;
        skip_is_safe_ = (provider.dwServiceFlags1 & XP1_IFS_HANDLES) != 0 ? 1 : 0;
    }
    return skip_is_safe_ == 1;
}

void iocp_port::dissociate(int descriptor) noexcept {
    struct {
        HANDLE port = nullptr;
        void* key = nullptr;
    } nothing;
    IO_STATUS_BLOCK status{};
    if (NtSetInformationFile(handle_of(descriptor), &status, &nothing, sizeof nothing,
                             static_cast<FILE_INFORMATION_CLASS>(replace_completion_information)) < 0)
        push_or_end(tied_, descriptor);
}

std::span<OVERLAPPED_ENTRY> iocp_port::wait(int milliseconds) noexcept {
    ULONG count = 0;
    const DWORD limit = milliseconds < 0 ? INFINITE : static_cast<DWORD>(milliseconds);
    if (!GetQueuedCompletionStatusEx(port_, entries_.data(), static_cast<ULONG>(entries_.size()), &count,
                                     limit, FALSE))
        return {};
    // A wake is a packet without a request.
    const auto end = std::remove_if(entries_.begin(), entries_.begin() + count, [this](const auto& each) {
        if (each.lpOverlapped != nullptr) return false;
        // An exchange: the loop's look at what was posted must not come before it, or a task that was posted
        // between the two would wait for the next wake.
        woken_.exchange(false, std::memory_order_seq_cst);
        return true;
    });
    return {entries_.data(), static_cast<std::size_t>(end - entries_.begin())};
}

void iocp_port::wake() noexcept {
    if (woken_.exchange(true, std::memory_order_acq_rel)) return;  // there is a packet on its way
    PostQueuedCompletionStatus(port_, 0, 0, nullptr);
}

// Windows has no documented request that completes when a socket can be written to without lending it the
// bytes. This one is what select and WSAPoll are made of, and what libuv, mio and wepoll rely on.
iocp_started iocp_port::wait_for(int socket, ULONG events, iocp_stream_request& request,
                                 bool skips) noexcept {
    request.poll.timeout.QuadPart = INT64_MAX;
    request.poll.handle_count = 1;
    request.poll.handle = handle_of(socket);
    request.poll.events = events;
    auto* const block = reinterpret_cast<IO_STATUS_BLOCK*>(&request.overlapped);
    const NTSTATUS status =
        NtDeviceIoControlFile(handle_of(socket), nullptr, nullptr, &request.overlapped, block, ioctl_afd_poll,
                              &request.poll, sizeof request.poll, &request.poll, sizeof request.poll);
    if (status < 0) return {iocp_start::failed, outcome::from_errno(windows::errno_of_status(status))};
    return started(status == 0, ERROR_IO_PENDING, skips);
}

iocp_started iocp_port::receive(int socket, mutable_bytes into, iocp_request& request, bool skips) noexcept {
    WSABUF memory{static_cast<ULONG>(std::min(into.size(), limits::bytes_per_call)),
                  reinterpret_cast<char*>(into.data())};
    DWORD flags = 0;
    const bool ok =
        WSARecv(socket_of(socket), &memory, 1, nullptr, &flags, &request.overlapped, nullptr) == 0;
    return started(ok, ok ? 0 : static_cast<DWORD>(WSAGetLastError()), skips);
}

template <class Function>
bool iocp_port::find_extension(int socket, GUID id, Function& function) noexcept {
    if (function != nullptr) return true;
    DWORD bytes = 0;
    return WSAIoctl(socket_of(socket), SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function,
                    sizeof function, &bytes, nullptr, nullptr) == 0;
}

iocp_started iocp_port::connect(int socket, const void* address, std::uint32_t size, iocp_request& request,
                                bool skips) noexcept {
    if (!find_extension(socket, WSAID_CONNECTEX, connect_ex_))
        return {iocp_start::failed, windows::last_socket_outcome()};
    // ConnectEx wants a bound socket. One that the caller has bound stays as it is (WSAEINVAL).
    const auto* const to = static_cast<const sockaddr*>(address);
    sockaddr_storage any{};
    any.ss_family = to->sa_family;
    const int any_size = to->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (bind(socket_of(socket), reinterpret_cast<sockaddr*>(&any), any_size) != 0 &&
        WSAGetLastError() != WSAEINVAL)
        return {iocp_start::failed, windows::last_socket_outcome()};
    const bool ok =
        connect_ex_(socket_of(socket), to, static_cast<int>(size), nullptr, 0, nullptr, &request.overlapped);
    return started(ok, ok ? 0 : static_cast<DWORD>(WSAGetLastError()), skips);
}

iocp_started iocp_port::accept(int listener, iocp_accept_request& request, bool skips) noexcept {
    if (!find_extension(listener, WSAID_ACCEPTEX, accept_ex_))
        return {iocp_start::failed, windows::last_socket_outcome()};
    DWORD bytes = 0;
    const bool ok = accept_ex_(socket_of(listener), socket_of(request.socket), request.addresses.data(), 0,
                               iocp_accept_request::address_bytes, iocp_accept_request::address_bytes, &bytes,
                               &request.overlapped);
    return started(ok, ok ? 0 : static_cast<DWORD>(WSAGetLastError()), skips);
}

iocp_started iocp_port::read_file(int file, mutable_bytes into, std::uint64_t offset, iocp_request& request,
                                  bool skips) noexcept {
    request.overlapped.Offset = static_cast<DWORD>(offset);
    request.overlapped.OffsetHigh = static_cast<DWORD>(offset >> 32);
    const auto size = static_cast<DWORD>(std::min(into.size(), limits::bytes_per_call));
    const bool ok = ReadFile(handle_of(file), into.data(), size, nullptr, &request.overlapped);
    const DWORD error = ok ? 0 : GetLastError();
    if (error == ERROR_HANDLE_EOF) return {iocp_start::completed, 0};  // with no bytes
    return started(ok, error, skips);
}

}  // namespace naru
