#include <naru/os/bare_calls.hpp>

#include <cerrno>

#include <sys/socket.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

// The sanitizers look at what the C library's functions are given.
#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define NARU_BARE_CALLS 1
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#undef NARU_BARE_CALLS
#endif
#endif
#endif

#ifdef NARU_BARE_CALLS

namespace {

// syscall(2), "Architecture calling conventions".
long call(long number, long first, long second, long third, long fourth = 0, long fifth = 0,
          long sixth = 0) noexcept {
    register long r10 asm("r10") = fourth;
    register long r8 asm("r8") = fifth;
    register long r9 asm("r9") = sixth;
    long result = number;
    asm volatile("syscall"
                 : "+a"(result)
                 : "D"(first), "S"(second), "d"(third), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

}  // namespace

ssize_t naru_bare_recv(int socket, void* into, size_t size, int flags) noexcept {
    return call(SYS_recvfrom, socket, reinterpret_cast<long>(into), static_cast<long>(size), flags);
}

ssize_t naru_bare_send(int socket, const void* from, size_t size, int flags) noexcept {
    return call(SYS_sendto, socket, reinterpret_cast<long>(from), static_cast<long>(size), flags);
}

int naru_bare_accept4(int listener, int flags) noexcept {
    return static_cast<int>(call(SYS_accept4, listener, 0, 0, flags));
}

int naru_bare_epoll_wait(int set, epoll_event* into, int size, int milliseconds) noexcept {
    return static_cast<int>(call(SYS_epoll_wait, set, reinterpret_cast<long>(into), size, milliseconds));
}

#else

namespace {

template <class Result>
Result outcome_of(Result result) noexcept {
    return result >= 0 ? result : static_cast<Result>(-errno);
}

}  // namespace

ssize_t naru_bare_recv(int socket, void* into, size_t size, int flags) noexcept {
    return outcome_of(recv(socket, into, size, flags));
}

ssize_t naru_bare_send(int socket, const void* from, size_t size, int flags) noexcept {
    return outcome_of(send(socket, from, size, flags));
}

int naru_bare_accept4(int listener, int flags) noexcept {
    return outcome_of(accept4(listener, nullptr, nullptr, flags));
}

#if defined(__linux__)
int naru_bare_epoll_wait(int set, epoll_event* into, int size, int milliseconds) noexcept {
    return outcome_of(epoll_wait(set, into, size, milliseconds));
}
#endif

#endif
