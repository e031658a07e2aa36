#include <naru/os/system_calls.hpp>

#include <naru/core/limits.hpp>
#include <naru/core/result.hpp>
#include <naru/os/windows_api.hpp>
#include <naru/os/windows_files.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace naru::system_calls {

static_assert(would_block == -EAGAIN);

namespace {

using windows::handle_of;
using windows::socket_of;

constexpr std::int64_t bad_descriptor = outcome::from_errno(EBADF);

// Windows takes a send of any length as soon as its buffer has room at all, and then holds all of it.
// Bounded, so that a peer that does not read costs what SO_SNDBUF says and about this much.
constexpr std::uint64_t bytes_per_send = 256 * 1024;

using wsa_buffers = std::array<WSABUF, limits::slices_per_send>;

// Windows tells a datagram socket, connected or not, that one of its datagrams had no taker or no way.
// Sockets that naru makes are not told (datagram_socket_for); others may be.
bool is_of_an_earlier_datagram(int error) noexcept { return error == WSAECONNRESET || error == WSAENETRESET; }

// So many of these are passed over in one call: as fast as they come, the loop goes on.
constexpr int datagram_tries = 16;

}  // namespace

std::int64_t accept(int listener) noexcept {
    if (listener < 0) return bad_descriptor;
    const SOCKET accepted = ::accept(socket_of(listener), nullptr, nullptr);
    if (accepted == INVALID_SOCKET) return windows::last_socket_outcome();
    const int descriptor = windows::descriptor_of(accepted);
    SetHandleInformation(handle_of(descriptor), HANDLE_FLAG_INHERIT, 0);
    u_long on = 1;
    (void)ioctlsocket(accepted, static_cast<long>(FIONBIO), &on);
    return descriptor;
}

std::int64_t recv(int socket, mutable_bytes into) noexcept {
    if (socket < 0) return bad_descriptor;
    const auto size = static_cast<int>(std::min(into.size(), limits::bytes_per_call));
    const int got = ::recv(socket_of(socket), reinterpret_cast<char*>(into.data()), size, 0);
    if (got < 0) return windows::last_socket_outcome();
    return got == 0 && !into.empty() ? outcome::end_of_stream : got;
}

std::int64_t recv(int socket, std::span<const mutable_slice> pieces) noexcept {
    if (socket < 0) return bad_descriptor;
    wsa_buffers memory;
    DWORD count = 0;
    for (const mutable_slice& each : pieces) {
        if (count == memory.size()) break;
        memory[count++] = {static_cast<ULONG>(std::min<std::size_t>(each.size, limits::bytes_per_call)),
                           reinterpret_cast<char*>(each.data)};
    }
    DWORD got = 0;
    DWORD flags = 0;
    if (WSARecv(socket_of(socket), memory.data(), count, &got, &flags, nullptr, nullptr) != 0)
        return windows::last_socket_outcome();
    return got == 0 ? outcome::end_of_stream : static_cast<std::int64_t>(got);
}

std::int64_t read(int /*descriptor*/, std::span<const mutable_slice> /*pieces*/) noexcept {
    return outcome::from_errno(ENOTSUP);
}

std::int64_t write(int /*descriptor*/, std::span<const slice> /*pieces*/) noexcept {
    return outcome::from_errno(ENOTSUP);
}

std::int64_t shutdown_send(int socket) noexcept {
    if (socket < 0) return bad_descriptor;
    return ::shutdown(socket_of(socket), SD_SEND) == 0 ? 0 : windows::last_socket_outcome();
}

std::int64_t send(int socket, std::span<const slice> slices, bool /*more*/) noexcept {
    if (socket < 0) return bad_descriptor;
    wsa_buffers pieces;
    DWORD count = 0;
    std::uint64_t room = bytes_per_send;
    for (const slice& each : slices) {
        if (count == pieces.size() || room == 0) break;
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(each.size, room));
        pieces[count++] = windows::buffer_of(slice(each.data, size));
        room -= size;
    }
    DWORD sent = 0;
    if (WSASend(socket_of(socket), pieces.data(), count, &sent, 0, nullptr, nullptr) != 0)
        return windows::last_socket_outcome();
    return sent;
}

