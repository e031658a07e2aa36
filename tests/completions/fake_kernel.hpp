// A kernel that does what io_uring's may do, in whatever order and with whatever outcome the bytes of a
// choice decide: the ring of naru/backend/uring/ring.hpp and the system calls, for programs that link
// fake_ring.cpp before naru.
//
// What it watches itself: that no descriptor is used or closed that is not there, that no buffer is lent
// twice, that memory stays as it is until a send without a copy has said that it is free, and that nothing
// but what was declared is submitted.
#pragma once

#include "completions/choices.hpp"

#include <naru/backend/uring/abi.hpp>

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

namespace naru::testing {

enum class fake_kind : std::uint8_t { stream, listener, datagram, pipe, file, wake };

/// An open file description.
struct fake_file {
    fake_file(fake_kind of_kind, unsigned given_number) noexcept : kind(of_kind), number(given_number) {}

    /// The byte at an offset of its stream, or of the file.
    std::byte at(std::uint64_t offset) const noexcept {
        return static_cast<std::byte>(number * 37 + offset * 11 + (offset >> 8) * 3);
    }

    fake_kind kind;
    unsigned number;
    unsigned names = 0;          ///< descriptors, and places in the ring's table
    std::uint64_t received = 0;  ///< bytes that have been handed out
    bool ended = false;          ///< the end of its stream was told, or a failure
    bool failed = false;         ///< a failure
    bool cut = false;            ///< the judge's: a send has ended in the middle, which counts as a failure
    std::set<int> told;          ///< errors
    std::deque<std::shared_ptr<fake_file>> accepted;  ///< of a listener: told, and not looked at by the judge
};
using file_pointer = std::shared_ptr<fake_file>;

inline constexpr std::uint64_t fake_file_size = 40'000;

/// What the judge is told.
class kernel_watcher {
 public:
    virtual ~kernel_watcher() = default;
    /// Bytes that a send or a write has taken.
    virtual void took(fake_file& of, const std::byte* data, std::size_t size) noexcept = 0;
    /// Bytes of a file that sendfile(2) has moved.
    virtual void moved(fake_file& to, const fake_file& from, std::uint64_t offset,
                       std::uint64_t size) noexcept = 0;
    /// A completion of what has `user_data`.
    virtual void told(std::uint64_t user_data, std::uint8_t opcode, int result, unsigned flags) noexcept = 0;
};

/// How often each thing has happened, of all that there are: a run that is to reach them looks here.
enum class happening : std::uint8_t {
    multishot_ended,
    no_buffers,
    canceled,
    cancel_crossed,   ///< the completion was there before the cancel
    cancel_too_late,  ///< it went on, and ended later
    notice_late,
    notice_missing,
    short_count,
    accepted_ahead,
    overflow,
    refused_enter,
    bundle,
    end_of_stream,
    reset,
    chain_cut,
    direct,
    must_wait,  ///< EAGAIN
    part_taken,
    kinds
};

class fake_kernel {
 public:
    fake_kernel(choices& decides, kernel_watcher& told, unsigned first_number) noexcept;
    ~fake_kernel();
    fake_kernel(const fake_kernel&) = delete;
    fake_kernel& operator=(const fake_kernel&) = delete;

    /// The one that calls are made of.
    static fake_kernel& current() noexcept;

    enum class mood : std::uint8_t {
        chosen,    ///< by the choices
        generous,  ///< all that waits gets something
        calm,      ///< what was asked to end does, what ends by itself does, and nothing else
    };
    void become(mood next) noexcept { mood_ = next; }
    /// From here on a call may leave some of what is submitted for the next, as a thread of the kernel does
    /// (SQPOLL), and a kernel without memory. What is linked stays together. And every other descriptor is in
    /// blocking mode.
    void vary() noexcept { varies_ = true; }
    bool is_blocking(int descriptor) const noexcept { return varies_ && descriptor % 2 == 1; }

    // For the judge.
    int make(fake_kind kind);
    file_pointer file_of(int descriptor) const noexcept;
    /// Requests that have not ended, but the wait for a wake.
    std::size_t left() const noexcept;
    std::size_t descriptors() const noexcept { return descriptors_.size(); }
    std::size_t places_taken() const noexcept;
    /// How many buffers the kernel has.
    std::size_t buffers_lent() const noexcept;
    bool lends(std::uint16_t buffer) const noexcept;

    // The ring.
    void set_up(unsigned entries, unsigned completions) noexcept;
    std::vector<io_uring_sqe>& queue() noexcept { return queue_; }
    unsigned* head() noexcept { return &head_; }
    void allow(std::span<const std::uint8_t> operations) noexcept;
    int enter(unsigned tail, bool events) noexcept;
    const io_uring_cqe* peek() const noexcept { return ready_.empty() ? nullptr : &ready_.front(); }
    void consume() noexcept { ready_.pop_front(); }
    bool overflowed() const noexcept { return !late_.empty(); }
    int register_call(unsigned operation, const void* argument, unsigned count) noexcept;

