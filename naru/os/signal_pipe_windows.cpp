// Windows has requests of the console only, on threads of its own: see ending_signals.
#include <naru/os/signal_pipe.hpp>

#include <cerrno>

namespace naru {

result<signal_pipe> signal_pipe::open(std::span<const int> /*signals*/) noexcept {
    return fail_errno(ENOTSUP);
}

void signal_pipe::close() noexcept {}

}  // namespace naru
