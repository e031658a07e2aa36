#include <naru/backend/uring/ring.hpp>

#include <naru/backend/uring/refusal.hpp>
#include <naru/core/check.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>

#include <linux/time_types.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace naru {

namespace {

unsigned load_acquire(const unsigned* shared) noexcept { return __atomic_load_n(shared, __ATOMIC_ACQUIRE); }
void store_release(unsigned* shared, unsigned value) noexcept {
    __atomic_store_n(shared, value, __ATOMIC_RELEASE);
}

constexpr unsigned smallest_queue = 32;

// Which thread this is; 0 until it has started a ring. A count, because an address or a number of the
// system's goes to another thread later. A child made by fork has a thread that nobody knows yet.
constinit thread_local std::uint64_t this_thread = 0;
std::atomic<std::uint64_t> threads_counted = 0;

// How often this process is a child of the one that first started a ring. Counted by the fork, because a fork
// is rare and a look at this is not.
unsigned forks = 0;

void count_forks() noexcept {
    static const int counting = pthread_atfork(nullptr, nullptr, [] {
        ++forks;
        this_thread = 0;
    });
    NARU_ASSERT(counting == 0);
    (void)counting;
}

}  // namespace

uring_ring::~uring_ring() {
    unmap();
    // The registration would keep the ring, and all that is armed in it. It is the thread's that made it: on
    // another thread, or in a child made by fork, the index names a ring of theirs. There it is left to end
    // with its thread.
    if (enter_descriptor_ != descriptor_ && this_thread == starter_) {
        io_uring_rsrc_update registered{};
        registered.offset = static_cast<unsigned>(enter_descriptor_);
        (void)register_call(IORING_UNREGISTER_RING_FDS, &registered, 1);
    }
    if (descriptor_ >= 0) close(descriptor_);
}

std::error_code uring_ring::open(const uring_setup& wanted, std::string& steps) noexcept try {
    const unsigned always = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED;
    const unsigned issuer = wanted.sqpoll          ? unsigned{IORING_SETUP_SQPOLL}
                            : wanted.single_issuer ? IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN
                                                   : 0u;
    struct step {
        unsigned flags;
        const char* given_up;
    };
    const step ladder[] = {
        {issuer | IORING_SETUP_SUBMIT_ALL | uring_abi::setup_no_sqarray, ""},
        {issuer | IORING_SETUP_SUBMIT_ALL, "no NO_SQARRAY (needs Linux 6.6)"},
        {(issuer & IORING_SETUP_SQPOLL) | IORING_SETUP_SUBMIT_ALL,
         "no SINGLE_ISSUER and DEFER_TASKRUN (needs Linux 6.1)"},
    };
    int error = EINVAL;
    unsigned shrink = 1;
    for (const step* each = std::begin(ladder); each != std::end(ladder);) {
        io_uring_params parameters{};
        parameters.flags = always | each->flags;
        parameters.cq_entries = wanted.completions / shrink;
        if (wanted.sqpoll) {
            parameters.sq_thread_idle = wanted.sqpoll_idle_milliseconds;
            if (wanted.sqpoll_cpu >= 0) {
                parameters.flags |= IORING_SETUP_SQ_AFF;
                parameters.sq_thread_cpu = static_cast<unsigned>(wanted.sqpoll_cpu);
            }
        }
        const long made = syscall(__NR_io_uring_setup, wanted.entries / shrink, &parameters);
        if (made >= 0) {
            descriptor_ = enter_descriptor_ = static_cast<int>(made);
            steps = each->given_up;
            if (shrink > 1) {
                steps += steps.empty() ? "" : ", ";
                steps += "shorter queues (the kernel had no memory for longer ones)";
            }
            if ((parameters.features & IORING_FEAT_EXT_ARG) == 0 ||
                (parameters.features & IORING_FEAT_NODROP) == 0) {
                steps = "the kernel is too old: Linux 5.19 or newer is needed";
                return {EOPNOTSUPP, std::system_category()};
            }
            probe();
            return map(parameters);
        }
        error = errno;
        if (error == ENOMEM && wanted.entries / (4 * shrink) >= smallest_queue) {
            shrink *= 4;  // the queues lie in contiguous memory, which may be scarce (axboe/liburing#1408)
        } else if (error == EINVAL) {
            ++each;  // an unknown flag
        } else {
            break;
        }
    }
    steps = explain_uring_refusal(uring_call::setup, error);
    if (error == EINVAL && wanted.sqpoll && wanted.sqpoll_cpu >= 0)
        steps = "the core " + std::to_string(wanted.sqpoll_cpu) + " is not there or not allowed, or " + steps;
    return {error, std::system_category()};
} catch (...) {
    return {ENOMEM, std::system_category()};
}

