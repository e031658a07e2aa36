// An operation is one asynchronous request as data. Its owner keeps it (a member of a connection, or inside
// an awaiter in a coroutine's frame), pinned from submit until its handler is called. Nothing is allocated,
// locked or counted per operation.
//
// The contract, the same on every backend and tested on each:
//  1. A submitted operation completes exactly once, never inside submit, always on its loop's thread.
//  2. The loop's last touch is the handler call: the handler may resubmit or destroy its operation.
//  3. Memory lent to an operation stays lent until it completes, after cancel too.
//  4. cancel is a request. What the kernel already did stands: bytes read are never lost to a cancel.
//  5. Operations in one direction of a handle (recv, receive_from and accept; send, send_to, send_file and
//     connect) complete in the order of their submission.
//  6. close cancels and joins what is in flight on its handle, then releases the descriptor.
//  7. Of a chain (operation::link) each member is begun when the one before has succeeded; when one fails,
//     those behind it complete with ECANCELED. io_uring links them in the kernel where their kinds allow it.
//  8. A datagram (datagram.hpp) is whole or not at all. An empty one is a result of 0, no end of stream. One
//     that is longer than the memory is cut to it and says so (`truncated`): neither silence nor an error.
//     That an earlier datagram had no taker (ICMP port unreachable) is no operation's result, unless the
//     socket is connected to that one peer and the system tells; a send that is told so has sent nothing.
//  9. An accept takes one connection; who is not asked for stays in the system's queue, for whoever shares
//     the listener. With operation_flags::more others may be accepted ahead (io_uring; iocp always does).
//     They belong to the next accepts, also to one that is cancelled: that it was `canceled` says that nobody
//     is left. So who stops accepting cancels until he is told so, as acceptor does, and loses nobody; a
//     close before that ends those who are left, and a release takes them along (rule 13).
// 10. What reads on a socket that is still to be connected waits for its connect, whichever of the two is
//     submitted first. Where a tick ends in which nobody connects it (there is no connect, or it has failed),
//     the read ends with ENOTCONN: why there is no connection is told the connect only. The handle may then
//     be connected again (not on Windows). A connect waits for room in its listener's queue (AF_UNIX), too.
// 11. A connection that has failed (a reset, no answer) is that to every read that comes after what had been
//     received, whichever operation was told first: end_of_stream always means that the stream is whole.
// 12. Nobody's mode is changed, and what a loop makes or accepts is non-blocking: `readable`, and then reads
//     of one's own until EAGAIN, wait for nothing. Who has submitted a recv goes on with recv: io_uring may
//     have received ahead.
// 13. A release ends after the last completion on its handle, and hands over with the descriptor what was
//     received or accepted ahead of anybody's asking (received_ahead.hpp), if its owner has lent room for
//     that. The loop that attaches both delivers that first. Refused for want of memory, it leaves the handle
//     as it was.
// 14. A send with operation_flags::some ends when one byte has gone or more, also if it is cancelled after
//     that. A shutdown has its turn among the sends.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/core/check.hpp>
#include <naru/core/intrusive.hpp>
#include <naru/core/limits.hpp>
#include <naru/core/result.hpp>
#include <naru/core/slot_table.hpp>
#include <naru/os/lent_descriptor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace naru {

