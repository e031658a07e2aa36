#include "model/faults.hpp"

#include <linux/io_uring.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

extern "C" {
ssize_t __real_naru_bare_recv(int, void*, size_t, int) noexcept;
ssize_t __real_naru_bare_send(int, const void*, size_t, int) noexcept;
int __real_naru_bare_accept4(int, int) noexcept;
int __real_naru_bare_epoll_wait(int, epoll_event*, int, int) noexcept;
ssize_t __real_recvmsg(int, msghdr*, int);
ssize_t __real_sendmsg(int, const msghdr*, int);
ssize_t __real_sendfile(int, int, off_t*, size_t);
ssize_t __real_pread(int, void*, size_t, off_t);
int __real_openat(int, const char*, int, ...);
int __real_epoll_ctl(int, int, int, epoll_event*);
int __real_poll(pollfd*, nfds_t, int);
int __real_select(int, fd_set*, fd_set*, fd_set*, timeval*);
void* __real_mmap(void*, size_t, int, int, int, off_t);
long __real_syscall(long, ...);
}

namespace naru::testing::faults {

namespace {

constexpr auto kinds = static_cast<std::size_t>(kind::count_);
std::array<std::atomic<std::uint64_t>, kinds> counts;

struct state {
    bool on = false;
    bool visible = false;
    unsigned percent = 0;
    std::mt19937_64 random;
};
thread_local state mine;

bool strikes(kind of) {
    if (!mine.on || mine.random() % 100 >= mine.percent) return false;
    counts[static_cast<std::size_t>(of)].fetch_add(1, std::memory_order_relaxed);
    return true;
}

template <class Result>
bool fails(kind of, int error, Result& result) {
    if (!strikes(of)) return false;
    errno = error;
    result = static_cast<Result>(-1);
    return true;
}

// --- edge-triggered epoll: a kernel that says EAGAIN, or reads less than there is, reports again
// -------------------

struct interest {
    int set;
    epoll_event event;
};
std::mutex interests_guard;
std::map<int, std::vector<interest>> interests;  // by descriptor

void report_again(int descriptor) {
    const std::lock_guard guard(interests_guard);
    const auto found = interests.find(descriptor);
    if (found == interests.end()) return;
    for (interest& each : found->second)
        (void)__real_epoll_ctl(each.set, EPOLL_CTL_MOD, descriptor, &each.event);
}

bool is_blocking(int descriptor) { return (fcntl(descriptor, F_GETFL) & O_NONBLOCK) == 0; }

// What any call on a socket may answer. True: it has been answered.
bool socket_fails(int descriptor, ssize_t& result) {
    const int before = errno;
    if (fails(kind::interrupted, EINTR, result)) return true;
    if (mine.on && !is_blocking(descriptor) && fails(kind::not_ready, EAGAIN, result)) {
        report_again(descriptor);
        errno = EAGAIN;
        return true;
    }
    if (mine.visible && fails(kind::no_memory, ENOMEM, result)) return true;
    if (mine.visible && fails(kind::no_buffers, ENOBUFS, result)) return true;
    errno = before;
    return false;
}

std::size_t fewer(int descriptor, std::size_t size) {
    if (size < 2 || !strikes(kind::short_count)) return size;
    report_again(descriptor);
    return 1 + mine.random() % (size - 1);
}

// --- io_uring
// -------------------------------------------------------------------------------------------------------

struct ring {
    io_uring_params parameters{};
    std::byte* queues = nullptr;
    io_uring_sqe* entries = nullptr;
    unsigned spoiled = 0;  // entries before this place have been looked at
};
thread_local std::map<int, ring> rings;
thread_local std::map<long, int> registered;  // the descriptors behind this thread's indices

constexpr std::uint32_t nop_gives_result = 1;  // IORING_NOP_INJECT_RESULT, Linux 6.11

bool is_stream_transfer(std::uint8_t operation) {
    return operation == IORING_OP_RECV || operation == IORING_OP_SEND;
}

/// An entry that does nothing but complete with this error.
void spoil(io_uring_sqe& entry, int error) {
    const std::uint64_t user_data = entry.user_data;
    const std::uint8_t flags = entry.flags & (IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS);
    entry = io_uring_sqe{};
    entry.opcode = IORING_OP_NOP;
    entry.fd = -1;
    entry.flags = flags;
    entry.user_data = user_data;
    entry.len = static_cast<std::uint32_t>(-error);
    entry.rw_flags = nop_gives_result;
}

void spoil_some(ring& of) {
    if (of.entries == nullptr || (of.parameters.flags & IORING_SETUP_SQPOLL) != 0) return;
    const auto at = [&of](unsigned offset) {
        return __atomic_load_n(reinterpret_cast<unsigned*>(of.queues + offset), __ATOMIC_ACQUIRE);
    };
    const unsigned tail = at(of.parameters.sq_off.tail);
    const unsigned mask = at(of.parameters.sq_off.ring_mask);
    unsigned head = at(of.parameters.sq_off.head);
    if (static_cast<int>(of.spoiled - head) > 0) head = of.spoiled;
    for (; head != tail; ++head) {
        io_uring_sqe& entry = of.entries[head & mask];
        const bool linked = (entry.flags & IOSQE_IO_LINK) != 0;
        if (is_stream_transfer(entry.opcode)) {
            if (strikes(kind::interrupted)) {
                spoil(entry, EINTR);
            } else if (mine.visible && strikes(kind::no_memory)) {
                spoil(entry, ENOMEM);
            } else if (mine.visible && strikes(kind::no_buffers)) {
                spoil(entry, ENOBUFS);
            } else if (!linked && entry.len > 1 && strikes(kind::short_count)) {
                entry.msg_flags &= ~static_cast<unsigned>(MSG_WAITALL);
                entry.len = 1 + static_cast<unsigned>(mine.random() % (entry.len - 1));
            }
        } else if (entry.opcode == IORING_OP_ACCEPT && mine.visible) {
            if (strikes(kind::aborted)) {
                spoil(entry, ECONNABORTED);
            } else if (strikes(kind::no_descriptors)) {
                spoil(entry, EMFILE);
            }
        }
    }
    of.spoiled = tail;
}

long enter(long descriptor, long flags, const std::array<long, 6>& given) {
    const bool by_index = (flags & IORING_ENTER_REGISTERED_RING) != 0;
    const auto found = rings.find(by_index ? registered[descriptor] : static_cast<int>(descriptor));
    if (mine.on && found != rings.end()) {
        long result = 0;
        if (fails(kind::interrupted, EINTR, result)) return result;
        if (fails(kind::not_ready, EAGAIN, result)) return result;
        spoil_some(found->second);
    }
    return __real_syscall(__NR_io_uring_enter, given[0], given[1], given[2], given[3], given[4], given[5]);
}

}  // namespace

bool possible() { return true; }

void begin(std::uint64_t seed, unsigned percent, bool visible) {
    mine.random.seed(seed);
    mine.percent = percent;
    mine.visible = visible;
    mine.on = true;
}

void calm() { mine.on = false; }

pause::pause() : before_(std::exchange(mine.on, false)) {}
pause::~pause() { mine.on = before_; }

std::vector<kind> possible_on(bool uring, bool sqpoll) {
    if (sqpoll) return {kind::interrupted};
    std::vector<kind> all{kind::interrupted, kind::short_count,    kind::no_memory,
                          kind::no_buffers,  kind::no_descriptors, kind::aborted};
    if (!uring) all.push_back(kind::not_ready);
    return all;
}

std::array<std::uint64_t, kinds> happened() {
    std::array<std::uint64_t, kinds> all{};
    for (std::size_t each = 0; each < kinds; ++each)
        all[each] = counts[each].load(std::memory_order_relaxed);
    return all;
}

std::string name_of(kind each) {
    constexpr std::array<const char*, kinds> names{"EINTR",   "EAGAIN", "short count", "ENOMEM",
                                                   "ENOBUFS", "EMFILE", "ECONNABORTED"};
    return names[static_cast<std::size_t>(each)];
}

}  // namespace naru::testing::faults

