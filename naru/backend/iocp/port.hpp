// The completion port and the requests made through it.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/os/windows_api.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace naru {

/// One overlapped request on loan to the kernel. It is the backend's and lives until its completion has come
/// out of the port, whatever becomes of the operation it was made for: an operation has no room for an
/// OVERLAPPED, and only the backend knows when the last of a handle has come back (see iocp_backend::close).
/// The first member is what the kernel knows it by.
struct iocp_request {
    enum class kind : std::uint8_t {
        wait_readable,  ///< of no operation in particular: the memory of none is lent
        wait_writable,
        receive,  ///< into the memory of the handle's first read
        connect,
        read_file,
        accept,
    };

    iocp_request(kind of_kind, std::uint32_t on_slot) noexcept : slot(on_slot), what(of_kind) {}

    NTSTATUS status() const noexcept { return static_cast<NTSTATUS>(overlapped.Internal); }
    std::uint64_t bytes() const noexcept { return overlapped.InternalHigh; }
    static iocp_request& of(OVERLAPPED* completed) noexcept {
        return *reinterpret_cast<iocp_request*>(completed);
    }

    OVERLAPPED overlapped{};
    std::uint32_t slot;  ///< the handle's; it is not given out again before this has come back
    kind what;
};

/// What IOCTL_AFD_POLL takes and gives, for one socket.
struct afd_poll_info {
    LARGE_INTEGER timeout;
    ULONG handle_count;
    ULONG exclusive;
    HANDLE handle;
    ULONG events;
    NTSTATUS status;
};
static_assert(sizeof(afd_poll_info) == 32);

/// A wait, or a data request on the handle's own queue (which leaves `poll` alone).
struct iocp_stream_request : iocp_request {
    using iocp_request::iocp_request;
    afd_poll_info poll{};
};

/// The socket to be and, as AcceptEx insists, room for both addresses.
struct iocp_accept_request : iocp_request {
    explicit iocp_accept_request(std::uint32_t on_slot) noexcept : iocp_request(kind::accept, on_slot) {}
    static constexpr DWORD address_bytes = sizeof(sockaddr_in6) + 16;
    int socket = -1;
    std::array<std::byte, std::size_t{2} * address_bytes> addresses;
};

/// How a request began.
enum class iocp_start : std::uint8_t {
    pending,    ///< its completion will come out of the port
    completed,  ///< at once, and nothing will come
    failed,     ///< nothing will come; the error is in `error`
};
struct iocp_started {
    iocp_start how = iocp_start::failed;
    std::int64_t error = 0;
};

/// Not thread-safe, but for wake.
class iocp_port {
 public:
    /// Throws std::system_error.
    iocp_port();
    ~iocp_port();
    iocp_port(const iocp_port&) = delete;
    iocp_port& operator=(const iocp_port&) = delete;

    /// Ties a socket or file to the port for its life. The result is 0 or an error; `skips` is set when what
    /// completes at once is not reported by the port as well (FILE_SKIP_COMPLETION_PORT_ON_SUCCESS).
    std::int64_t associate(int descriptor, bool& skips) noexcept;

    /// A descriptor leaves the loop, open. Where it cannot be untied (before Windows 8.1, and wine) this loop
    /// can take it again, and no other.
    void dissociate(int descriptor) noexcept;

    /// Completed requests; waits at most `milliseconds` (-1: for ever) for the first. Empty after a wake.
    /// Valid until the next call.
    std::span<OVERLAPPED_ENTRY> wait(int milliseconds) noexcept;

    /// Ends a wait, or the next one. Thread-safe.
    void wake() noexcept;

    /// The requests. Each has been made by the caller and is given to the kernel here.
    iocp_started wait_for(int socket, ULONG events, iocp_stream_request& request, bool skips) noexcept;
    iocp_started receive(int socket, mutable_bytes into, iocp_request& request, bool skips) noexcept;
    iocp_started connect(int socket, const void* address, std::uint32_t size, iocp_request& request,
                         bool skips) noexcept;
    iocp_started accept(int listener, iocp_accept_request& request, bool skips) noexcept;
    iocp_started read_file(int file, mutable_bytes into, std::uint64_t offset, iocp_request& request,
                           bool skips) noexcept;

    static constexpr ULONG readable_events = 0x01 | 0x08 | 0x10 | 0x80;  // RECEIVE, DISCONNECT, ABORT, ACCEPT
    static constexpr ULONG writable_events =
        0x04 | 0x10 | 0x20 | 0x100;  // SEND, ABORT, LOCAL_CLOSE, CONNECT_FAIL

 private:
    bool may_skip(int descriptor) noexcept;
    template <class Function>
    bool find_extension(int socket, GUID id, Function& function) noexcept;

    HANDLE port_ = nullptr;
    std::array<OVERLAPPED_ENTRY, 256> entries_{};
    LPFN_ACCEPTEX accept_ex_ = nullptr;
    LPFN_CONNECTEX connect_ex_ = nullptr;
    std::vector<int> tied_;  // released, and still ours
    std::atomic<bool> woken_{false};
    signed char skip_is_safe_ = -1;  // not known yet
};

}  // namespace naru