    // The system calls.
    void close(int descriptor) noexcept;
    std::int64_t accept(int listener) noexcept;
    std::int64_t shutdown(int socket) noexcept;
    std::int64_t send_file(int socket, int file, std::uint64_t offset, std::uint64_t count) noexcept;
    std::int64_t read_file(int file, std::span<std::byte> into, std::uint64_t offset) noexcept;
    bool connected_to_itself(int socket) noexcept;
    void wake() noexcept { woken_ = true; }
    void drain(int descriptor) noexcept;

    static std::array<std::uint64_t, static_cast<std::size_t>(happening::kinds)> happened;

 private:
    struct request {
        std::unique_ptr<io_uring_sqe> kept = std::make_unique<io_uring_sqe>();
        io_uring_sqe& entry = *kept;
        file_pointer file;
        std::vector<std::pair<const std::byte*, std::size_t>> pieces;  // what a send has to take
        std::unique_ptr<request> behind;                               // linked
        bool asked = false;                                            // to end
        bool multishot = false;
    };
    struct notice {  // owed by a send without a copy
        std::uint64_t user_data = 0;
        std::vector<std::pair<const std::byte*, std::size_t>> pieces;
        unsigned sum = 0;
    };
    using pending_list = std::list<std::unique_ptr<request>>;

    static void count(happening what) noexcept { ++happened[static_cast<std::size_t>(what)]; }

    // fake_kernel.cpp
    void post(const request& of, int result, unsigned flags) noexcept;
    void put(const io_uring_cqe& completion) noexcept;
    void flush() noexcept;
    void submit(unsigned tail) noexcept;
    void begin(std::unique_ptr<request> fresh) noexcept;
    bool look_up(request& of) noexcept;
    static void gather(request& of) noexcept;
    void cancel(const request& by) noexcept;
    int cancel_one(pending_list::iterator which) noexcept;
    pending_list::iterator find(const request* which) noexcept;
    bool fits(const request& each, const request& cancels, const fake_file* file) const noexcept;
    void end(pending_list::iterator which, int result, unsigned flags = 0) noexcept;
    void follow(std::unique_ptr<request> ended, bool well) noexcept;
    void proceed() noexcept;
    void proceed_calmly() noexcept;
    void notify(std::size_t which) noexcept;
    int number_for(const file_pointer& file) noexcept;
    int place_for(const file_pointer& file) noexcept;
    void give_up_name(const file_pointer& file) noexcept;

    // fake_requests.cpp: one step of a request
    void step(pending_list::iterator which) noexcept;
    void step_accept(pending_list::iterator which) noexcept;
    void step_receive(pending_list::iterator which) noexcept;
    void receive_into_buffers(pending_list::iterator which, std::size_t most, unsigned flags) noexcept;
    void step_send(pending_list::iterator which) noexcept;
    void step_datagram(pending_list::iterator which) noexcept;
    void step_file(pending_list::iterator which) noexcept;
    void step_open(pending_list::iterator which) noexcept;
    void step_close(pending_list::iterator which) noexcept;
    bool step_command(const request& of) noexcept;
    bool fails(pending_list::iterator which, std::span<const int> errors) noexcept;
    std::size_t portion(std::size_t most, std::size_t usual) noexcept;
    // Choices, where the mood leaves any.
    unsigned below(std::size_t bound) noexcept { return mood_ == mood::chosen ? choose_.below(bound) : 0; }
    bool one_in(unsigned bound) noexcept { return mood_ == mood::chosen && choose_.one_in(bound); }
    int connect_one(fake_file& listener, bool direct) noexcept;

    choices& choose_;
    kernel_watcher& watcher_;
    unsigned first_number_;
    mood mood_ = mood::chosen;
    std::map<int, file_pointer> descriptors_;
    std::vector<file_pointer> table_;
    unsigned files_made_ = 0;
    std::vector<io_uring_sqe> queue_;
    unsigned head_ = 0;
    std::size_t room_ = 0;
    std::deque<io_uring_cqe> ready_;
    std::deque<io_uring_cqe> late_;  // overflowed
    pending_list pending_;
    std::vector<notice> notices_;
    std::bitset<256> allowed_;
    io_uring_buf_ring* lent_ = nullptr;
    unsigned lent_entries_ = 0;
    std::uint16_t lent_head_ = 0;
    bool refused_ = false;
    bool varies_ = false;
    bool woken_ = false;
};

}  // namespace naru::testing
