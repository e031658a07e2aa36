// Moving bytes from stream to stream: between plain descriptors without copying them through user memory.
#pragma once

#include <naru/coro/combine.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/coro/task.hpp>
#include <naru/os/socket.hpp>
#include <naru/stream/byte_stream.hpp>
#include <naru/stream/handle_stream.hpp>

#include <concepts>
#include <cstdint>

namespace naru {

/// A pipe that splice(2) moves bytes through. Kept and used again: making one for each transfer costs two
/// descriptors and, past fs.pipe-user-pages-soft (about 1,024 pipes), a page for a buffer.
class splice_pipe {
 public:
    /// Errors: EMFILE, ENFILE; ENOTSUP where there is no splice.
    [[nodiscard]] static result<splice_pipe> make() noexcept;

    int read_end() const noexcept { return read_end_.get(); }
    int write_end() const noexcept { return write_end_.get(); }

    /// Bytes in the pipe: drained before the pipe is filled again, so a short second half loses nothing.
    std::uint64_t held = 0;

 private:
    unique_descriptor read_end_;
    unique_descriptor write_end_;
};

namespace detail {

/// Between two streams over descriptors: by splice, where they can be spliced and there is a pipe.
task<result<std::uint64_t>> forward_plain(handle_stream& from, handle_stream& to, splice_pipe* pipe);

template <class From, class To>
task<result<std::uint64_t>> forward_by_lease(From& from, To& to) {
    std::uint64_t moved = 0;
    while (true) {
        auto data = co_await from.receive();
        if (!data && data.error() == errc::end_of_stream) co_return moved;
        if (!data) co_return fail(data.error());
        if (auto sent = co_await to.send(*data); !sent) co_return fail(sent.error());
        moved += data->size();
    }
}

template <class Stream>
concept plain_stream = std::derived_from<Stream, handle_stream>;

}  // namespace detail

/// Sends what `from` receives to `to` until `from` ends; then ends our direction of `to`. Without a pipe, or
/// where splice cannot serve these streams, it goes through a leased buffer. The result is the bytes moved.
/// After limits::forward_turn bytes the loop has a turn, however fast both peers are.
/// A failed or stopped transfer leaves `pipe` with bytes in it: do not use it for another. It leaves `to`
/// open, and sees to it that its close is a reset: what is cut must not look whole.
template <byte_stream From, byte_stream To>
task<result<std::uint64_t>> forward(From& from, To& to, splice_pipe* pipe = nullptr) {
    result<std::uint64_t> moved = 0;
    if constexpr (detail::plain_stream<From> && detail::plain_stream<To>) {
        moved = co_await detail::forward_plain(from, to, pipe);
    } else {
        moved = co_await detail::forward_by_lease(from, to);
    }
    if (!moved) {
        to.reset_on_close();
        co_return moved;
    }
    // A peer that is gone has no use for an end.
    if (auto ended = co_await to.shutdown(); !ended && ended.error() == std::errc::operation_canceled)
        co_return fail(ended.error());
    co_return moved;
}

/// Bytes that forward_both has moved.
struct forwarded {
    std::uint64_t there = 0;  ///< from left to right
    std::uint64_t back = 0;
};

namespace detail {

template <class From, class To>
task<> forward_one_way(From& from, To& to, splice_pipe* pipe, stop_scope& both, std::uint64_t& moved,
                       std::error_code& failure) {
    const auto done = co_await with_stop(both, forward(from, to, pipe));
    if (done) {
        moved = *done;
        co_return;
    }
    if (!failure)
        failure = done.error();  // the first one: what follows from it is that the other is cancelled
    both.stop();
}

}  // namespace detail

/// Both directions between two connections, until both have ended. One that fails stops the other, and its
/// error is the result; what either has cut is reset when it is closed, as by forward. The pipes are two, or
/// none.
template <byte_stream Left, byte_stream Right>
task<result<forwarded>> forward_both(Left& left, Right& right, splice_pipe* there = nullptr,
                                     splice_pipe* back = nullptr) {
    forwarded moved;
    std::error_code failure;
    stop_scope both;
    co_await when_all(detail::forward_one_way(left, right, there, both, moved.there, failure),
                      detail::forward_one_way(right, left, back, both, moved.back, failure));
    if (failure) co_return fail(failure);
    co_return moved;
}

}  // namespace naru
