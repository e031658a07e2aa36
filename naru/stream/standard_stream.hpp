// Standard input, output and error, whatever they are: terminals, pipes, sockets or files.
#pragma once

#include <naru/coro/byte_source.hpp>
#include <naru/coro/sync.hpp>
#include <naru/coro/task.hpp>
#include <naru/loop/worker_pool.hpp>
#include <naru/stream/byte_stream.hpp>
#include <naru/stream/handle_stream.hpp>

#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace naru {

/// A byte_stream over a descriptor that the process was given and may share with others. The flags of its
/// file description are never changed: sockets are called without waiting, pipes and terminals opened a
/// second time in non-blocking mode, and what cannot be polled (regular files, /dev/null, a terminal of
/// another user) is read and written on worker threads, which a stop waits for. Move-only; it must outlive
/// what was begun on it. Not for the hot path: each operation is a coroutine. ENOTSUP on Windows.
class standard_stream {
 public:
    /// How its bytes are had: by operations of its loop, or by calls on a worker thread.
    enum class way : std::uint8_t { loop, worker };

    standard_stream() noexcept = default;

    /// Descriptors 0, 1 and 2 of the process, which stay open. Errors: EBADF (it was closed), EMFILE, and
    /// those of loop::attach. `workers` must outlive it.
    [[nodiscard]] static result<standard_stream> input(loop& on, worker_pool& workers);
    [[nodiscard]] static result<standard_stream> output(loop& on, worker_pool& workers);
    [[nodiscard]] static result<standard_stream> error(loop& on, worker_pool& workers);
    /// Any other descriptor. It stays open, too, and is the caller's.
    [[nodiscard]] static result<standard_stream> of(loop& on, worker_pool& workers, int descriptor);

    task<result<lease>> receive();
    template <class Memory>
        requires detail::writable_byte_range<Memory>
    task<result<std::size_t>> receive(Memory&& memory) {
        static_assert(!detail::owned_bytes<Memory>,
                      "naru: memory to receive into must outlive the receive: pass a name or a span");
        return receive_into(writable_bytes_of(memory));
    }
    task<result<std::size_t>> receive(std::span<mutable_slice> pieces);

    template <byte_source Source>
    task<result<std::size_t>> send(Source&& source) {
        return send_as(std::forward<Source>(source), send_extent::all);
    }
    task<result<std::size_t>> send(std::span<slice> pieces) { return send_slices(pieces, send_extent::all); }
    template <byte_source Source>
    task<result<std::size_t>> send_some(Source&& source) {
        return send_as(std::forward<Source>(source), send_extent::some);
    }
    task<result<std::size_t>> send_some(std::span<slice> pieces) {
        return send_slices(pieces, send_extent::some);
    }

    /// Ends a socket's direction; anything else is closed behind what was sent. The process's own descriptor
    /// stays open, so a pipe's reader sees the end when that is closed, too.
    task<result<void>> shutdown();
    task<result<void>> close();
    /// Without effect, except on a socket.
    void reset_on_close() noexcept;
    /// Of a socket; else none.
    [[nodiscard]] result<endpoint> peer_address() const;
    [[nodiscard]] result<endpoint> local_address() const;
    loop& home() const noexcept;
    way how() const noexcept;

 private:
    struct state;
    struct deleter {
        void operator()(state* of) const noexcept;
    };

    explicit standard_stream(std::unique_ptr<state, deleter> made) noexcept : state_(std::move(made)) {}
    state& inside() const noexcept;
    task<result<std::size_t>> receive_into(mutable_bytes memory);
    task<result<std::size_t>> send_bytes(bytes_view bytes, send_extent extent);
    task<result<std::size_t>> send_slices(std::span<slice> pieces, send_extent extent);
    template <class Source>
    task<result<std::size_t>> send_as(Source&& source, send_extent extent) {
        if constexpr (detail::owned_bytes<Source>) {
            return send_owned(std::remove_cvref_t<Source>(std::forward<Source>(source)), extent);
        } else {
            return send_bytes(bytes_of(source), extent);
        }
    }
    template <class Owned>
    task<result<std::size_t>> send_owned(Owned owned, send_extent extent) {
        co_return co_await send_bytes(bytes_of(owned), extent);
    }

    std::unique_ptr<state, deleter> state_;
};

}  // namespace naru
