#include <naru/os/signal_pipe.hpp>

#include <naru/os/pipe.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>

#include <sys/types.h>
#include <unistd.h>

namespace naru {

namespace {

constexpr int most_signals = 65;  // Linux numbers them from 1 to 64

/// What the handler looks at: lock-free.
struct place {
    std::atomic<std::uint64_t> signals{0};  // one bit each; 0: nobody's
    std::atomic<int> descriptor{-1};
    std::atomic<pid_t> owner{0};  // a child that fork has made has the handler, too, and the same pipe
};

std::array<place, limits::signal_pipes> places;
std::atomic<unsigned> in_handlers{0};

std::mutex changing;
std::array<unsigned, most_signals> takers{};
std::array<struct sigaction, most_signals> before{};

constexpr std::uint64_t bit_of(int number) noexcept { return std::uint64_t{1} << (number - 1); }

void tell(int number) {
    const int error_of_others = errno;
    const pid_t here = ::getpid();
    in_handlers.fetch_add(1);
    for (place& each : places) {
        if ((each.signals.load() & bit_of(number)) == 0 || each.owner.load() != here) continue;
        const auto byte = static_cast<unsigned char>(number);
        // A pipe that is full has told of so many that nobody has looked at.
        (void)!::write(each.descriptor.load(), &byte, 1);
    }
    in_handlers.fetch_sub(1);
    errno = error_of_others;
}

bool can_be_taken(int number) noexcept {
    switch (number) {
        case SIGKILL:
        case SIGSTOP:
        case SIGSEGV:
        case SIGBUS:
        case SIGFPE:
        case SIGILL:
        case SIGTRAP:
            return false;
        default:
            return number > 0 && number < most_signals;
    }
}

// A handler that has seen a place on another thread writes to it: not into what is opened next.
void wait_for_handlers() noexcept {
    while (in_handlers.load() != 0)
        std::this_thread::yield();
}

/// With `changing` held.
void give_back(std::uint64_t signals) noexcept {
    for (int number = 1; number < most_signals; ++number) {
        if ((signals & bit_of(number)) == 0 || --takers[static_cast<std::size_t>(number)] > 0) continue;
        ::sigaction(number, &before[static_cast<std::size_t>(number)], nullptr);
    }
}

/// The same. Gives back what it has taken, if not all can be.
int take(std::uint64_t signals) noexcept {
    struct sigaction how{};
    how.sa_handler = tell;
    how.sa_flags = SA_RESTART;
    ::sigfillset(&how.sa_mask);
    std::uint64_t taken = 0;
    for (int number = 1; number < most_signals; ++number) {
        if ((signals & bit_of(number)) == 0) continue;
        const auto which = static_cast<std::size_t>(number);
        if (takers[which] == 0 && ::sigaction(number, &how, &before[which]) != 0) {
            const int error = errno;
            give_back(taken);
            return error;
        }
        ++takers[which];
        taken |= bit_of(number);
    }
    return 0;
}

}  // namespace

result<signal_pipe> signal_pipe::open(std::span<const int> signals) noexcept {
    std::uint64_t wanted = 0;
    for (const int each : signals) {
        if (!can_be_taken(each)) return fail_errno(EINVAL);
        wanted |= bit_of(each);
    }
    if (wanted == 0) return fail_errno(EINVAL);
    auto ends = make_pipe();
    if (!ends) return fail(ends.error());
    const std::lock_guard lock(changing);
    std::size_t free = 0;
    while (free < places.size() && places[free].signals.load() != 0)
        ++free;
    if (free == places.size()) return fail_errno(EAGAIN);
    signal_pipe made;
    made.reader_ = std::move(ends->first);
    made.writer_ = std::move(ends->second);
    places[free].descriptor.store(made.writer_.get());
    places[free].owner.store(::getpid());
    places[free].signals.store(wanted);
    if (const int error = take(wanted); error != 0) {
        places[free].signals.store(0);
        wait_for_handlers();
        return fail_errno(error);
    }
    made.place_ = free;
    return made;
}

void signal_pipe::close() noexcept {
    if (place_ == none) return;
    const std::lock_guard lock(changing);
    give_back(places[place_].signals.load());
    places[place_].signals.store(0);
    // A child has the parent's count, with those who were in a handler there.
    if (places[place_].owner.load() == ::getpid()) wait_for_handlers();
    place_ = none;
    writer_ = unique_descriptor();
}

}  // namespace naru
