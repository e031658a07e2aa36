// Moving bytes between sockets without copying them through user memory.
#pragma once

#include <naru/coro/task.hpp>
#include <naru/os/socket.hpp>
#include <naru/stream/tcp_stream.hpp>

#include <cstdint>

namespace naru {

/// A pipe that splice(2) moves bytes through. Kept and used again: making one for each transfer costs two
/// descriptors and, past fs.pipe-user-pages-soft (about 1,024 pipes), a page for a buffer.
class splice_pipe {
 public:
    /// Errors: EMFILE, ENFILE; ENOTSUP where there is no splice.
    static result<splice_pipe> make() noexcept;

    int read_end() const noexcept { return read_end_.get(); }
    int write_end() const noexcept { return write_end_.get(); }

    /// Bytes in the pipe: drained before the pipe is filled again, so a short second half loses nothing.
    std::uint64_t held = 0;

 private:
    unique_descriptor read_end_;
    unique_descriptor write_end_;
};

/// Sends what `from` receives to `to` until `from` ends; then ends our direction of `to`. Without a pipe, or
/// where splice cannot serve these sockets, it goes through a leased buffer. The result is the bytes moved.
/// After limits::forward_turn bytes the loop has a turn, however fast both peers are.
/// A failed or stopped transfer leaves `pipe` with bytes in it: do not use it for another. It leaves `to`
/// open, and sees to it that its close is a reset: what is cut must not look whole.
task<result<std::uint64_t>> forward(tcp_stream& from, tcp_stream& to, splice_pipe* pipe);

/// Bytes that forward_both has moved.
struct forwarded {
    std::uint64_t there = 0;  ///< from left to right
    std::uint64_t back = 0;
};

/// Both directions between two connections, until both have ended. One that fails stops the other, and its
/// error is the result; what either has cut is reset when it is closed, as by forward. The pipes are two, or
/// none.
task<result<forwarded>> forward_both(tcp_stream& left, tcp_stream& right, splice_pipe* there,
                                     splice_pipe* back);

}  // namespace naru