enum class operation_kind : std::uint8_t {
    accept,        ///< result: the new connection's handle, packed
    recv,          ///< result: bytes in a pool buffer, which the handler must release; `data` points at them
    recv_into,     ///< result: bytes written to the lent memory (at least 1); EINVAL if there is none
    readable,      ///< result: 0 when a read would not block (may be spurious); for code that reads by itself
    connect,       ///< result: 0
    send,          ///< result: bytes sent, always all of them; `progress` says how many at any time
    send_file,     ///< result: bytes sent, all of them; end_of_file if it has fewer, `progress` says how many
                   ///< went
    receive_from,  ///< result: bytes of one datagram written to the lent memory; 0 for an empty one
    send_to,       ///< result: bytes of the one datagram sent
    writable,      ///< result: 0 when a write would not block (may be spurious)
    shutdown,      ///< result: 0; ends our direction behind the sends before it: the peer reads the end
    close,         ///< result: 0; the handle is gone
    release,       ///< result: the descriptor, still open; `ahead`, if lent, gets what was received ahead
    open_file,     ///< result: 0; on a handle from loop::reserve_file
    read_file,     ///< result: bytes read, 0 at the end of the file
    write_file,    ///< result: bytes written, all of them (file_operation.hpp)
    sync_file,     ///< result: 0
    file_status,   ///< result: 0
    work,          ///< a worker pool's (see worker_pool.hpp)
    buffer,        ///< result: limits::buffer_bytes; `data` is a pool buffer, the handler's. Has no target
};

/// Of a handle. Within one, operations complete in the order of their submission (rule 5).
enum class direction : std::uint8_t { read, write };

constexpr direction direction_of(operation_kind kind) noexcept {
    switch (kind) {
        case operation_kind::connect:
        case operation_kind::send:
        case operation_kind::send_file:
        case operation_kind::send_to:
        case operation_kind::writable:
        case operation_kind::shutdown:
            return direction::write;
        default:
            return direction::read;
    }
}

enum class operation_state : std::uint8_t {
    idle,       ///< the owner's
    queued,     ///< submitted, not yet seen by the backend
    pending,    ///< the backend's
    canceling,  ///< the backend's (or still queued), and asked to end early
    completed,  ///< result known, handler not yet called
};

class layer;

struct received_ahead;

/// What all kinds have. Its owner makes the struct of one kind (below; datagram.hpp, file_operation.hpp,
/// worker_pool.hpp), calls its `set`, and leaves it alone from submit to the handler's call.
struct operation {
    using handler = void (*)(operation&) noexcept;

    operation(operation_kind of_kind, handler on_completion) noexcept
        : on_complete(on_completion), kind(of_kind) {}
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;
    ~operation() { NARU_ASSERT(state == operation_state::idle); }

    bool idle() const noexcept { return state == operation_state::idle; }
    bool failed() const noexcept { return result < 0; }
    std::error_code error() const noexcept {
        return result < 0 ? outcome::to_error(result) : std::error_code();
    }

    operation* next = nullptr;  ///< link of whatever queue the operation is in
    handler on_complete;        ///< called once per submission, on the loop's thread
    union {
        handle target{};  ///< what to do it on
        layer* through;   ///< of one that a layer completes (loop::begin): which
    };
    operation* link = nullptr;  ///< submitted with this one, begun when it has succeeded; cleared by then
    operation_kind kind;
    operation_state state = operation_state::idle;  ///< written by the loop and the backend only
    std::uint8_t flags = 0;                         ///< see operation_flags
    std::uint8_t backend_bits = 0;                  ///< the backend's, opaque above it
    std::uint32_t count = 0;                        ///< bytes in `data` (see one_call), or slices
    union {
        std::byte* data = nullptr;  ///< recv: set at completion. recv_into, receive_from, read_file: lent
        slice* slices;              ///< send: lent, and advanced in place as bytes go out. send_to: lent
        mutable_slice* scattered;   ///< recv_into with operation_flags::scatter: lent, `count` of them
        received_ahead* ahead;      ///< release: lent, or nullptr: what was received ahead is dropped
        const void* address;        ///< connect: a lent sockaddr of `count` bytes
    };
    std::int64_t result = 0;     ///< >= 0: see operation_kind; < 0: outcome::to_error
    std::uint64_t progress = 0;  ///< send, send_file: bytes gone so far
};

static_assert(sizeof(operation) <= 64, "one cache line: an idle connection's largest part");

namespace operation_flags {
inline constexpr std::uint8_t more = 1;  ///< send: more follows at once, do not push a partial segment out.
                                         ///< accept: another one follows at once (rule 9)
inline constexpr std::uint8_t some = 2;  ///< send: ends as soon as one byte or more has gone
inline constexpr std::uint8_t scatter = 4;     ///< recv_into: into several pieces of memory, in their order
inline constexpr std::uint8_t in_layer = 128;  ///< the loop's: a layer completes it, not the backend
}  // namespace operation_flags