std::int64_t receive_from(int socket, mutable_bytes into, sender& from) noexcept {
    if (socket < 0) return bad_descriptor;
    WSABUF memory{static_cast<ULONG>(std::min<std::size_t>(into.size(), limits::bytes_per_call)),
                  reinterpret_cast<char*>(into.data())};
    for (int tries = 0; tries < datagram_tries; ++tries) {
        DWORD got = 0;
        DWORD flags = 0;
        int size = static_cast<int>(from.address.size());
        const bool ok =
            WSARecvFrom(socket_of(socket), &memory, 1, &got, &flags,
                        reinterpret_cast<sockaddr*>(from.address.data()), &size, nullptr, nullptr) == 0;
        const int error = ok ? 0 : WSAGetLastError();
        if (is_of_an_earlier_datagram(error)) continue;
        if (!ok && error != WSAEMSGSIZE)
            return outcome::from_errno(windows::errno_of(static_cast<DWORD>(error)));
        from.truncated = !ok;
        from.size = static_cast<std::uint32_t>(size);
        return ok ? got : memory.len;
    }
    return would_block;  // select and poll are level-triggered: they come back at once
}

std::int64_t send_to(int socket, std::span<const slice> slices, const void* address,
                     std::uint32_t size) noexcept {
    if (socket < 0) return bad_descriptor;
    wsa_buffers pieces;
    if (slices.size() > pieces.size()) return outcome::from_errno(EMSGSIZE);
    if (total_size(slices) > limits::bytes_per_call) return outcome::from_errno(EMSGSIZE);
    DWORD count = 0;
    for (const slice& each : slices)
        pieces[count++] = windows::buffer_of(each);
    int tries = 0;
    while (true) {
        DWORD sent = 0;
        if (WSASendTo(socket_of(socket), pieces.data(), count, &sent, 0,
                      static_cast<const sockaddr*>(address), static_cast<int>(size), nullptr, nullptr) == 0)
            return sent;
        if (!is_of_an_earlier_datagram(WSAGetLastError()) || ++tries == datagram_tries)
            return windows::last_socket_outcome();
    }
}

std::int64_t connect(int socket, const void* address, std::uint32_t size) noexcept {
    if (socket < 0) return bad_descriptor;
    if (::connect(socket_of(socket), static_cast<const sockaddr*>(address), static_cast<int>(size)) == 0)
        return 0;
    const std::int64_t result = windows::last_socket_outcome();
    return result == would_block ? -EINPROGRESS : result;
}

std::int64_t socket_error(int socket) noexcept {
    if (socket < 0) return bad_descriptor;
    int error = 0;
    int size = sizeof error;
    const SOCKET native = socket_of(socket);
    if (getsockopt(native, SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&error), &size) != 0)
        return windows::last_socket_outcome();
    if (error != 0) return outcome::from_errno(windows::errno_of(static_cast<DWORD>(error)));
    // Of a connection that has been reset, only a read says so.
    char byte = 0;
    if (::recv(native, &byte, 1, MSG_PEEK) >= 0) return 0;
    const std::int64_t failure = windows::last_socket_outcome();
    if (failure != -ECONNRESET && failure != -ETIMEDOUT) return 0;
    // ... but a datagram socket says that one of its datagrams had no taker: that ends nothing.
    getsockopt(native, SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&error), &size);
    return error == SOCK_STREAM ? failure : 0;
}

std::int64_t send_file_by_copy(int socket, int file, std::uint64_t offset, std::uint64_t count) noexcept {
    // The socket may take less than was read; the rest is read again at the next call.
    std::array<std::byte, 64 * 1024> copied;
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(count, copied.size()));
    const std::int64_t got = read_file(file, mutable_bytes(copied.data(), wanted), offset);
    if (got == 0) return outcome::end_of_file;
    if (got < 0) return got;
    const slice piece(copied.data(), static_cast<std::size_t>(got));
    return send(socket, std::span(&piece, 1), static_cast<std::uint64_t>(got) < count);
}

