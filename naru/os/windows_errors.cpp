#include <naru/os/windows_api.hpp>

#include <naru/core/result.hpp>

#include <algorithm>
#include <cerrno>
#include <iterator>

// Exported by ntdll and documented; mingw's header leaves it out.
extern "C" ULONG NTAPI RtlNtStatusToDosError(NTSTATUS status);

namespace naru::windows {

namespace {

struct translation {
    DWORD theirs;
    int portable;
};

// Sorted by number. Where Windows tells two cases apart that others do not, the portable value is what Linux
// reports in the same situation: a connection that our own stack has aborted because the peer answered with a
// reset (WSAECONNABORTED) is a connection reset.
constexpr translation table[] = {
    {ERROR_FILE_NOT_FOUND, ENOENT},
    {ERROR_PATH_NOT_FOUND, ENOENT},
    {ERROR_TOO_MANY_OPEN_FILES, EMFILE},
    {ERROR_ACCESS_DENIED, EACCES},
    {ERROR_INVALID_HANDLE, EBADF},
    {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
    {ERROR_OUTOFMEMORY, ENOMEM},
    {ERROR_NOT_SAME_DEVICE, EXDEV},
    {ERROR_SHARING_VIOLATION, EBUSY},
    {ERROR_LOCK_VIOLATION, EBUSY},
    {ERROR_NOT_SUPPORTED, ENOTSUP},
    {ERROR_NETNAME_DELETED, ECONNRESET},
    {ERROR_FILE_EXISTS, EEXIST},
    {ERROR_INVALID_PARAMETER, EINVAL},
    {ERROR_BROKEN_PIPE, EPIPE},
    {ERROR_DISK_FULL, ENOSPC},
    {ERROR_SEM_TIMEOUT, ETIMEDOUT},
    {ERROR_INVALID_NAME, ENOENT},
    {ERROR_BAD_PATHNAME, ENOENT},
    {ERROR_ALREADY_EXISTS, EEXIST},
    {ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG},
    {ERROR_PIPE_NOT_CONNECTED, EPIPE},
    {ERROR_DIRECTORY, ENOTDIR},
    {ERROR_OPERATION_ABORTED, ECANCELED},
    {ERROR_IO_INCOMPLETE, EAGAIN},
    {ERROR_NOT_FOUND, ENOENT},
    {ERROR_CONNECTION_REFUSED, ECONNREFUSED},
    {ERROR_GRACEFUL_DISCONNECT, EPIPE},
    {ERROR_NETWORK_UNREACHABLE, ENETUNREACH},
    {ERROR_HOST_UNREACHABLE, EHOSTUNREACH},
    {ERROR_PORT_UNREACHABLE, ECONNREFUSED},
    {ERROR_CONNECTION_ABORTED, ECONNRESET},
    {ERROR_NO_SYSTEM_RESOURCES, ENOBUFS},
    {ERROR_WORKING_SET_QUOTA, ENOBUFS},
    {WSAEINTR, EINTR},
    {WSAEBADF, EBADF},
    {WSAEACCES, EACCES},
    {WSAEFAULT, EFAULT},
    {WSAEINVAL, EINVAL},
    {WSAEMFILE, EMFILE},
    {WSAEWOULDBLOCK, EAGAIN},
    {WSAEINPROGRESS, EINPROGRESS},
    {WSAEALREADY, EALREADY},
    {WSAENOTSOCK, ENOTSOCK},
    {WSAEDESTADDRREQ, EDESTADDRREQ},
    {WSAEMSGSIZE, EMSGSIZE},
    {WSAEPROTOTYPE, EPROTOTYPE},
    {WSAENOPROTOOPT, ENOPROTOOPT},
    {WSAEPROTONOSUPPORT, EPROTONOSUPPORT},
    {WSAEOPNOTSUPP, EOPNOTSUPP},
    {WSAEAFNOSUPPORT, EAFNOSUPPORT},
    {WSAEADDRINUSE, EADDRINUSE},
    {WSAEADDRNOTAVAIL, EADDRNOTAVAIL},
    {WSAENETDOWN, ENETDOWN},
    {WSAENETUNREACH, ENETUNREACH},
    {WSAENETRESET, ENETRESET},
    {WSAECONNABORTED, ECONNRESET},
    {WSAECONNRESET, ECONNRESET},
    {WSAENOBUFS, ENOBUFS},
    {WSAEISCONN, EISCONN},
    {WSAENOTCONN, ENOTCONN},
    {WSAESHUTDOWN, EPIPE},
    {WSAETIMEDOUT, ETIMEDOUT},
    {WSAECONNREFUSED, ECONNREFUSED},
    {WSAEHOSTDOWN, EHOSTUNREACH},
    {WSAEHOSTUNREACH, EHOSTUNREACH},
    {WSAEDISCON, EPIPE},
};

static_assert(std::is_sorted(std::begin(table), std::end(table),
                             [](const translation& a, const translation& b) { return a.theirs < b.theirs; }));

}  // namespace

int errno_of(DWORD error) noexcept {
    const auto* const found =
        std::lower_bound(std::begin(table), std::end(table), error,
                         [](const translation& each, DWORD number) { return each.theirs < number; });
    return found != std::end(table) && found->theirs == error ? found->portable : EIO;
}

int errno_of_status(NTSTATUS status) noexcept {
    if (status >= 0) return 0;
    return errno_of(RtlNtStatusToDosError(status));
}

std::int64_t last_socket_outcome() noexcept {
    return outcome::from_errno(errno_of(static_cast<DWORD>(WSAGetLastError())));
}

std::int64_t last_file_outcome() noexcept { return outcome::from_errno(errno_of(GetLastError())); }

}  // namespace naru::windows
