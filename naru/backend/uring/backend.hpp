// The io_uring engine: completions straight from the kernel. Listeners and connections are armed once with
// multishot accept and receive; what arrives before somebody asks is kept, in order and within a limit, so
// the operations above keep their one-to-one contract without a submission each.
//
// The files follow an operation's way:
// backend.cpp    the ring's life: what it is made of, what is attached to it, what wakes it
// submit.cpp     the way in: operations, entries, and room for them
// read.cpp       receives: arming, what is kept ahead, waiting for buffers
// accept.cpp     what an armed accept brings
// write.cpp      send, send_file
// connect.cpp    connect, and what reads meanwhile
// datagram.cpp   receive_from, send_to
// file.cpp       open_file, read_file, write_file, sync_file
// chain.cpp      operations linked by the kernel
// complete.cpp   the way out: the wait, and which completion goes where
// close.cpp      cancel, close, release
// direct.cpp     descriptors that live in the ring instead of the process
// states.hpp     what a handle and an operation can be doing, and what may follow
#pragma once

#include <naru/backend/uring/buffers.hpp>
#include <naru/backend/uring/options.hpp>
#include <naru/backend/uring/ring.hpp>
#include <naru/backend/uring/states.hpp>
#include <naru/core/limits.hpp>
#include <naru/core/slot_table.hpp>
#include <naru/loop/backend.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

struct msghdr;

namespace naru {

struct receive_from_operation;
struct send_to_operation;

class uring_backend final : public backend {
 public:
    /// Throws std::system_error whose text says why there can be no ring here and what would change that.
    explicit uring_backend(const uring_options& options = {});
    ~uring_backend() override;

    result<handle> attach(int descriptor, descriptor_kind kind, ownership whose) noexcept override;
    result<handle> reserve_file() noexcept override;
    std::optional<descriptor_kind> kind_of(handle of) noexcept override;
    int descriptor(handle of) noexcept override;
    bool waits_for_buffer(handle of) noexcept override {
        const record* found = records_.find(of);
        return found != nullptr && found->starved();
    }
    borrowed_descriptor borrow(handle of) noexcept override;
    void submit(operation_queue& batch, operation_queue& done) noexcept override;
    void cancel(operation& op, operation_queue& done) noexcept override;
    void wait(instant until, operation_queue& done) noexcept override;
    void wake() noexcept override;
    void mark_failed(handle of) noexcept override {
        if (record* const found = records_.find(of)) found->failed = true;
    }
    std::size_t kept_for(handle of) noexcept override;
    std::size_t most_connections(std::size_t descriptors) const noexcept override {
        return std::max<std::size_t>(descriptors, may_go_direct() ? table_ : 0);
    }

    /// What the ring had to do without, and why; empty on a recent kernel.
    const std::string& given_up() const noexcept { return given_up_; }

    /// True once connections are accepted as direct descriptors.
    bool accepts_direct() const noexcept { return direct_now_; }
    /// How many at most.
    std::size_t direct_places() const noexcept { return table_; }

 private:
    enum class tag : std::uint8_t {
        operation = 0,
        armed = 1,
        ignored = 2,
        wake = 3,
        command = 4,
        chain_cancel = 5
    };

    using life = uring::life;
    using standing = uring::standing;
    using shape = uring::shape;
    using pace = uring::pace;
    using linked_send = uring::linked_send;

    static constexpr std::uint32_t none = ~0u;

    struct record : uring::handle_states {
        descriptor_kind kind = descriptor_kind::other;
        bool direct : 1 = false;    // lives in the ring's table
        bool blocking : 1 = false;  // in blocking mode, which is not ours to change
        bool failed : 1 = false;    // the connection has, and somebody was told
        std::int16_t ended = 0;     // outcome of all further reads once it is negative
        std::uint16_t kept = 0;     // buffers received, or handles accepted, that nobody asked for yet
        union {
            std::uint32_t next_free =
                none;                 // of one that is kept for its listener: the one accepted behind it
            std::uint32_t kept_last;  // of what is kept, the newest: the oldest is behind it, as in a ring
        };
        std::uint32_t generation = 0;
        int descriptor = -1;               // or, if direct, its index in the ring's table
        std::uint16_t in_kernel = 0;       // one-shot operations submitted
        intrusive_chain<operation> reads;  // in order; the first may be in the kernel (lent memory, readable)
        intrusive_chain<operation> writes;  // in order; the first is in the kernel

