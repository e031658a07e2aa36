// A user of one io_uring loop over the fake kernel, who does at random what a program may do, and knows what
// must come of it: each operation ends once and with what the kernel gave; bytes come in order, none lost or
// twice; a buffer is held by one; each descriptor is closed once; what waits is served when there is
// something for it; and at the end nothing is left.
#pragma once

#include "completions/choices.hpp"
#include "completions/fake_kernel.hpp"
#include "completions/ticket.hpp"

#include <naru/backend/uring/options.hpp>
#include <naru/loop/loop.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <span>
#include <vector>

namespace naru::testing {

/// A handle.
struct side {
    handle name;
    file_pointer file;  ///< none of a file that is opened by name
    descriptor_kind kind = descriptor_kind::other;
    std::uint64_t delivered = 0;  ///< bytes of its stream
    bool closing = false;         ///< a close or a release is under way
    bool maybe_closing = false;   ///< a close is in a chain
    bool gone = false;
    std::deque<ticket*> reads;
    std::deque<ticket*> writes;
};

class judge final : public kernel_watcher {
 public:
    explicit judge(std::span<const std::uint8_t> input);
    ~judge() override;
    void run();

    void ended(ticket& which) noexcept;

 private:
    uring_options options();

    // judge.cpp: what is done
    void act(unsigned depth);
    side& add(handle name, file_pointer file, descriptor_kind kind);
    void open_side();
    side* pick() noexcept;
    void submit_on(side& on);
    void submit_on_stream(side& on);
    void submit_on_file(side& on);
    void submit_chain(side& on);
    void read(side& on, unsigned how);
    void send(side& on, bool datagram);
    void send_file(side& on);
    void end(side& on, bool release);
    void cancel_one() noexcept;
    void give_back_one() noexcept;
    template <class Ticket>
    Ticket& make(side& on, std::unique_ptr<Ticket> fresh);
    void fill_sends(ticket& of, std::size_t size);
    void tick() { loop_->run_for_one_tick(std::chrono::milliseconds(0)); }
    void settle();
    void finish();

    // judge_rules.cpp: what must come of it
    void took(fake_file& of, const std::byte* data, std::size_t size) noexcept override;
    void moved(fake_file& to, const fake_file& from, std::uint64_t offset,
               std::uint64_t size) noexcept override;
    void told(std::uint64_t user_data, std::uint8_t opcode, int result, unsigned flags) noexcept override;
    void check_turn(ticket& of, std::int64_t result) noexcept;
    void check(ticket& of, std::int64_t result) noexcept;
    void check_read(ticket& of, std::int64_t result) noexcept;
    void check_bytes(side& on, std::span<const std::byte> bytes) noexcept;
    void check_accept(ticket& of, std::int64_t result);
    void check_sent(ticket& of, std::int64_t result) noexcept;
    void check_file(ticket& of, std::int64_t result) noexcept;
    void check_close(ticket& of, std::int64_t result) noexcept;
    void check_release(ticket& of, std::int64_t result) noexcept;
    bool may_be_canceled(const ticket& of) const noexcept;
    ticket* first_write(const fake_file& of) noexcept;

    choices choose_;
    fake_kernel kernel_;
    std::unique_ptr<loop> loop_;
    std::list<std::unique_ptr<ticket>> under_way_;
    std::deque<side> sides_;
    std::vector<std::byte*> held_;  // buffers
    int source_ = -1;               // of send_file
    std::uint64_t serials_ = 0;
    unsigned depth_ = 0;
    bool ending_ = false;  // nothing new is begun
};

/// All of a run.
void judge_completions(std::span<const std::uint8_t> input);

template <class Operation>
void ticketed<Operation>::end(ticket& self) noexcept {
    self.by->ended(self);
}

}  // namespace naru::testing
