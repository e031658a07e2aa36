// The simulated backend: operations on the sockets and files of a world. It tries, parks what would wait, and
// tries again when the socket tells of a change.
#pragma once

#include <naru/core/slot_table.hpp>
#include <naru/loop/backend.hpp>
#include <naru/sim/faults.hpp>
#include <naru/sim/socket.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <vector>

namespace naru::sim {

class world;

class backend final : public naru::backend, private watcher {
 public:
    /// Throws std::length_error for a pool size that naru::backend refuses.
    backend(host& on, std::size_t pool_buffers);
    ~backend() override;

    result<handle> attach(int descriptor, descriptor_kind kind, ownership whose) noexcept override;
    result<handle> open_listener(const address& where, const listen_options& options) noexcept override;
    result<handle> open_stream(const address& peer, const stream_options& options) noexcept override;
    result<handle> open_datagram(const address& where, const udp_options& options) noexcept override;
    result<address> local_address(handle of) noexcept override;
    result<address> peer_address(handle of) noexcept override;
    result<void> shutdown_send(handle of) noexcept override;
    void reset_on_close(handle of) noexcept override;
    std::uint64_t unacknowledged(handle of) noexcept override;
    peer_end end_of_peer(handle of) noexcept override;
    std::int64_t take_error(handle of) noexcept override;
    void refuse_connections(handle of) noexcept override;
    bool has_connection_waiting(handle of) noexcept override;
    bool can_be_watched(handle /*of*/) noexcept override { return true; }
    result<void> set_option(handle of, socket_option which, int value) noexcept override;
    result<int> option(handle of, socket_option which) noexcept override;
    void serves(loop& its_loop) noexcept override;
    result<handle> reserve_file() noexcept override;
    std::optional<descriptor_kind> kind_of(handle of) noexcept override;
    std::int64_t opened(handle of, int file) noexcept override;
    file_system& files() noexcept override;
    int descriptor(handle of) noexcept override;
    bool waits_for_buffer(handle of) noexcept override;
    void submit(operation_queue& batch, operation_queue& done) noexcept override;
    void cancel(operation& op, operation_queue& done) noexcept override;
    void wait(instant until, operation_queue& done) noexcept override;
    void wake() noexcept override;

    host& on() const noexcept { return host_; }
    /// The loop that this is the backend of; nullptr before there is one.
    loop* its_loop() const noexcept { return loop_; }
    /// When the next cancel or close that is late has its end; never if there is none.
    instant next_late() const noexcept;
    /// Whether a tick would find something.
    bool has_news() const noexcept;
    bool is_woken() const noexcept { return woken_.load(std::memory_order_acquire); }

 private:
    struct record {
        std::uint32_t generation = 0;
        std::uint32_t next_free = 0;
        int number = -1;  // the descriptor; a file that is not open has none
        socket_ref what;
        descriptor_kind kind = descriptor_kind::other;
        bool listed = false;       // in touched_
        bool starved = false;      // a recv waits for a buffer
        bool closing = false;      // its descriptor is gone, and the operations on it have yet to end
        std::deque<handle> ahead;  // of a listener: accepted before anybody asked
        intrusive_chain<operation> reads;
        intrusive_chain<operation> writes;

        intrusive_chain<operation>& waiting(direction way) noexcept {
            return way == direction::read ? reads : writes;
        }
    };

    /// An end that comes later than it could: of a cancelled operation, or of a close with all that waits.
    struct late_end {
        instant due;
        std::uint32_t slot;
        std::uint32_t generation;
        operation* of;
        bool closes;
    };

    void changed(std::uint32_t slot) noexcept override;
    record* live(handle of) noexcept;
    bool is_late(fault which) noexcept;
    void end_late(operation& of, bool closes) noexcept;
    void settle_late(operation_queue& done) noexcept;
    void accept_ahead(record& of) noexcept;
    void finish_cancel(record& of, operation& op, operation_queue& done) noexcept;
    socket* find(handle of) noexcept;
    result<handle> take(socket_ref what, descriptor_kind kind) noexcept;
    result<handle> name_record(descriptor_kind kind) noexcept;
    void start(operation& op, operation_queue& done) noexcept;
    void advance(std::uint32_t slot, direction way, operation_queue& done) noexcept;
    std::int64_t try_now(record& of, operation& op) noexcept;
    std::int64_t try_accept(record& of, const operation& op) noexcept;
    std::int64_t try_receive(record& of, operation& op) noexcept;
    std::int64_t try_connect(record& of, operation& op) noexcept;
    std::int64_t try_send(record& of, operation& op) noexcept;
    std::int64_t try_send_file(record& of, operation& op) noexcept;
    std::int64_t try_receive_from(record& of, operation& op) noexcept;
    std::int64_t try_send_to(record& of, operation& op) noexcept;
    void close(std::uint32_t slot, record& of, operation& op, operation_queue& done) noexcept;
    void forget(std::uint32_t slot, record& of) noexcept;
    void settle(operation_queue& done) noexcept;
    void end_all(intrusive_chain<operation>& waiting, std::int64_t result, operation_queue& done) noexcept;

    host& host_;
    world& world_;
    loop* loop_ = nullptr;
    slot_table<record> records_{limits::handles};
    std::vector<std::uint32_t> touched_;  // to be tried again
    std::vector<std::uint32_t> scratch_;
    std::vector<std::uint32_t> starved_;
    std::vector<late_end> late_;
    std::atomic<bool> woken_{false};
};

}  // namespace naru::sim
