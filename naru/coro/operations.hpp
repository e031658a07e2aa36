// The requests for operations on a handle: what streams, listeners and sockets (naru/net) hand out.
#pragma once

#include <naru/coro/byte_source.hpp>
#include <naru/coro/request.hpp>
#include <naru/loop/buffer_pool.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace naru {

namespace detail {

/// Waits for an operation that brings a pool buffer, and tells its root so.
class lease_awaiter : public operation_awaiter<>, public begins<lease_awaiter> {
 public:
    lease_awaiter(loop& home, operation_kind brings) noexcept : operation_awaiter(home, brings) {
        on_stop = &lease_awaiter::cancel;
    }
    using begins<lease_awaiter>::await_suspend;
    void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
        root_ = &root_of(in);
        root_->receive_begins();
        operation_awaiter::begin(waiting, in);
    }
    [[nodiscard]] naru::result<lease> await_resume() const noexcept;

    /// The wait behind an entry of a scope; nullptr if it is something else's.
    static lease_awaiter* of(stop_entry& entry) noexcept {
        return entry.on_stop == &lease_awaiter::cancel ? &static_cast<lease_awaiter&>(entry) : nullptr;
    }
    bool waits_for_buffer() const noexcept { return loop_->waits_for_buffer(*this); }
    /// Ends it with errc::buffers_held.
    void give_up() noexcept {
        gave_up_ = true;
        loop_->cancel(*this);
    }

 private:
    static void cancel(stop_entry& entry) noexcept {
        auto& self = static_cast<lease_awaiter&>(entry);
        self.loop_->cancel(self);
    }
    root* root_ = nullptr;
    bool gave_up_ = false;
};

}  // namespace detail

/// result<lease>: at least one byte in a pool buffer. A receive that finds no buffer waits for one; when none
/// is given back for the pool's patience it fails with errc::buffers_held, and one line on standard error
/// says who holds them.
struct [[nodiscard]] receive_request : request<receive_request> {
    receive_request(loop& on, handle from) noexcept : home(&on), source(from) {}

    class awaiter : public detail::lease_awaiter {
     public:
        explicit awaiter(receive_request&& of) noexcept : lease_awaiter(*of.home, operation_kind::recv) {
            target = of.source;
        }
    };

 private:
    loop* home;
    handle source;
};
static_assert(sizeof(receive_request::awaiter) <= 128, "an idle connection waits in one of these");

/// result<size_t>: at least one byte into lent memory.
struct [[nodiscard]] receive_into_request : request<receive_into_request> {
    receive_into_request(loop& on, handle from, mutable_bytes into) noexcept
        : home(&on), source(from), memory(into) {}

    class awaiter : public operation_awaiter<receive_into_operation> {
     public:
        explicit awaiter(receive_into_request&& of) noexcept : operation_awaiter(*of.home) {
            set(of.source, of.memory);
        }
        [[nodiscard]] naru::result<std::size_t> await_resume() const noexcept { return size_outcome(); }
    };

 private:
    loop* home;
    handle source;
    mutable_bytes memory;
};

/// result<size_t>: at least one byte into several pieces of lent memory, in their order. The pieces are lent,
/// too.
struct [[nodiscard]] receive_pieces_request : request<receive_pieces_request> {
    receive_pieces_request(loop& on, handle from, std::span<mutable_slice> into) noexcept
        : home(&on), source(from), pieces(into) {}

    class awaiter : public operation_awaiter<receive_into_operation> {
     public:
        explicit awaiter(receive_pieces_request&& of) noexcept : operation_awaiter(*of.home) {
            set(of.source, of.pieces.data(), of.pieces.size());
        }
        [[nodiscard]] naru::result<std::size_t> await_resume() const noexcept { return size_outcome(); }
    };

 private:
    loop* home;
    handle source;
    std::span<mutable_slice> pieces;
};

/// result<lease>: a whole pool buffer for one's own use, in its turn among those who wait for one. What waits
/// with leases in its hands may wait for itself: give them back before.
struct [[nodiscard]] buffer_request : request<buffer_request> {
    explicit buffer_request(loop& on) noexcept : home(&on) {}

    class awaiter : public detail::lease_awaiter {
     public:
        explicit awaiter(buffer_request&& of) noexcept : lease_awaiter(*of.home, operation_kind::buffer) {}
    };

 private:
    loop* home;
};
inline buffer_request wait_for_buffer(loop& of) noexcept { return buffer_request(of); }