std::error_code uring_ring::map(const io_uring_params& parameters) noexcept {
    flags_ = parameters.flags;
    features_ = parameters.features;
    const std::size_t submission_end = parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned);
    const std::size_t completion_end = parameters.cq_off.cqes + parameters.cq_entries * sizeof(io_uring_cqe);
    rings_size_ = std::max(submission_end, completion_end);
    queue_size_ = parameters.sq_entries * sizeof(io_uring_sqe);
    void* rings = mmap(nullptr, rings_size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor_,
                       IORING_OFF_SQ_RING);
    if (rings == MAP_FAILED) return {errno, std::system_category()};
    rings_ = rings;
    void* queue = mmap(nullptr, queue_size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor_,
                       IORING_OFF_SQES);
    if (queue == MAP_FAILED) return {errno, std::system_category()};
    queue_ = static_cast<io_uring_sqe*>(queue);

    auto* base = static_cast<std::byte*>(rings_);
    const auto at = [base](unsigned offset) { return reinterpret_cast<unsigned*>(base + offset); };
    kernel_head_ = at(parameters.sq_off.head);
    kernel_tail_ = at(parameters.sq_off.tail);
    kernel_flags_ = at(parameters.sq_off.flags);
    mask_ = *at(parameters.sq_off.ring_mask);
    if ((flags_ & uring_abi::setup_no_sqarray) == 0) {
        unsigned* array = at(parameters.sq_off.array);
        for (unsigned index = 0; index <= mask_; ++index)
            array[index] = index;
    }
    completions_ = reinterpret_cast<const io_uring_cqe*>(base + parameters.cq_off.cqes);
    completion_head_ = at(parameters.cq_off.head);
    completion_tail_ = at(parameters.cq_off.tail);
    completion_mask_ = *at(parameters.cq_off.ring_mask);
    head_ = *completion_head_;
    tail_ = published_ = *kernel_tail_;
    return {};
}

void uring_ring::unmap() noexcept {
    if (queue_ != nullptr) munmap(queue_, queue_size_);
    if (rings_ != nullptr) munmap(rings_, rings_size_);
}

void uring_ring::probe() noexcept {
    // A head with its length, then an entry for each operation.
    alignas(io_uring_probe) std::array<std::byte, sizeof(io_uring_probe) + 256 * sizeof(io_uring_probe_op)>
        answer{};
    if (register_call(IORING_REGISTER_PROBE, answer.data(), 256) < 0) return;
    io_uring_probe_op each{};
    const auto length = std::to_integer<unsigned>(answer[offsetof(io_uring_probe, ops_len)]);
    for (unsigned index = 0; index < length; ++index) {
        std::memcpy(&each, answer.data() + sizeof(io_uring_probe) + index * sizeof each, sizeof each);
        known_[each.op] = (each.flags & IO_URING_OP_SUPPORTED) != 0;
    }
}

std::error_code uring_ring::restrict_to(std::span<const std::uint8_t> operations) noexcept {
    if (known_.none()) return {EOPNOTSUPP, std::system_category()};  // it would take nothing at all
    // What is registered before start is not subject to restrictions.
    constexpr std::uint8_t later[] = {IORING_REGISTER_RING_FDS, IORING_UNREGISTER_RING_FDS,
                                      IORING_REGISTER_SYNC_CANCEL, IORING_UNREGISTER_FILES};
    std::array<io_uring_restriction, 64> list{};
    unsigned size = 0;
    for (const std::uint8_t each : operations) {
        if (!knows(each)) continue;
        list[size].opcode = IORING_RESTRICTION_SQE_OP;
        list[size++].sqe_op = each;
    }
    for (const std::uint8_t each : later) {
        list[size].opcode = IORING_RESTRICTION_REGISTER_OP;
        list[size++].register_op = each;
    }
    list[size].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    list[size++].sqe_flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
    const int refused = register_call(IORING_REGISTER_RESTRICTIONS, list.data(), size);
    if (refused < 0) return {-refused, std::system_category()};
    return {};
}