        void end(std::int64_t outcome) noexcept { ended = static_cast<std::int16_t>(outcome); }
    };
    static_assert(sizeof(record) <= 40, "an idle connection's part");

    struct received {  // of the pool buffer with the same index
        std::uint32_t next = none;
        std::uint16_t offset = 0;
        std::uint16_t size = 0;
    };

    static std::uint64_t word(tag of, std::uint64_t value) noexcept {
        return value | static_cast<std::uint64_t>(of);
    }
    static std::uint64_t operation_word(const operation& op) noexcept {
        return word(tag::operation, reinterpret_cast<std::uint64_t>(&op));
    }
    static std::uint64_t record_word(tag what, std::uint32_t slot, const record& of) noexcept {
        return word(what, (std::uint64_t{of.generation} << 32) | (std::uint64_t{slot} << 3));
    }
    static std::uint64_t armed_word(std::uint32_t slot, const record& of) noexcept {
        return record_word(tag::armed, slot, of);
    }

    // backend.cpp
    void open_ring();
    void do_without(const std::string& what);
    void start_ring() noexcept;
    void arm_wake() noexcept;
    result<handle> name_descriptor(int descriptor, descriptor_kind kind, bool direct) noexcept;

    // submit.cpp
    int enter(bool events, bool wait, instant until) noexcept;
    io_uring_sqe& entry() noexcept;
    void make_room() noexcept;
    void set_aside_completions() noexcept;
    io_uring_sqe& entry_for(operation& op, record& of, std::uint8_t opcode,
                            uring::place as = uring::place::in_kernel) noexcept;
    void put_poll(operation& op, record& of) noexcept;
    int command(const io_uring_sqe& prepared) noexcept;
    void start(operation& op, operation_queue& done) noexcept;

    // complete.cpp
    void handle_completion(const io_uring_cqe& completion, operation_queue& done) noexcept;
    void on_operation(operation& op, const io_uring_cqe& completion, operation_queue& done) noexcept;
    static void left_kernel(record& of) noexcept;
    void finish(std::uint32_t slot, record& of, operation& op, std::int64_t result,
                operation_queue& done) noexcept;

