// The four calls that a server makes for each request, without what the C library adds to them: each is a
// place where a thread may be cancelled there (pthread_cancel(3)), which naru never does, and a program with
// threads pays two locked instructions for that in every call. Results as the kernel gives them: a negated
// errno. Functions of C, so that a test can put faults in their place when it is linked.
#pragma once

#include <sys/types.h>
#if defined(__linux__)
#include <sys/epoll.h>
#endif

extern "C" {

ssize_t naru_bare_recv(int socket, void* into, size_t size, int flags) noexcept;
ssize_t naru_bare_send(int socket, const void* from, size_t size, int flags) noexcept;
int naru_bare_accept4(int listener, int flags) noexcept;
#if defined(__linux__)
int naru_bare_epoll_wait(int set, epoll_event* into, int size, int milliseconds) noexcept;
#endif

}  // extern "C"