// Not TransmitFile: it cannot say how far it got when it is cancelled, and desktop editions run two at a
// time.
std::int64_t send_file(int socket, int file, std::uint64_t offset, std::uint64_t count) noexcept {
    return send_file_by_copy(socket, file, offset, count);
}

std::int64_t open_file(int directory, const char* path, int flags, unsigned mode) noexcept {
    return windows::open_file(directory, path, flags, mode, windows::io::synchronous);
}

namespace {

struct read_event {
    HANDLE made = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    ~read_event() {
        if (made != nullptr) CloseHandle(made);
    }
};

}  // namespace

std::int64_t read_file(int file, mutable_bytes into, std::uint64_t offset) noexcept {
    if (file < 0) return bad_descriptor;
    // On a synchronous handle OVERLAPPED only says where to read, as pread(2)'s offset does. One that was
    // opened for a completion port is waited for, and by the event's lowest bit the port is told nothing of
    // it (GetQueuedCompletionStatus).
    thread_local const read_event done;
    OVERLAPPED where{};
    where.hEvent = reinterpret_cast<HANDLE>(reinterpret_cast<std::uintptr_t>(done.made) | 1);
    where.Offset = static_cast<DWORD>(offset);
    where.OffsetHigh = static_cast<DWORD>(offset >> 32);
    const auto wanted = static_cast<DWORD>(std::min(into.size(), limits::bytes_per_call));
    DWORD got = 0;
    if (ReadFile(handle_of(file), into.data(), wanted, &got, &where)) return got;
    const bool pending = GetLastError() == ERROR_IO_PENDING;
    if (pending && GetOverlappedResult(handle_of(file), &where, &got, TRUE)) return got;
    return GetLastError() == ERROR_HANDLE_EOF ? 0 : windows::last_file_outcome();
}

// The system does not tell a socket's mode. It is the socket's own all the same.
bool is_blocking(int /*descriptor*/) noexcept { return false; }

bool is_tcp(int socket) noexcept {
    WSAPROTOCOL_INFOW provider{};
    int size = sizeof provider;
    return getsockopt(socket_of(socket), SOL_SOCKET, SO_PROTOCOL_INFOW, reinterpret_cast<char*>(&provider),
                      &size) == 0 &&
           provider.iProtocol == IPPROTO_TCP;
}

bool is_connected_to_itself(int socket, const void* address, std::uint32_t size) noexcept {
    sockaddr_in6 own{};  // the port is at the same place in both families
    sockaddr_in6 peer{};
    int own_size = sizeof own;
    int peer_size = sizeof peer;
    const SOCKET native = socket_of(socket);
    if (size < sizeof(sockaddr_in) || size > sizeof peer) return false;
    std::memcpy(&peer, address, size);
    return getsockname(native, reinterpret_cast<sockaddr*>(&own), &own_size) == 0 &&
           own.sin6_port == peer.sin6_port &&
           getpeername(native, reinterpret_cast<sockaddr*>(&peer), &peer_size) == 0 &&
           own_size == peer_size && std::memcmp(&own, &peer, static_cast<std::size_t>(own_size)) == 0;
}

void disconnect(int socket) noexcept { (void)shutdown(socket_of(socket), SD_BOTH); }

// Sockets can. Of anything else the poller itself says that it is none.
bool can_be_watched(int /*descriptor*/) noexcept { return true; }

unsigned forks_counted() noexcept { return 0; }

void close(int descriptor) noexcept {
    if (descriptor < 0) return;
    // Sockets first: CloseHandle would close one behind Winsock's back. What is none is told apart by this.
    if (closesocket(socket_of(descriptor)) == 0) return;
    const int error = WSAGetLastError();
    if (error == WSAENOTSOCK || error == WSANOTINITIALISED) CloseHandle(handle_of(descriptor));
}

void ignore_sigpipe() noexcept {}

}  // namespace naru::system_calls
