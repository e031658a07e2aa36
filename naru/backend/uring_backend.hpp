// The io_uring engine: completions straight from the kernel. Listeners and connections are armed once with
// multishot accept and receive; what arrives before somebody asks is kept, in order and within a limit, so
// the operations above keep their one-to-one contract without a submission each.
#pragma once

#include <naru/backend/uring_buffers.hpp>
#include <naru/backend/uring_ring.hpp>
#include <naru/core/limits.hpp>
#include <naru/core/slot_table.hpp>
#include <naru/loop/backend.hpp>

#include <memory>
#include <string>
#include <vector>

struct msghdr;

namespace naru {

/// Features can be switched off one by one, so that the paths for older kernels are tested on new ones.
struct uring_options {
    bool multishot_accept = true;
    bool multishot_recv = true;
    bool single_issuer = true;
    bool sqpoll = false;
    unsigned entries = limits::uring_entries;
    unsigned completions = limits::uring_completions;
    std::size_t pool_buffers = limits::pool_buffers;
};

class uring_backend final : public backend {
 public:
    /// Throws std::system_error whose text says why there can be no ring here and what would change that.
    explicit uring_backend(const uring_options& options = {});
    ~uring_backend() override;

    result<handle> attach(int descriptor, descriptor_kind kind) noexcept override;
    int descriptor(handle of) noexcept override;
    void submit(operation_queue& batch, operation_queue& done) noexcept override;
    void cancel(operation& op, operation_queue& done) noexcept override;
    void wait(instant until, operation_queue& done) noexcept override;
    void wake() noexcept override;

    /// What the ring had to do without; empty on a recent kernel.
    const std::string& given_up() const noexcept { return given_up_; }

 private:
    enum class tag : std::uint8_t { operation = 0, armed = 1, ignored = 2, wake = 3 };

    static constexpr std::uint32_t none = ~0u;

    struct record {
        std::uint32_t generation = 0;
        std::uint32_t next_free = 0;  // while taken: the next accepted handle kept for the same listener
        int descriptor = -1;
        descriptor_kind kind = descriptor_kind::other;
        bool armed : 1 = false;     // a multishot (or one-shot) accept or receive is in the kernel
        bool stopping : 1 = false;  // and has been asked to end
        bool starved : 1 = false;   // waits for buffers
        bool polled : 1 = false;    // what is armed is a poll, because the descriptor is non-blocking for now
        bool closing : 1 = false;   // the close operation is at the front of reads
        std::uint16_t in_kernel = 0;        // one-shot operations submitted
        intrusive_chain<operation> reads;   // in order; the first may be in the kernel (recv_into, readable)
        intrusive_chain<operation> writes;  // in order; the first is in the kernel
        std::uint32_t kept_first = none;  // buffers received, or handles accepted, that nobody asked for yet
        std::uint32_t kept_last = none;
        std::uint16_t kept = 0;
        std::int32_t ended = 0;  // outcome of all further reads once it is negative
    };
    static_assert(sizeof(record) <= 48);

    struct received {  // of the pool buffer with the same index
        std::uint32_t next = none;
        std::uint16_t offset = 0;
        std::uint16_t size = 0;
    };

    static std::uint64_t word(tag of, std::uint64_t value) noexcept {
        return value | static_cast<std::uint64_t>(of);
    }
    static std::uint64_t armed_word(std::uint32_t slot, const record& of) noexcept {
        return (std::uint64_t{of.generation} << 32) | (std::uint64_t{slot} << 3) |
               static_cast<std::uint64_t>(tag::armed);
    }

    void start_ring() noexcept;
    io_uring_sqe& entry() noexcept;
    io_uring_sqe& entry_for(operation& op, record& of, std::uint8_t opcode) noexcept;
    void arm_wake() noexcept;

    void start(operation& op, operation_queue& done) noexcept;
    void serve_reads(std::uint32_t slot, record& of, operation_queue& done) noexcept;
    bool serve_read(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    void take_kept(record& of, operation& op, std::int64_t& result) noexcept;
    void arm(std::uint32_t slot, record& of) noexcept;
    void disarm(std::uint32_t slot, record& of) noexcept;
    void start_write(record& of, operation_queue& done) noexcept;
    bool put_write(record& of, operation& op, std::int64_t& result) noexcept;
    bool put_send(record& of, operation& op) noexcept;
    bool step_send_file(record& of, send_file_operation& op, std::int64_t& result) noexcept;
    void finish_write(record& of, operation& op, std::int64_t result, operation_queue& done) noexcept;

    void begin_close(std::uint32_t slot, record& of, operation& op, operation_queue& done) noexcept;
    void finish_close(std::uint32_t slot, record& of, operation_queue& done) noexcept;
    void drop_kept(record& of) noexcept;

    void handle_completion(const io_uring_cqe& completion, operation_queue& done) noexcept;
    void on_operation(operation& op, int outcome, operation_queue& done) noexcept;
    void on_armed(std::uint32_t slot, record& of, const io_uring_cqe& completion,
                  operation_queue& done) noexcept;
    void keep_buffer(record& of, std::uint32_t index, int size) noexcept;
    void keep_accepted(record& of, int descriptor) noexcept;
    void starve(std::uint32_t slot, record& of) noexcept;
    void resume_waiting(operation_queue& done) noexcept;

    uring_options options_;
    std::string given_up_;
    uring_ring ring_;
    uring_buffers lent_{buffers_};
    slot_table<record> records_{1u << 29};
    std::vector<received> received_;       // by pool buffer
    std::unique_ptr<msghdr[]> messages_;   // by place in the submission queue: alive until submitted
    std::vector<io_uring_cqe> set_aside_;  // completions read while making room for submissions
    std::vector<handle> starved_;
    std::vector<handle> paused_;  // a send_file has had its turn
    std::vector<handle> resumed_;
    int wake_descriptor_;
    bool started_ = false;
};

}  // namespace naru
