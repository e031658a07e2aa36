// A simulated world: hosts with sockets, files, clocks and loops in one process and on one thread, in virtual
// time. What happens follows from the seed alone.
#pragma once

#include <naru/loop/environment.hpp>
#include <naru/loop/worker_pool.hpp>
#include <naru/os/socket.hpp>
#include <naru/sim/faults.hpp>
#include <naru/sim/host.hpp>
#include <naru/sim/links.hpp>
#include <naru/sim/network.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::sim {

class backend;

struct world_options {
    std::uint64_t seed = 1;
    /// How long bytes, datagrams and answers to a connect are under way, drawn anew for each. Within a host
    /// they take no time.
    duration least_latency{0};
    duration most_latency{0};
    /// The same within a host.
    duration loopback_latency{0};
    /// Reads and writes take less than they could, now and then.
    bool short_counts = false;
    /// What goes wrong beside that, and how often.
    fault_rates faults;
    /// Which backends those of this world are like.
    manner backends = manner::readiness;
    /// Buffers in the pool of a loop that is made without saying how many.
    std::size_t pool_buffers = limits::pool_buffers;
    /// Bytes of a connection that may be under way or unread, in each direction.
    std::size_t connection_buffer = 256 * 1024;
    /// Bytes that may wait in a datagram socket; what comes then is lost.
    std::size_t datagram_buffer = 256 * 1024;
    /// What a tick costs at least, so that who looks at the clock until it moves does see it move.
    duration tick_cost = std::chrono::microseconds(1);
    /// How long work for workers takes, at most; drawn from the seed.
    duration most_work = std::chrono::milliseconds(1);
    /// Whether work runs in virtual time, on the one thread. If not, worker pools have threads of their own.
    bool simulate_workers = true;
    /// When the world begins.
    instant begin = instant(std::chrono::hours(1000));
    /// Whether somebody outside may still wake a loop (a thread). While this is true, time passes no faster
    /// than it does outside, and nothing follows from the seed.
    std::function<bool()> outside;
    /// Keeps the trace's lines, not only their hash.
    bool keep_trace = false;

    world_options() noexcept = default;
};

/// In force (environment) on the thread that makes it, from then on: naru::clock tells its time, backends
/// come from it, blocking work is run by it. One at a time; its loops end before it does.
class world final : public environment {
 public:
    explicit world(world_options options = {});
    ~world() override;
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    /// Out of force, with its loops left as they are: for who cannot end them any more. They and it must
    /// never be used again, nor destroyed.
    void abandon() noexcept;

    /// This thread's; nullptr if there is none.
    static world* current() noexcept;

    /// The first is 10.0.0.1, the next 10.0.0.2; 65,534 at most. Its name has that address, for clients that
    /// look it up; of several of one name the first does.
    host& add_host(std::string name);
    /// Of that name, in any case of letters; nullptr if there is none.
    host* host_named(std::string_view name) noexcept;
    /// Whose address it is; nullptr if nobody's.
    host* host_at(const address& where) noexcept;
    /// Where what is made without saying where is made: by default a host named "here".
    host& here();
    /// Makes another host "here" for the life of a scope.
    class visit {
     public:
        explicit visit(host& to) noexcept : in_(to.in()), before_(std::exchange(in_.here_, &to)) {}
        ~visit() { in_.here_ = before_; }
        visit(const visit&) = delete;
        visit& operator=(const visit&) = delete;

     private:
        world& in_;
        host* before_;
    };

    /// Runs everything until `done()`, for at most so long in virtual time. False if that has passed, or
    /// nothing will ever happen again.
    bool run_until(const std::function<bool()>& done, duration limit = std::chrono::hours(24));
    /// Until nothing will ever happen again: no timer, no event, no loop that has something to do.
    void run();

    /// A number for each step so far: worlds with equal traces have gone the same way.
    std::uint64_t trace_hash() const noexcept { return trace_hash_; }
    std::size_t trace_length() const noexcept { return trace_length_; }
    const std::vector<std::string>& trace() const noexcept { return trace_; }
    /// A line of one's own, with the time before it.
    void note(std::string_view line);
    /// A step of a socket: part of the trace.
    void step(const char* what, const socket& of, std::uint64_t count);

    // Faults.
    /// Whether this kind is to happen here, by its rate; if so, it is counted.
    bool strikes(fault which) noexcept;
    /// Counts what has come about otherwise.
    void happened(fault which) noexcept { ++happened_[which]; }
    const fault_table& happened() const noexcept { return happened_; }
    /// The names of those that have a rate and never happened: what such a run has not tested.
    std::vector<std::string_view> missed() const;
    /// Says of a rare state that it must be reached in some run or other; `name` outlives the world.
    void sometimes(bool reached, std::string_view name) { sometimes_[name] += reached ? 1 : 0; }
    /// What must hold. The first that does not is what failed (run_seeds).
    void require(bool holds, std::string_view what) {
        if (!holds && first_failure_.empty()) first_failure_ = what;
    }
    const std::string& first_failure() const noexcept { return first_failure_; }
    /// How often each was.
    const std::map<std::string_view, std::uint64_t>& sometimes() const noexcept { return sometimes_; }
    /// From here on nothing goes from one to the other, either way: it waits until they are healed.
    /// Datagrams are lost. With a duration they heal by themselves.
    void partition(const host& one, const host& other, duration span = duration::max());
    void heal(const host& one, const host& other);
    /// All of them.
    void heal();
    /// What is under way between the two takes so much longer, and of datagrams one in so many is lost (0:
    /// none).
    void set_link(const host& one, const host& other, duration longer, std::uint64_t one_lost_in);
    link_table& links() noexcept { return links_; }