using operation_queue = intrusive_queue<operation>;

/// What of a span goes into operation::count.
inline std::uint32_t one_call(mutable_bytes memory) noexcept {
    return static_cast<std::uint32_t>(std::min(memory.size(), limits::bytes_per_call));
}

/// Of the kinds that need a handle and nothing else.
template <operation_kind Kind>
struct handle_operation : operation {
    explicit handle_operation(handler on_completion) noexcept : operation(Kind, on_completion) {}

    void set(handle on) noexcept { target = on; }
};

/// Receives into a pool buffer, which is the handler's then.
using receive_operation = handle_operation<operation_kind::recv>;
/// For code that reads and writes by itself (rule 12).
using readable_operation = handle_operation<operation_kind::readable>;
using writable_operation = handle_operation<operation_kind::writable>;
/// Ends our direction behind the sends before it (rule 14).
using shutdown_operation = handle_operation<operation_kind::shutdown>;
/// Cancels and joins what is in flight on the handle, then closes it (rule 6).
using close_operation = handle_operation<operation_kind::close>;

/// Takes one connection (rule 9).
struct accept_operation : operation {
    explicit accept_operation(handler on_completion) noexcept
        : operation(operation_kind::accept, on_completion) {}

    /// `more_follow`: another accept is always to come, so others may be accepted ahead.
    void set(handle listener, bool more_follow = false) noexcept {
        target = listener;
        flags = more_follow ? operation_flags::more : 0;
    }
};

/// Connects a socket (rule 10).
struct connect_operation : operation {
    explicit connect_operation(handler on_completion) noexcept
        : operation(operation_kind::connect, on_completion) {}

    /// `peer` is a sockaddr of so many bytes, and lent; an address of a type that has both is lent, too.
    void set(handle socket, const void* peer, std::uint32_t bytes) noexcept {
        target = socket;
        address = peer;
        count = bytes;
    }
    template <class Address>
    void set(handle socket, const Address& peer) noexcept {
        set(socket, peer.data(), peer.size());
    }
};

/// Lets go of a handle without closing its descriptor (rule 13). EBADF: of a file that was never opened.
struct release_operation : operation {
    explicit release_operation(handler on_completion) noexcept
        : operation(operation_kind::release, on_completion) {}

    /// `room` is lent for what was received ahead; nullptr: that is dropped.
    void set(handle leaving, received_ahead* room = nullptr) noexcept {
        target = leaving;
        ahead = room;
    }
};

/// Waits for a pool buffer, which is the handler's then. Has no handle, so there is nothing to set.
struct buffer_operation : operation {
    explicit buffer_operation(handler on_completion) noexcept
        : operation(operation_kind::buffer, on_completion) {}
};

/// Sends one slice, or several that the caller keeps.
struct send_operation : operation {
    explicit send_operation(handler on_completion) noexcept
        : operation(operation_kind::send, on_completion) {}

    void set(handle to, bytes_view bytes) noexcept {
        own_ = slice(bytes);
        set(to, &own_, 1);
    }
    /// `pieces` is lent with the bytes it names, and is modified.
    void set(handle to, slice* pieces, std::uint32_t pieces_count) noexcept {
        target = to;
        slices = pieces;
        count = pieces_count;
        progress = 0;
    }

 private:
    slice own_;
};

/// Receives into one piece of memory, or into several as into one.
struct receive_into_operation : operation {
    explicit receive_into_operation(handler on_completion) noexcept
        : operation(operation_kind::recv_into, on_completion) {}