/// How much of what is given a send is to send: all of it, or what goes at once, one byte at least.
enum class send_extent : std::uint8_t { all = 0, some = operation_flags::some };

/// result<size_t>: all of the bytes, which are lent; or some of them, and how many.
struct [[nodiscard]] send_request : request<send_request> {
    send_request(loop& on, handle to, bytes_view what, send_extent much = send_extent::all) noexcept
        : home(&on), sink(to), bytes(what), extent(much) {}

    class awaiter : public operation_awaiter<send_operation> {
     public:
        explicit awaiter(send_request&& of) noexcept : operation_awaiter(*of.home) {
            set(of.sink, of.bytes);
            flags = static_cast<std::uint8_t>(of.extent);
        }
        [[nodiscard]] naru::result<std::size_t> await_resume() const noexcept { return size_outcome(); }
    };

 private:
    loop* home;
    handle sink;
    bytes_view bytes;
    send_extent extent;
};

/// The same with what is sent inside: a string, or a lease.
template <class Owned>
struct [[nodiscard]] send_owned_request : request<send_owned_request<Owned>> {
    send_owned_request(loop& on, handle to, Owned&& what, send_extent much = send_extent::all) noexcept
        : home(&on), sink(to), owned(std::move(what)), extent(much) {}

    class awaiter : public operation_awaiter<send_operation> {
     public:
        explicit awaiter(send_owned_request&& of) noexcept
            : operation_awaiter<send_operation>(*of.home), owned_(std::move(of.owned)) {
            this->set(of.sink, bytes_view(bytes_of(owned_)));
            this->flags = static_cast<std::uint8_t>(of.extent);
        }
        [[nodiscard]] naru::result<std::size_t> await_resume() const noexcept { return this->size_outcome(); }

     private:
        Owned owned_;
    };

 private:
    loop* home;
    handle sink;
    Owned owned;
    send_extent extent;
};

/// result<size_t>: all pieces; the slices are lent, too, and modified.
struct [[nodiscard]] send_slices_request : request<send_slices_request> {
    send_slices_request(loop& on, handle to, std::span<slice> what,
                        send_extent much = send_extent::all) noexcept
        : home(&on), sink(to), pieces(what), extent(much) {}

    class awaiter : public operation_awaiter<send_operation> {
     public:
        explicit awaiter(send_slices_request&& of) noexcept : operation_awaiter(*of.home) {
            set(of.sink, of.pieces.data(), static_cast<std::uint32_t>(of.pieces.size()));
            flags = static_cast<std::uint8_t>(of.extent);
        }
        [[nodiscard]] naru::result<std::size_t> await_resume() const noexcept { return size_outcome(); }
    };

 private:
    loop* home;
    handle sink;
    std::span<slice> pieces;
    send_extent extent;
};

/// result<size_t>: `count` bytes of an open file.
struct [[nodiscard]] send_file_request : request<send_file_request> {
    send_file_request(loop& on, handle to, lent_descriptor from_file, std::uint64_t from, std::uint64_t bytes,
                      std::uint64_t* gone) noexcept
        : home(&on), sink(to), file(from_file), offset(from), count(bytes), sent(gone) {}

    class awaiter : public operation_awaiter<send_file_operation> {
     public:
        explicit awaiter(send_file_request&& of) noexcept : operation_awaiter(*of.home), sent_(of.sent) {
            set(of.sink, of.file, of.offset, of.count);
        }
        [[nodiscard]] naru::result<std::size_t> await_resume() const noexcept {
            if (sent_ != nullptr) *sent_ = progress;
            return size_outcome();
        }

     private:
        std::uint64_t* sent_;
    };

 private:
    loop* home;
    handle sink;
    lent_descriptor file;
    std::uint64_t offset;
    std::uint64_t count;
    std::uint64_t* sent;
};

/// result<void>.
template <class Operation>
struct [[nodiscard]] handle_request : request<handle_request<Operation>> {
    handle_request(loop& on, handle of) noexcept : home(&on), target(of) {}

    class awaiter : public operation_awaiter<Operation> {
     public:
        explicit awaiter(handle_request&& of) noexcept : operation_awaiter<Operation>(*of.home) {
            this->set(of.target);
        }
        [[nodiscard]] naru::result<void> await_resume() const noexcept { return this->void_outcome(); }
    };

 private:
    loop* home;
    handle target;
};
using readable_request = handle_request<readable_operation>;
using writable_request = handle_request<writable_operation>;
using shutdown_request = handle_request<shutdown_operation>;

}  // namespace naru