    const world_options& options() const noexcept { return options_; }
    /// From here on.
    void set_faults(const fault_rates& rates) { options_.faults = rates; }
    network& net() noexcept { return network_; }
    std::uint64_t next_file_number() noexcept { return ++files_made_; }
    /// Less than `bound`, which is not 0.
    std::uint64_t random(std::uint64_t bound) noexcept;
    /// From 0 to `most`.
    duration random_span(duration most) noexcept;

    // Of the environment.
    instant now() noexcept override { return now_; }
    std::chrono::system_clock::time_point time_of_day() noexcept override;
    std::uint64_t entropy() noexcept override { return random_(); }
    unsigned processors() noexcept override { return 2; }
    std::size_t descriptor_limit() noexcept override { return 65'536; }
    backend_choice make_backend(engine which, const backend_options& options,
                                unsigned index) noexcept override;
    file_system& files() noexcept override { return here().files(); }
    worker_pool& workers() override { return workers_; }
    result<std::vector<address>> resolve(const std::string& host, std::uint16_t port,
                                         std::size_t most) override;
    std::thread start_thread(std::move_only_function<void()> body) override;
    result<unique_descriptor> listen(const address& where, const listen_options& options) noexcept override;
    bool run_aside(std::move_only_function<void()>& blocking) override;
    bool run_others_until(const std::function<bool()>& done) override;

    // Sockets as programs have them that use no loop: non-blocking, by their numbers.
    result<unique_descriptor> open_listener(host& on, const address& where, const listen_options& options);
    unique_descriptor open_stream(host& on);
    result<unique_descriptor> open_datagram(host& on, const address& where, const udp_options& options);
    result<address> local_address(int descriptor) noexcept override;
    result<void> check_adopted(int descriptor, socket_use wanted) const noexcept override;
    result<void> check_connected(int descriptor) const noexcept override;
    result<address> peer_address(int descriptor) const noexcept;

    // Descriptors: numbers from foreign_descriptors on, that unique_descriptor closes.
    unique_descriptor name(socket_ref what);
    /// nullptr if the number names nothing (any more).
    socket_ref find(int descriptor) const noexcept;
    /// Cuts off all that this host has open (host::crash).
    void sever(host& of);
    /// Another number for the same.
    unique_descriptor duplicate(int descriptor);
    std::size_t open_descriptors() const noexcept { return descriptors_.size() - free_numbers_.size(); }
    /// What happens at a time that has not come yet.
    std::size_t events_ahead() const noexcept { return events_.size(); }
    /// What has happened at its time.
    std::uint64_t events_run() const noexcept { return events_run_; }
    void close(int descriptor) noexcept;

    // For the backends and the network.
    void at(instant when, std::move_only_function<void()> what);
    duration latency(const host& from, const host& to) noexcept;
    void enter(backend& arriving);
    void leave(backend& leaving) noexcept;
    void run_due_events();
    /// Lets something happen, for a backend that waits until `until`: another loop has its turn, or time
    /// passes to the next event. False if nothing ever will.
    bool advance(backend* waiting, instant until);
    void pass_time(duration span) noexcept { now_ += span; }
    void wake_outside_wait() noexcept;

 private:
    bool run_a_loop(const backend* but_not);
    bool wait_outside(const backend* waiting, instant until);

    world_options options_;
    std::optional<environment::scope> in_force_{std::in_place, *this};
    instant now_;
    std::mt19937_64 random_;
    network network_{*this};
    worker_pool workers_{limits::file_threads, limits::file_queue};
    std::uint64_t files_made_ = 0;
    std::deque<host> hosts_;
    host* here_ = nullptr;
    std::vector<backend*> backends_;
    std::size_t turn_ = 0;
    struct event {
        instant when;
        std::uint64_t number;
        std::move_only_function<void()> what;
        bool operator>(const event& other) const noexcept {
            return when != other.when ? when > other.when : number > other.number;
        }
    };
    std::vector<event> events_;  // a heap: the next one first
    std::uint64_t events_made_ = 0;
    std::uint64_t events_run_ = 0;
    std::vector<socket_ref> descriptors_;
    std::vector<std::size_t> free_numbers_;  // a heap: the lowest is given out first
    link_table links_;
    fault_table happened_;
    std::map<std::string_view, std::uint64_t> sometimes_;
    std::string first_failure_;
    std::uint64_t trace_hash_ = 0xcbf29ce484222325u;
    std::size_t trace_length_ = 0;
    std::vector<std::string> trace_;
    std::mutex outside_mutex_;
    std::condition_variable outside_wake_;
    bool outside_woken_ = false;
};

}  // namespace naru::sim