    void set(handle from, mutable_bytes into) noexcept {
        target = from;
        data = into.data();
        count = one_call(into);
        flags = 0;
    }
    /// `into` is lent with the memory it names, limits::slices_per_send of it at most. At least one piece
    /// must have room (EINVAL otherwise).
    void set(handle from, mutable_slice* into, std::size_t into_count) noexcept {
        while (into_count > 0 && into->size == 0) {
            ++into;
            --into_count;
        }
        target = from;
        scattered = into;
        count = static_cast<std::uint32_t>(std::min(into_count, limits::slices_per_send));
        flags = operation_flags::scatter;
    }
};

static_assert(sizeof(accept_operation) == sizeof(operation) &&
              sizeof(connect_operation) == sizeof(operation) &&
              sizeof(release_operation) == sizeof(operation) && sizeof(close_operation) == sizeof(operation));

/// The memory of a recv_into. For backends.
inline std::span<mutable_slice> pieces_of(operation& op, mutable_slice& one) noexcept {
    if ((op.flags & operation_flags::scatter) != 0) return {op.scattered, op.count};
    one = mutable_slice(op.data, op.count);
    return {&one, 1};
}

/// Sends `remaining` bytes of a file from `offset`; both move as bytes go out.
struct send_file_operation : operation {
    explicit send_file_operation(handler on_completion) noexcept
        : operation(operation_kind::send_file, on_completion) {}

    void set(handle to, lent_descriptor from_file, std::uint64_t from_offset, std::uint64_t bytes) noexcept {
        target = to;
        file = from_file;
        offset = from_offset;
        remaining = bytes;
        progress = 0;
    }

    /// So many bytes have gone out. For backends.
    void advance(std::uint64_t bytes) noexcept {
        offset += bytes;
        remaining -= bytes;
        progress += bytes;
    }

    lent_descriptor file;  ///< until completion
    std::uint64_t offset = 0;
    std::uint64_t remaining = 0;
    std::uint64_t backend_word = 0;  ///< the backend's, opaque above it
};

/// Whether operations of a kind may be somebody else's than the backend's: those behind open_file.
constexpr bool may_be_the_loops(operation_kind kind) noexcept { return kind >= operation_kind::open_file; }

/// Opens a file, as openat(2) does. Where the backend does not do it itself: see file_operation.hpp.
struct open_file_operation : operation {
    explicit open_file_operation(handler on_completion) noexcept
        : operation(operation_kind::open_file, on_completion) {}

    /// `name` is lent. `how` and `mode_bits` are open(2)'s: 0 reads.
    void set(handle as, const char* name, int how = 0, unsigned mode_bits = 0) noexcept {
        set(as, lent_descriptor::current_directory(), name, how, mode_bits);
    }
    void set(handle as, lent_descriptor in_directory, const char* name, int how = 0,
             unsigned mode_bits = 0) noexcept {
        target = as;
        directory = in_directory;
        path = name;
        open_flags = how;
        mode = mode_bits;
    }

    lent_descriptor directory;
    const char* path = nullptr;
    int open_flags = 0;
    unsigned mode = 0;
};

/// Reads from a file that open_file has opened, as pread(2) does. In a chain it has succeeded when it has
/// filled its memory.
struct read_file_operation : operation {
    explicit read_file_operation(handler on_completion) noexcept
        : operation(operation_kind::read_file, on_completion) {}

    /// `into` is lent, limits::bytes_per_call of it at most.
    void set(handle from, mutable_bytes into, std::uint64_t from_offset) noexcept {
        target = from;
        data = into.data();
        count = one_call(into);
        offset = from_offset;
    }

    std::uint64_t offset = 0;
};

/// Whether what is linked to a completed operation is begun.
inline bool succeeded(const operation& op) noexcept {
    return op.result >= 0 &&
           (op.kind != operation_kind::read_file || op.result == static_cast<std::int64_t>(op.count));
}

/// Records a result and hands the operation over for dispatch. For backends.
inline void complete(operation& op, std::int64_t result, operation_queue& done) noexcept {
    NARU_ASSERT(op.state != operation_state::idle && op.state != operation_state::completed);
    op.result = result;
    op.state = operation_state::completed;
    done.push(op);
}

}  // namespace naru