    // read.cpp
    void serve_reads(std::uint32_t slot, record& of, operation_queue& done) noexcept;
    bool serve_read(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    std::uint32_t& behind(const record& of, std::uint32_t kept) noexcept {
        return of.kind == descriptor_kind::listener ? records_.at(kept).next_free : received_[kept].next;
    }
    void keep(record& of, std::uint32_t newest) noexcept;
    std::uint32_t oldest_kept(const record& of) noexcept { return behind(of, of.kept_last); }
    std::uint32_t drop_oldest(record& of) noexcept;
    void take_kept(record& of, operation& op, std::int64_t& result) noexcept;
    void drop_kept(record& of) noexcept;
    void arm(std::uint32_t slot, record& of) noexcept;
    void wait_by_poll(std::uint32_t slot, record& of) noexcept;
    void disarm(std::uint32_t slot, record& of) noexcept;
    unsigned receives_ahead() const noexcept;
    void watch_pool() noexcept;
    void on_armed(std::uint32_t slot, record& of, const io_uring_cqe& completion,
                  operation_queue& done) noexcept;
    bool on_received_into(std::uint32_t slot, record& of, operation& op, std::int64_t& result,
                          operation_queue& done) noexcept;
    void on_received(std::uint32_t slot, record& of, const io_uring_cqe& completion) noexcept;
    void keep_buffer(record& of, std::uint32_t index, std::uint32_t size) noexcept;
    void starve(std::uint32_t slot, record& of) noexcept;
    void resume_starved(operation_queue& done) noexcept;

    // accept.cpp
    void on_accepted(std::uint32_t slot, record& of, int outcome) noexcept;
    bool accept_now(std::uint32_t slot, record& of) noexcept;

    // write.cpp
    void start_write(record& of, operation_queue& done) noexcept;
    bool put_write(record& of, operation& op, std::int64_t& result) noexcept;
    bool put_send(record& of, operation& op) noexcept;
    std::int64_t refuse_itself(const record& of, const operation& op) noexcept;
    bool on_sent(record& of, operation& op, std::int64_t& result) noexcept;
    bool step_send_file(record& of, send_file_operation& op, std::int64_t& result) noexcept;
    bool step_copied_file(record& of, send_file_operation& op, std::int64_t& result) noexcept;
    bool on_file_sent(record& of, send_file_operation& op, int outcome, std::int64_t& result) noexcept;
    void end_send_file(send_file_operation& op) noexcept;
    void resume_paused(operation_queue& done) noexcept;

    // connect.cpp
    void put_connect(record& of, operation& op) noexcept;
    bool on_connect(record& of, operation& op, std::int64_t& result) noexcept;
    void put_unconnected(record& of, operation& op) noexcept;
    void on_unconnected(std::uint32_t slot, record& of, operation& op, operation_queue& done) noexcept;

    // datagram.cpp
    void put_receive_from(record& of, receive_from_operation& op) noexcept;
    void put_send_to(record& of, send_to_operation& op) noexcept;
    bool on_datagram(record& of, operation& op, std::int64_t& result) noexcept;

    // close.cpp
    io_uring_sqe& put_cancel(const operation& op) noexcept;
    io_uring_sqe& put_cancel_all(const record& of) noexcept;
    void await_armed(std::uint32_t slot, record& of, operation& op) noexcept;
    void begin_close(std::uint32_t slot, record& of, operation& op, operation_queue& done) noexcept;
    void put_close(record& of, operation& op, uring::place as = uring::place::in_kernel) noexcept;
    bool hand_over_kept(record& of, received_ahead& to) noexcept;
    void finish_close_if_quiet(std::uint32_t slot, record& of, operation_queue& done) noexcept;

    // direct.cpp
    void open_table();
    bool may_go_direct() const noexcept { return options_.direct_descriptors != uring_options::direct::off; }
    int install(int place) noexcept;
    void leave_place(descriptor_kind kind, int place) noexcept;
    bool table_is_full() const noexcept { return direct_used_ >= table_; }
    bool table_is_nearly_full() const noexcept { return direct_used_ + limits::accepts_ahead >= table_; }
    int register_direct(int descriptor) noexcept;
    void close_direct(int index) noexcept;

    // file.cpp
    void start_file(record& of, operation& op, operation_queue& done) noexcept;
    void prepare_file(io_uring_sqe& submission, const record& of, const operation& op) noexcept;
    bool on_file(record& of, operation& op, std::int64_t& result) noexcept;

    // chain.cpp
    bool start_chain(operation& first) noexcept;
    bool can_link(const operation& op, bool first) noexcept;
    void put_chain_cancel(std::uint32_t slot, const record& of) noexcept;
    void on_chain_cancel(handle of, int outcome) noexcept;
    void on_chained(operation& op, int outcome, operation_queue& done) noexcept;

    uring_options options_;
    std::string given_up_;
    uring_ring ring_;
    uring_buffers lent_{buffers_};
    slot_table<record> records_{1u << 29};
    std::vector<received> received_;       // by pool buffer
    std::unique_ptr<msghdr[]> messages_;   // by place in the submission queue: alive until submitted
    std::vector<io_uring_cqe> set_aside_;  // completions read while something else was waited for
    std::vector<handle> starved_;
    unsigned refused_ = 0;        // receives that met no buffer since more were lent
    std::vector<handle> paused_;  // a large send has had its turn, or found none left
    std::uint64_t bytes_left_ = limits::send_file_bytes_per_tick;  // for large sends in this tick
    std::vector<handle> resumed_;
    std::vector<std::uint16_t> free_files_;  // places of the table for files that are opened by name
    int wake_descriptor_;
    std::size_t kept_ahead_ = 0;       // buffers, of all connections
    int direct_from_ = 0;              // an accepted descriptor with this number means that the limit is near
    unsigned table_ = 0;               // places in the ring's table
    unsigned direct_used_ = 0;         // of them, by connections
    std::atomic<bool> message_wakes_;  // read and cleared by any thread
    bool started_ = false;
    bool pool_is_short_ = false;  // nothing is received ahead
    bool direct_now_ = false;
};

}  // namespace naru