using namespace naru::testing::faults;

extern "C" {

ssize_t __wrap_naru_bare_recv(int socket, void* into, size_t size, int flags) noexcept {
    ssize_t result = 0;
    if (mine.on && socket_fails(socket, result)) return -errno;
    return __real_naru_bare_recv(socket, into, mine.on ? fewer(socket, size) : size, flags);
}

ssize_t __wrap_naru_bare_send(int socket, const void* from, size_t size, int flags) noexcept {
    ssize_t result = 0;
    if (mine.on && socket_fails(socket, result)) return -errno;
    return __real_naru_bare_send(socket, from, mine.on ? fewer(socket, size) : size, flags);
}

ssize_t __wrap_recvmsg(int socket, msghdr* message, int flags) {
    ssize_t result = 0;
    if (mine.on && socket_fails(socket, result)) return result;
    return __real_recvmsg(socket, message, flags);
}

ssize_t __wrap_sendmsg(int socket, const msghdr* message, int flags) {
    ssize_t result = 0;
    if (mine.on && socket_fails(socket, result)) return result;
    if (mine.on && message->msg_name == nullptr && message->msg_iovlen > 0) {
        // Of the first piece only, and not all of that.
        iovec first = message->msg_iov[0];
        const std::size_t size = fewer(socket, first.iov_len);
        if (size != first.iov_len) return send(socket, first.iov_base, size, flags);
    }
    return __real_sendmsg(socket, message, flags);
}

ssize_t __wrap_sendfile(int socket, int file, off_t* offset, size_t count) {
    ssize_t result = 0;
    if (mine.on && socket_fails(socket, result)) return result;
    return __real_sendfile(socket, file, offset, mine.on ? fewer(socket, count) : count);
}

ssize_t __wrap_pread(int file, void* into, size_t size, off_t offset) {
    ssize_t result = 0;
    if (fails(kind::interrupted, EINTR, result)) return result;
    return __real_pread(file, into, size, offset);
}

int __wrap_naru_bare_accept4(int listener, int flags) noexcept {
    ssize_t result = 0;
    if (mine.on && socket_fails(listener, result)) return -errno;
    if (mine.visible && fails(kind::aborted, ECONNABORTED, result)) return -errno;
    if (mine.visible && fails(kind::no_descriptors, EMFILE, result)) return -errno;
    return __real_naru_bare_accept4(listener, flags);
}

int __wrap_openat(int directory, const char* path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    const unsigned mode = va_arg(more, unsigned);
    va_end(more);
    int result = 0;
    if (fails(kind::interrupted, EINTR, result)) return result;
    return __real_openat(directory, path, flags, mode);
}

int __wrap_epoll_ctl(int set, int change, int descriptor, epoll_event* event) {
    const int result = __real_epoll_ctl(set, change, descriptor, event);
    if (result == 0) {
        const std::lock_guard guard(interests_guard);
        std::vector<interest>& of = interests[descriptor];
        std::erase_if(of, [set](const interest& each) { return each.set == set; });
        if (change != EPOLL_CTL_DEL) of.push_back({set, *event});
    }
    return result;
}

int __wrap_naru_bare_epoll_wait(int set, epoll_event* events, int size, int milliseconds) noexcept {
    int result = 0;
    if (fails(kind::interrupted, EINTR, result)) return -errno;
    return __real_naru_bare_epoll_wait(set, events, size, milliseconds);
}

int __wrap_poll(pollfd* all, nfds_t size, int milliseconds) {
    int result = 0;
    if (fails(kind::interrupted, EINTR, result)) return result;
    return __real_poll(all, size, milliseconds);
}

int __wrap_select(int size, fd_set* reads, fd_set* writes, fd_set* others, timeval* limit) {
    int result = 0;
    if (fails(kind::interrupted, EINTR, result)) return result;
    return __real_select(size, reads, writes, others, limit);
}

void* __wrap_mmap(void* at, size_t size, int protection, int flags, int descriptor, off_t offset) {
    void* const made = __real_mmap(at, size, protection, flags, descriptor, offset);
    const auto found = rings.find(descriptor);
    if (made != MAP_FAILED && found != rings.end() && (flags & MAP_ANONYMOUS) == 0) {
        if (offset == IORING_OFF_SQ_RING) found->second.queues = static_cast<std::byte*>(made);
        if (offset == static_cast<off_t>(IORING_OFF_SQES))
            found->second.entries = static_cast<io_uring_sqe*>(made);
    }
    return made;
}

long __wrap_syscall(long number, ...) {
    va_list more;
    va_start(more, number);
    std::array<long, 6> given{};
    for (long& each : given)
        each = va_arg(more, long);
    va_end(more);
    if (number == __NR_io_uring_enter) return enter(given[0], given[3], given);
    // As on a kernel that does not know restrictions: what stands in for a failing operation is a no-op.
    if (number == __NR_io_uring_register && given[1] == IORING_REGISTER_RESTRICTIONS) {
        errno = EINVAL;
        return -1;
    }
    const long result = __real_syscall(number, given[0], given[1], given[2], given[3], given[4], given[5]);
    if (number == __NR_io_uring_setup && result >= 0)
        rings[static_cast<int>(result)] = {.parameters = *reinterpret_cast<const io_uring_params*>(given[1])};
    if (number == __NR_io_uring_register && given[1] == IORING_REGISTER_RING_FDS && result == 1) {
        const auto& update = *reinterpret_cast<const io_uring_rsrc_update*>(given[2]);
        registered[update.offset] = static_cast<int>(update.data);
    }
    return result;
}

}  // extern "C"
