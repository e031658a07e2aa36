// A bare io_uring: the two queues and one ring of provided buffers as the kernel lays them out, without
// liburing and with nothing the floor does not use. Linux 6.1 or newer.
#pragma once

#include "common.hpp"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace bench {

inline constexpr unsigned setup_no_sqarray = 1U << 16;  // IORING_SETUP_NO_SQARRAY, Linux 6.6
inline constexpr std::uint16_t shared_buffers = 2;      // IOU_PBUF_RING_INC, Linux 6.12
inline constexpr unsigned more_in_buffer = 1U << 4;     // IORING_CQE_F_BUF_MORE, Linux 6.12

class raw_io_uring {
 public:
    raw_io_uring(unsigned submissions, unsigned completions) {
        io_uring_params parameters{};
        constexpr unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                   IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL;
        for (const unsigned extra : {setup_no_sqarray, 0U}) {
            parameters = {};
            parameters.flags = flags | extra;
            parameters.cq_entries = completions;
            descriptor_ = static_cast<int>(::syscall(SYS_io_uring_setup, submissions, &parameters));
            if (descriptor_ >= 0 || errno != EINVAL) break;
        }
        check(descriptor_, "io_uring_setup");
        if ((parameters.features & IORING_FEAT_SINGLE_MMAP) == 0) die("io_uring: the kernel is too old");

        const std::size_t of_sq = parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned);
        const std::size_t of_cq = parameters.cq_off.cqes + parameters.cq_entries * sizeof(io_uring_cqe);
        char* rings = map<char>(of_sq > of_cq ? of_sq : of_cq, descriptor_, IORING_OFF_SQ_RING);
        sqes_ = map<io_uring_sqe>(parameters.sq_entries * sizeof(io_uring_sqe), descriptor_, IORING_OFF_SQES);
        const auto word = [rings](unsigned offset) { return reinterpret_cast<unsigned*>(rings + offset); };
        sq_tail_ = word(parameters.sq_off.tail);
        cq_head_ = word(parameters.cq_off.head);
        cq_tail_ = word(parameters.cq_off.tail);
        cqes_ = reinterpret_cast<io_uring_cqe*>(rings + parameters.cq_off.cqes);
        sq_mask_ = parameters.sq_entries - 1;
        cq_mask_ = parameters.cq_entries - 1;
        if ((parameters.flags & setup_no_sqarray) == 0) {
            for (unsigned i = 0; i <= sq_mask_; ++i)
                word(parameters.sq_off.array)[i] = i;
        }

        // Spares io_uring_enter the look-up of the descriptor.
        io_uring_rsrc_update registration{};
        registration.offset = ~0U;
        registration.data = static_cast<unsigned>(descriptor_);
        register_with(IORING_REGISTER_RING_FDS, &registration, "IORING_REGISTER_RING_FDS");
        enter_descriptor_ = registration.offset;
    }

    /// Registers `count` buffers (a power of two) of `size` bytes as group 0. Shared: receives go on in a
    /// buffer where the one before has ended, until it is full.
    void provide_buffers(unsigned count, unsigned size, bool shared = false) {
        // The kernel reads the ring's tail from where the first entry has its reserved field. It is taken
        // from there rather than by name: the flexible array of io_uring_buf_ring is laid out wrong in C++.
        buffers_ = map<io_uring_buf>(count * sizeof(io_uring_buf), -1, 0);
        memory_ = map<char>(std::size_t{count} * size, -1, 0);
        buffer_mask_ = count - 1;
        buffer_size_ = size;
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffers_);
        registration.ring_entries = count;
        if (shared) registration.pad = shared_buffers;  // `flags` since Linux 6.12
        used_.resize(count);
        register_with(IORING_REGISTER_PBUF_RING, &registration, "IORING_REGISTER_PBUF_RING");
        for (unsigned id = 0; id < count; ++id)
            recycle(static_cast<std::uint16_t>(id));
        publish_buffers();
    }

    /// The bytes of a receive's completion, which has a buffer.
    std::string_view received(const io_uring_cqe& cqe) {
        const unsigned id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
        const std::size_t size = cqe.res > 0 ? static_cast<std::size_t>(cqe.res) : 0;
        const std::string_view bytes(buffer(static_cast<std::uint16_t>(id)) + used_[id], size);
        used_[id] = (cqe.flags & more_in_buffer) != 0 ? used_[id] + size : 0;
        return bytes;
    }

    void recycle(std::uint16_t id) {
        io_uring_buf& entry = buffers_[buffer_tail_++ & buffer_mask_];
        entry.addr = reinterpret_cast<std::uintptr_t>(buffer(id));
        entry.len = buffer_size_;
        entry.bid = id;
    }

    void publish_buffers() {
        std::atomic_ref(buffers_[0].resv).store(buffer_tail_, std::memory_order_release);
    }

    io_uring_sqe& push() {
        if (prepared_ > sq_mask_) enter(0);
        ++prepared_;
        io_uring_sqe& sqe = sqes_[sq_local_tail_++ & sq_mask_];
        sqe = {};
        return sqe;
    }

    /// Submits everything prepared; `wait`: how many completions to wait for.
    void enter(unsigned wait) {
        std::atomic_ref(*sq_tail_).store(sq_local_tail_, std::memory_order_release);
        const unsigned flags = IORING_ENTER_REGISTERED_RING | (wait > 0 ? IORING_ENTER_GETEVENTS : 0U);
        long submitted;
        do {
            submitted = ::syscall(SYS_io_uring_enter, enter_descriptor_, prepared_, wait, flags, nullptr, 0);
        } while (submitted < 0 && errno == EINTR);
        prepared_ -= static_cast<unsigned>(check(submitted, "io_uring_enter"));
    }

    /// Calls `handle` with every completion there is.
    template <class Handler>
    void completions(Handler handle) {
        unsigned head = *cq_head_;
        const unsigned tail = std::atomic_ref(*cq_tail_).load(std::memory_order_acquire);
        for (; head != tail; ++head)
            handle(cqes_[head & cq_mask_]);
        std::atomic_ref(*cq_head_).store(head, std::memory_order_release);
    }

 private:
    char* buffer(std::uint16_t id) const { return memory_ + std::size_t{id} * buffer_size_; }

    template <class Type>
    static Type* map(std::size_t size, int descriptor, std::uint64_t offset) {
        const int flags = MAP_POPULATE | (descriptor < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
        void* made =
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, descriptor, static_cast<off_t>(offset));
        if (made == MAP_FAILED) die("mmap: %s", std::strerror(errno));
        return static_cast<Type*>(made);
    }

    void register_with(unsigned operation, void* argument, const char* what) {
        check(::syscall(SYS_io_uring_register, descriptor_, operation, argument, 1), what);
    }

    int descriptor_ = -1;
    unsigned enter_descriptor_ = 0;
    io_uring_sqe* sqes_;
    unsigned* sq_tail_;
    unsigned sq_local_tail_ = 0;
    unsigned sq_mask_;
    unsigned prepared_ = 0;
    io_uring_cqe* cqes_;
    unsigned* cq_head_;
    unsigned* cq_tail_;
    unsigned cq_mask_;
    io_uring_buf* buffers_ = nullptr;
    char* memory_ = nullptr;
    unsigned buffer_mask_ = 0;
    unsigned buffer_size_ = 0;
    std::uint16_t buffer_tail_ = 0;
    std::vector<std::size_t> used_;  // bytes of each buffer that have been received into
};

}  // namespace bench
