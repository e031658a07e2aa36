// The process's signals, told by a pipe. ENOTSUP on Windows.
#pragma once

#include <naru/os/socket.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace naru {

namespace limits {

/// Of the process, at a time.
inline constexpr std::size_t signal_pipes = 64;

}  // namespace limits

/// While it lives each of its signals, on whichever thread it comes, is a byte with its number in a pipe, and
/// nothing else. Several may share a signal: each is told. With the last one's end a signal does again what
/// it did before the first. Any thread. A child that is forked has the signals taken, too, and is told
/// nothing, until it executes another program.
class signal_pipe {
 public:
    /// Errors: EINVAL for what is no signal, cannot be taken (SIGKILL, SIGSTOP), or cannot be returned from
    /// (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP); EAGAIN past limits::signal_pipes; EMFILE.
    [[nodiscard]] static result<signal_pipe> open(std::span<const int> signals) noexcept;

    signal_pipe(signal_pipe&& other) noexcept
        : reader_(std::move(other.reader_)),
          writer_(std::move(other.writer_)),
          place_(std::exchange(other.place_, none)) {}
    signal_pipe& operator=(signal_pipe&& other) noexcept {
        std::swap(reader_, other.reader_);
        std::swap(writer_, other.writer_);
        std::swap(place_, other.place_);
        return *this;
    }
    ~signal_pipe() { close(); }

    /// Where the bytes are read, once: non-blocking. It may live on.
    unique_descriptor take_reader() noexcept { return std::move(reader_); }
    /// Gives the signals back.
    void close() noexcept;

 private:
    signal_pipe() noexcept = default;

    static constexpr std::size_t none = ~std::size_t{0};
    unique_descriptor reader_;
    unique_descriptor writer_;
    std::size_t place_ = none;  // among those of the process
};

}  // namespace naru
