// Readiness turned into completions, once, for all pollers: try the call; if it would block, park the
// operation until the poller reports; try again.
#pragma once

#include <naru/backend/attempt.hpp>
#include <naru/backend/readiness/poller.hpp>
#include <naru/core/limits.hpp>
#include <naru/core/slot_table.hpp>
#include <naru/loop/backend.hpp>

#include <atomic>
#include <memory>
#include <vector>

namespace naru {

class readiness_backend final : public backend {
 public:
    /// Throws std::system_error when the kernel refuses the descriptor that wakes the wait, or the poller
    /// cannot watch one with its number (select).
    explicit readiness_backend(std::unique_ptr<poller> reports,
                               std::size_t pool_buffers = limits::pool_buffers);
    ~readiness_backend() override;

    result<handle> attach(int descriptor, descriptor_kind kind, ownership whose) noexcept override;
    result<handle> reserve_file() noexcept override;
    std::optional<descriptor_kind> kind_of(handle of) noexcept override;
    std::int64_t opened(handle of, int file) noexcept override;
    int descriptor(handle of) noexcept override;
    bool waits_for_buffer(handle of) noexcept override {
        const record* found = records_.find(of);
        return found != nullptr && found->starved;
    }
    void mark_failed(handle of) noexcept override {
        if (record* const found = records_.find(of)) found->failed = true;
    }
    void submit(operation_queue& batch, operation_queue& done) noexcept override;
    void cancel(operation& op, operation_queue& done) noexcept override;
    void wait(instant until, operation_queue& done) noexcept override;
    void wake() noexcept override;
    std::size_t most_connections(std::size_t descriptors) const noexcept override;

 private:
    // What is known of a handle, in 32 bytes. A ready bit says that a call is worth trying: it is set by a
    // report and cleared by EAGAIN, or on TCP by a short read unless a hang-up was seen (then the end is
    // still to be read) or urgent data (then the read may have stopped at its mark, with more behind it). So
    // a request costs no call that only says EAGAIN. Of all others only EAGAIN says that there is no more: a
    // read of a UNIX-domain socket also ends where the sender changes or descriptors were passed, one of a
    // SEQPACKET socket at the end of a packet, and a datagram does not tell what is behind it.
    struct record : waiting_operations {
        std::uint32_t generation = 0;
        std::uint32_t next_free = 0;
        int descriptor = -1;
        descriptor_kind kind = descriptor_kind::other;
        interest armed = interest::none;  // what the poller will report
        bool registered : 1 = false;      // the poller knows the descriptor
        bool read_ready : 1 = false;
        bool write_ready : 1 = false;
        bool hangup : 1 = false;
        bool urgent : 1 = false;      // edge: there was urgent data, and not all is read yet
        bool listed : 1 = false;      // in changed_
        bool retell : 1 = false;      // edge: a `readable` or `writable` was told, ask to be told again
        bool starved : 1 = false;     // a recv waits for a buffer, not for the peer
        bool guessed : 1 = false;     // just accepted, and taken to have data already
        bool paused : 1 = false;      // in paused_
        bool in_starved : 1 = false;  // in starved_; like listed and paused it stays when the slot is reused
        bool blocking : 1 = false;    // in blocking mode, which is not ours to change
        bool kind_known : 1 = false;  // is_tcp has been asked for
        bool is_tcp : 1 = false;
        bool failed : 1 = false;  // the connection has, and somebody was told
        bool ended : 1 = false;   // a read was told the end of the stream
    };

    static_assert(sizeof(record) == 32);

    static std::uint64_t token_of(std::uint32_t slot, const record& of) noexcept {
        return (std::uint64_t{of.generation} << 32) | slot;
    }

    result<handle> name_descriptor(int descriptor, descriptor_kind kind) noexcept;
    void reserve_lists();
    static bool counts_tell(record& of) noexcept;
    static void end_both(record& of, std::int64_t result, operation_queue& done) noexcept;
    void start(operation& op, operation_queue& done) noexcept;
    static void end(record& of, operation& op, std::int64_t result, operation_queue& done) noexcept;
    attempt try_now(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept;
    attempt try_recv(record& of, operation& op, std::int64_t& result) noexcept;
    attempt pause(std::uint32_t slot, record& of) noexcept;
    attempt try_accept(record& of, std::int64_t& result) noexcept;
    attempt try_send(record& of, operation& op, std::int64_t& result) noexcept;
    attempt try_send_file(record& of, operation& op, std::int64_t& result) noexcept;
    attempt try_receive_from(record& of, operation& op, std::int64_t& result) noexcept;
    attempt try_send_to(record& of, operation& op, std::int64_t& result) noexcept;
    attempt try_connect(record& of, operation& op, std::int64_t& result) noexcept;
    // A read beside a connect could take the error that is the connect's: it waits until that has ended.
    static bool can_read(const record& of) noexcept {
        return of.read_ready && of.kind != descriptor_kind::socket;
    }
    static bool is_knocking(const record& of) noexcept;
    void knock_again(operation_queue& done) noexcept;
    void advance(std::uint32_t slot, direction way, operation_queue& done) noexcept;
    void close(std::uint32_t slot, record& of, operation& op, operation_queue& done) noexcept;
    void mark_changed(std::uint32_t slot, record& of) noexcept;
    void apply_changes(operation_queue& done) noexcept;
    std::error_code apply_interest(std::uint32_t slot, record& of) noexcept;
    void retry_starved(operation_queue& done) noexcept;
    void resume_paused(operation_queue& done) noexcept;
    void handle_report(const readiness& report, operation_queue& done) noexcept;

    std::unique_ptr<poller> poller_;
    const poller::reporting mode_;
    slot_table<record> records_{limits::handles};
    // How often the data was there already when a connection was accepted, as a score: guessing right saves
    // the registration of a connection that is closed after one request (one call in six), guessing wrong
    // costs a call that says EAGAIN. At zero, one in `guesses_apart` is still tried.
    static constexpr int score_max = 8;
    static constexpr unsigned guesses_apart = 32;
    bool guess_readable() noexcept { return guess_score_ > 0 || ++unguessed_ % guesses_apart == 0; }
    int guess_score_ = score_max / 2;
    unsigned unguessed_ = 0;

    // Slots, each at most once in each list, so that with room for all slots no push allocates.
    std::vector<std::uint32_t> changed_;  // whose interest is to be looked at before the wait
    std::vector<std::uint32_t> starved_;
    std::vector<std::uint32_t> paused_;  // a send_file has had its turn, or found none left in this tick
    std::uint64_t bytes_left_ = limits::send_file_bytes_per_tick;  // for large sends in this tick
    std::vector<std::uint32_t> scratch_;                           // one of these while it is worked through
    std::vector<handle> knocking_;  // a connect has found the listener's queue full
    std::vector<handle> resumed_;   // knocking_ while it is worked through
    instant next_knock_{};
    duration knock_pause_{};
    int wake_descriptor_;
    std::atomic<unsigned> wakes_{0};  // calls of wake since nobody was giving a signal
};

}  // namespace naru
