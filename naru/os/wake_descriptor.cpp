#include <naru/os/wake_descriptor.hpp>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

namespace naru {

int make_wake_descriptor() {
    const int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (descriptor < 0) throw std::system_error(errno, std::system_category(), "eventfd");
    return descriptor;
}

void signal_wake_descriptor(int descriptor) noexcept {
    const std::uint64_t one = 1;
    // EAGAIN means the counter is full: the wait will end anyway.
    while (write(descriptor, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void drain_wake_descriptor(int descriptor) noexcept {
    std::uint64_t count = 0;
    while (read(descriptor, &count, sizeof count) < 0 && errno == EINTR) {
    }
}

}  // namespace naru
