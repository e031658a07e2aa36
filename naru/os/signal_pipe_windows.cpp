// Windows has requests of the console only, on threads of its own: see ending_signals.
#include <naru/os/signal_pipe.hpp>

#include <cerrno>
#include <utility>

namespace naru {

result<signal_pipe> signal_pipe::open(std::span<const int> /*signals*/) noexcept {
    return fail_errno(ENOTSUP);
}

signal_pipe::signal_pipe(signal_pipe&& other) noexcept
    : reader_(std::move(other.reader_)),
      writer_(std::move(other.writer_)),
      place_(std::exchange(other.place_, none)) {}

signal_pipe& signal_pipe::operator=(signal_pipe&& other) noexcept {
    std::swap(reader_, other.reader_);
    std::swap(writer_, other.writer_);
    std::swap(place_, other.place_);
    return *this;
}

void signal_pipe::close() noexcept {}

}  // namespace naru
