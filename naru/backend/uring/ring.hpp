// A thin layer over one io_uring instance: setup, mapping, the two queues with their barriers, enter and
// register. No policy: what is submitted and what completions mean is uring_backend's.
// Sources: io_uring_setup(2), io_uring_enter(2), io_uring_register(2).
#pragma once

#include <naru/backend/uring/abi.hpp>
#include <naru/core/clock.hpp>
#include <naru/core/result.hpp>

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace naru {

struct uring_setup {
    unsigned entries = 0;
    unsigned completions = 0;
    bool single_issuer = true;  ///< with DEFER_TASKRUN: completions are run when the loop asks, not between
    bool sqpoll = false;        ///< a thread of the kernel takes submissions: none of ours is needed for them
    unsigned sqpoll_idle_milliseconds = 1000;  ///< without a submission before that thread sleeps
    int sqpoll_cpu = -1;                       ///< where it runs; -1: anywhere
};

class uring_ring {
 public:
    uring_ring() noexcept = default;
    /// On any thread, and in a child made by fork. Where it is not the thread that started the ring, the
    /// kernel keeps the ring until that thread has ended.
    ~uring_ring();
    uring_ring(const uring_ring&) = delete;
    uring_ring& operator=(const uring_ring&) = delete;

    /// Creates the ring, disabled until start. Steps down a ladder where the kernel knows fewer flags, or has
    /// no memory for queues that long, and says so in `steps`. On failure the error is the last step's, and
    /// `steps` says what it means and what would change it.
    std::error_code open(const uring_setup& wanted, std::string& steps) noexcept;

    /// From start on the ring takes these operations only, and of io_uring_register(2) what naru itself calls
    /// (IORING_REGISTER_RESTRICTIONS): whoever gets hold of the ring can do no more with it. Operations this
    /// kernel does not know are left out.
    std::error_code restrict_to(std::span<const std::uint8_t> operations) noexcept;

    /// Makes the calling thread the ring's one submitter; without single_issuer, the one that enters it for
    /// the least.
    std::error_code start() noexcept;

    /// True in a child made by fork since start: the ring is its parent's.
    bool is_inherited() const noexcept;

    /// True if the kernel knows the operation (IORING_REGISTER_PROBE).
    bool knows(std::uint8_t operation) const noexcept { return known_[operation]; }

    bool is_open() const noexcept { return descriptor_ >= 0; }
    int descriptor() const noexcept { return descriptor_; }
    unsigned setup_flags() const noexcept { return flags_; }
    unsigned features() const noexcept { return features_; }

    /// A cleared entry at the end of the submission queue, or nullptr when it is full. Valid until enter.
    io_uring_sqe* next_entry() noexcept;
    /// What the last next_entry returned.
    io_uring_sqe& last_entry() noexcept { return queue_[last_place()]; }
    /// Which of `entries()` places the last next_entry took: for memory that belongs to a submission.
    unsigned last_place() const noexcept { return (tail_ - 1) & mask_; }
    unsigned entries() const noexcept { return mask_ + 1; }
    unsigned unsubmitted() const noexcept;

    /// Submits what is queued; with `wait`, blocks for one completion at most until `until`; with `events`,
    /// lets the kernel deliver completions. Returns 0 or a negative errno; -ETIME and -EINTR are ends of the
    /// wait. -EEXIST: the caller is not the thread that started the ring, and the ring is for one issuer, or
    /// the caller is a child made by fork.
    int enter(bool events, bool wait, instant until) noexcept;

    /// The oldest completion, or nullptr. Valid until consumed.
    const io_uring_cqe* peek() const noexcept;
    void consume() noexcept;
    /// True while the kernel holds completions that did not fit (they come with the next enter).
    bool overflowed() const noexcept;

    /// io_uring_register(2): >= 0, or a negative errno.
    int register_call(unsigned operation, const void* argument, unsigned count) const noexcept;

 private:
    std::error_code map(const io_uring_params& parameters) noexcept;
    void unmap() noexcept;
    void probe() noexcept;

    int descriptor_ = -1;
    int enter_descriptor_ = -1;  // the registered index, where the kernel takes one: the starting thread's
    unsigned enter_flags_ = 0;
    unsigned flags_ = 0;
    unsigned features_ = 0;
    std::uint64_t starter_ = 0;  // the thread that started the ring
    unsigned forks_ = 0;         // of this process when it did
    std::bitset<256> known_;

    // Submission queue. tail_ is ours; the kernel sees it when it is published.
    io_uring_sqe* queue_ = nullptr;
    unsigned* kernel_head_ = nullptr;
    unsigned* kernel_tail_ = nullptr;
    unsigned* kernel_flags_ = nullptr;
    unsigned mask_ = 0;
    unsigned tail_ = 0;
    unsigned published_ = 0;

    // Completion queue. head_ is ours.
    const io_uring_cqe* completions_ = nullptr;
    unsigned* completion_head_ = nullptr;
    unsigned* completion_tail_ = nullptr;
    unsigned completion_mask_ = 0;
    unsigned head_ = 0;

    void* rings_ = nullptr;
    std::size_t rings_size_ = 0;
    std::size_t queue_size_ = 0;
};

}  // namespace naru