std::error_code uring_ring::start() noexcept {
    count_forks();
    if (this_thread == 0) this_thread = threads_counted.fetch_add(1, std::memory_order_relaxed) + 1;
    starter_ = this_thread;
    forks_ = forks;
    const int enabled = register_call(IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    if (enabled < 0) return {-enabled, std::system_category()};
    // A registered descriptor saves enter the look-up in the process's table. Optional.
    io_uring_rsrc_update update{};
    update.offset = ~0u;
    update.data = static_cast<std::uint64_t>(descriptor_);
    if (register_call(IORING_REGISTER_RING_FDS, &update, 1) == 1) {
        enter_descriptor_ = static_cast<int>(update.offset);
        enter_flags_ = IORING_ENTER_REGISTERED_RING;
    }
    if ((features_ & uring_abi::feature_no_iowait) != 0) enter_flags_ |= uring_abi::enter_no_iowait;
    return {};
}

bool uring_ring::is_inherited() const noexcept { return starter_ != 0 && forks_ != forks; }

io_uring_sqe* uring_ring::next_entry() noexcept {
    if (tail_ - load_acquire(kernel_head_) > mask_) return nullptr;
    io_uring_sqe* entry = &queue_[tail_ & mask_];
    ++tail_;
    std::memset(entry, 0, sizeof *entry);
    return entry;
}

unsigned uring_ring::unsubmitted() const noexcept { return tail_ - load_acquire(kernel_head_); }

int uring_ring::enter(bool events, bool wait, instant until) noexcept {
    unsigned flags = enter_flags_;
    int through = enter_descriptor_;
    if (this_thread != starter_) [[unlikely]] {  // the registered index is not this thread's
        if (is_inherited()) return -EEXIST;
        flags &= ~unsigned{IORING_ENTER_REGISTERED_RING};
        through = descriptor_;
    }
    if (published_ != tail_) {
        store_release(kernel_tail_, tail_);
        published_ = tail_;
    }
    unsigned to_submit = tail_ - load_acquire(kernel_head_);
    if ((flags_ & IORING_SETUP_SQPOLL) != 0) {
        // The kernel's thread takes the entries by itself unless it sleeps; the fence orders our tail before
        // its flag (io_uring_setup(2), IORING_SQ_NEED_WAKEUP).
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if ((load_acquire(kernel_flags_) & IORING_SQ_NEED_WAKEUP) != 0) flags |= IORING_ENTER_SQ_WAKEUP;
        if (!events && (flags & IORING_ENTER_SQ_WAKEUP) == 0) {
            if (to_submit <= mask_) return 0;
            flags |= IORING_ENTER_SQ_WAIT;
        }
    }
    __kernel_timespec limit{};
    io_uring_getevents_arg argument{};
    if (events) {
        flags |= IORING_ENTER_GETEVENTS;
        if (wait && until != never) {
            const auto left = std::max<std::int64_t>(0, (until - clock::now()).count());
            limit.tv_sec = left / 1'000'000'000;
            limit.tv_nsec = left % 1'000'000'000;
            argument.ts = reinterpret_cast<std::uint64_t>(&limit);
            flags |= IORING_ENTER_EXT_ARG;
        }
    }
    const bool extended = (flags & IORING_ENTER_EXT_ARG) != 0;
    const long result = syscall(__NR_io_uring_enter, through, to_submit, wait ? 1 : 0, flags,
                                extended ? &argument : nullptr, extended ? sizeof argument : 0);
    return result >= 0 ? 0 : -errno;
}

const io_uring_cqe* uring_ring::peek() const noexcept {
    if (head_ == load_acquire(completion_tail_)) return nullptr;
    return &completions_[head_ & completion_mask_];
}

void uring_ring::consume() noexcept { store_release(completion_head_, ++head_); }

bool uring_ring::overflowed() const noexcept {
    return (load_acquire(kernel_flags_) & IORING_SQ_CQ_OVERFLOW) != 0;
}

int uring_ring::register_call(unsigned operation, const void* argument, unsigned count) const noexcept {
    const long result = syscall(__NR_io_uring_register, descriptor_, operation, argument, count);
    return result >= 0 ? static_cast<int>(result) : -errno;
}

}  // namespace naru
