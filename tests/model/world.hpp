// Carries a program out on a loop and holds what comes of it against the contract in naru/loop/operation.hpp,
// told here in the plainest way: what was sent is what is received, each operation ends once, an error has a
// reason.
#pragma once

#include "model/program.hpp"
#include "support/backends.hpp"
#include "support/sockets.hpp"

#include <naru/naru.hpp>

#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace naru::testing {

/// One operation of a program. Owns it and the memory that is lent to it.
struct record {
    explicit record(step_kind of) noexcept : kind(of) {}
    virtual ~record() = default;
    record(const record&) = delete;
    record& operator=(const record&) = delete;

    virtual operation& op() noexcept = 0;
    bool pending() const noexcept { return submitted && completions == 0; }
    /// Of what was to be sent, what has left.
    std::string left() noexcept { return text.substr(0, static_cast<std::size_t>(op().progress)); }

    const step_kind kind;
    std::size_t number = 0;
    bool submitted = false;
    int completions = 0;
    bool cancel_asked = false;  // by a cancel, or because its handle is closed or released
    bool handle_gone = false;   // submitted behind its handle's close: it cannot succeed
    bool in_chain = false;
    int end = -1;              // index of the connection's end, or of the socket or file
    record* behind = nullptr;  // the member of its chain before it
    std::string text;          // sent, or the memory that is received into
    std::vector<slice> pieces;
};

class world {
 public:
    /// Whatever does not come about within `patience` never does.
    world(loop& on, const backend_variant& variant, duration patience);
    ~world();
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    /// Takes every step, then lets all that can end do so and ends the rest. False, and `failure`, at the
    /// first thing that the contract does not allow. Then the loop may still have operations of this world.
    bool carry_out(const program& steps);
    /// From here on an operation may also fail for want of memory, buffers or descriptors, or because a
    /// connection was gone before it was accepted.
    void expect_faults() noexcept { faults_ = true; }
    const std::string& failure() const noexcept { return failure_; }
    /// Operations that ended, by success or otherwise. A model that nothing happens in would never fail.
    std::size_t ended() const noexcept { return ended_; }

 private:
    template <class Operation>
    struct recorded;

    /// What goes from one end of a connection to the other.
    struct flow {
        std::vector<record*> sends;  // in the order in which they are sent
        std::string received;
        bool ended = false;     // the sender has shut down or closed
        bool end_seen = false;  // the receiver was told so
        bool unknown = false;   // received ahead and given up with a release
    };
    struct end_point {
        handle own;
        bool open = true;  // no close, no release has been submitted
        bool shut = false;
        bool chain_busy = false;
        std::vector<record*> reads;   // that must complete in this order
        std::vector<record*> writes;  // likewise
    };
    struct datagram_socket {
        handle own;
        address where;
        std::vector<record*> sends;
        std::size_t seen = 0;  // of the other's sends: what comes next is behind it
        std::vector<record*> reads;
    };
    struct file_handle {
        handle own;
        bool opened = false;
        bool open = true;
        bool busy = false;
    };
    struct alarm_timer : timer {
        explicit alarm_timer(world& of, std::size_t operation) noexcept;
        world& owner;
        std::size_t target;
        instant due = never;
    };

    void take(const step& each);
    void take_inside();
    void ticks(unsigned count);
    bool run_until(const std::function<bool()>& done, const char* what);

    template <class Operation>
    recorded<Operation>& make(step_kind kind, int end);
    template <class Operation>
    recorded<Operation>& make(step_kind kind, int end, operation_kind of);
    void submit(record& each);
    void completed(record& each) noexcept;
    void check(record& each);
    void check_read(record& each);
    void check_write(record& each);
    void check_accept(record& each);
    void check_datagram(record& each);
    void check_file_read(record& each);
    void check_order(const std::vector<record*>& line, const record& each);
    void check_flow(std::size_t to);
    void fail(const record& each, const std::string& what);
    void fail(const std::string& what);

    // The steps.
    void open_pair();
    end_point* open_end(std::uint32_t a, std::size_t& index);
    void receive(std::size_t end);
    void receive_into(std::size_t end, std::size_t size);
    void send(std::size_t end, std::size_t size, std::size_t pieces);
    void send_file(std::size_t end, std::size_t size, std::size_t offset);
    void wait_ready(std::size_t end, step_kind kind);
    void shut_down(std::size_t end);
    void close(std::size_t end, bool as_operation);
    void release(std::size_t end);
    void give_up(std::size_t end);
    void cancel(std::size_t number);
    void connect();
    void accept();
    void send_to(std::size_t socket, std::size_t size);
    void receive_from(std::size_t socket, std::size_t size);
    void open_file();
    void read_file(std::size_t file, std::size_t size, std::size_t offset);
    void close_file(std::size_t file);
    void chain(std::size_t end, std::size_t size, bool with_file);
    void work();
    void post();
    void arm(std::uint32_t tenths, bool cancels, std::size_t number);

    // The end.
    void deliver_everything();
    void end_everything();

    flow& out_of(std::size_t end) noexcept { return flows_[end]; }
    flow& into(std::size_t end) noexcept { return flows_[end ^ 1]; }
    std::string expected(flow& of);
    std::string next_text(std::size_t size);

    loop& loop_;
    const bool uring_;
    const duration patience_;
    const std::thread::id thread_ = std::this_thread::get_id();
    std::string failure_;
    bool faults_ = false;
    bool submitting_ = false;
    std::size_t ended_ = 0;
    std::uint32_t texts_ = 0;

    std::vector<std::unique_ptr<record>> records_;
    std::deque<end_point> ends_;  // 2n and 2n + 1 are one connection
    std::deque<flow> flows_;      // flows_[n]: out of end n
    handle listener_;
    address where_;
    std::size_t connects_ = 0;
    std::size_t connected_ = 0;
    std::size_t accepts_ = 0;
    std::vector<record*> accept_line_;
    std::vector<handle> connecting_;
    std::array<datagram_socket, 2> datagrams_;
    std::deque<file_handle> files_;
    std::string file_text_;
    std::string file_path_;
    unique_descriptor file_;
    std::deque<step> inside_;
    std::vector<std::unique_ptr<alarm_timer>> alarms_;
    std::atomic<int> worked_{0};
    int posted_from_work_ = 0;
    int works_ = 0;
    unsigned posts_ = 0;
    unsigned posts_run_ = 0;
    std::unique_ptr<worker_pool> pool_;
};

}  // namespace naru::testing
