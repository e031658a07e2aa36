// What one thread of the server owns: a loop, its listeners, its connections, and its site with the caches of
// its files. Shares nothing but the access log, the site itself and the threads for blocking work.
#pragma once

#include <naru/core/object_pool.hpp>
#include <naru/coro/root.hpp>
#include <naru/http/coding/encoder.hpp>
#include <naru/http/exchange/call.hpp>
#include <naru/http/h2/session.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/link/connection.hpp>
#include <naru/http/message/date.hpp>
#include <naru/http/server/access_log.hpp>
#include <naru/http/server/answer_record.hpp>
#include <naru/http/server/connection_terms.hpp>
#include <naru/http/server/frames.hpp>
#include <naru/http/server/loop_counts.hpp>
#include <naru/http/server/loop_log.hpp>
#include <naru/http/server/proxy_reader.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/server_options.hpp>
#include <naru/http/server/tick_budget.hpp>
#include <naru/http/server/tls_credentials.hpp>
#include <naru/http/server/upgrade_log.hpp>
#include <naru/loop/loop.hpp>
#include <naru/net/acceptor.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

namespace naru::http {

struct tls_service;  // tls.cpp

/// Where a worker listens, and what holds for the connections.
struct listener_at {
    listener_at(handle at, connection_terms under = {}, bool outlives = false) noexcept
        : listener(at), terms(std::move(under)), outlives_server(outlives) {}
    handle listener;
    connection_terms terms;
    bool outlives_server;  ///< others listen there after this server: it refuses nobody
};

class worker {
 public:
    /// Everything but the site is borrowed. Throws what the site's per_loop functions throw. `report` gets a
    /// line about something an operator should know (out of descriptors); it is called on the loop's thread.
    worker(loop& on, const server_options& options, const std::shared_ptr<const detail::site_data>& site,
           blocking_threads& threads, access_log* log, std::function<void(std::string_view)> report);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    /// Before serve: who is told when, after a drain, nothing is left to do; or nothing but a look at the
    /// disk that hangs (disk_hangs), and again when that has ended. Called on the loop's thread, from within
    /// this worker: it is to be destroyed later.
    void on_end(std::function<void()> told) { ended_ = std::move(told); }
    /// Before serve: who is told, once for each, of a listener that has failed for good and was closed.
    void on_lost_listener(std::function<void()> told) { lost_listener_ = std::move(told); }

    // accept.cpp
    /// Accepts on each of these, which are this worker's from here on. Throws std::bad_alloc.
    void serve(const std::vector<listener_at>& listeners);

    // drain.cpp
    /// Accepts what waits in the listeners' queues, closes them, lets what is in flight finish until the
    /// drain deadline, then tells so (on_end); before that, drains those it shares its listeners with.
    void drain() noexcept;
    /// The same soon, from any thread. Allocates nothing.
    void drain_soon() noexcept { drain_order_.give(); }
    /// Ends all that is under way: as if the drain deadline had passed, and without looking whether anybody
    /// waits to be accepted.
    void end_now() noexcept;
    /// Stops accepting and leaves the listeners' queues as they are; connections end behind their next
    /// answer, without a deadline. A drain may follow.
    void retire() noexcept;
    /// The same soon, from any thread. Allocates nothing.
    void retire_soon() noexcept { retire_order_.give(); }
    /// After it was told that this has ended, on the loop's thread: ends what handlers keep for the loop
    /// (site::per_loop), while what that leaves on the loop can end there, too.
    void end_locals() noexcept;
    /// After it was told that this has ended: what it has deferred has still to run on its loop.
    bool has_deferred() const noexcept {
        return sweep_.queued || turns_post_.queued || drain_order_.under_way() || retire_order_.under_way();
    }
    /// After the loop's end: a look at the disk hangs. Its thread may still come back to this worker, its
    /// loop and the threads' pools.
    bool disk_hangs() const noexcept;

    /// A connection from outside, as if it had been accepted.
    void take(handle accepted, const connection_terms& under = {}) noexcept;
    /// Requests that begin from here on are this site's.
    /// Past limits::site_generations the requests of the oldest are ended.
    void replace_or_report(const std::shared_ptr<const detail::site_data>& by) noexcept;
    // measure.cpp
    /// What this loop has counted, and what it holds. `anew`: the longest tick is looked for from here on.
    /// Throws std::bad_alloc.
    void measure(server_metrics& into, bool anew);
    /// At the loop's end: lines of the log that have gathered leave.
    void hand_over_log() noexcept {
        upgraded_.end_all();
        log_.hand_over();
    }

    /// See server::end_connections.
    void end_connections(const std::function<bool(std::string_view)>& which) noexcept;
    /// For the frames of this loop's coroutines: see frame_pool::use.
    frame_pool& frames() noexcept { return frames_; }

    // share.cpp
    /// Before serve: connections are handed round among this worker and `others` (borrowed), which have no
    /// listener of their own.
    void share_with(std::vector<worker*> others);

 private:
    friend class connection;
    friend class exchange;
    friend class h2::session;
    friend class h2::stream;
    friend struct call;
    friend struct proxy_reader;
    friend class read_request::awaiter;
    friend class write_request::awaiter;
    friend class upgrade_request::awaiter;
    friend worker_pool& detail::blocking_pool(const exchange& of) noexcept;

    struct drain_timer : timer {
        explicit drain_timer(worker& of) noexcept;
        worker& owner;
    };

    struct look_timer : timer {
        explicit look_timer(worker& of) noexcept;
        worker& owner;
    };

    struct settle_timer : timer {
        explicit settle_timer(worker& of) noexcept;
        worker& owner;
    };

    // The close of a socket that is nothing: it ends when the kernel has done all that it was asked before.
    struct flush_operation : close_operation {
        explicit flush_operation(worker& of) noexcept;
        worker& owner;
    };

    // One listener. Its acceptor is pinned.
    struct listening {
        listening(worker& of, const listener_at& at) noexcept;
        worker& owner;
        handle listener;
        connection_terms terms;
        acceptor accepting;
        bool outlives_server;
        bool closed = false;
    };

    // To drain, or to retire: given once, by any thread.
    struct order : posted {
        order(worker& of, void (worker::*what)() noexcept) noexcept;
        void give() noexcept;
        /// Before the loop ends: it takes none any more. False: one is on its way, and must come first.
        bool close() noexcept;
        bool under_way() const noexcept { return given.load() != carried_out; }
        worker& owner;
        void (worker::*carry_out)() noexcept;
        std::atomic<bool> given{false};
        bool carried_out = false;
    };

    struct sweep_post : posted {
        explicit sweep_post(worker& of) noexcept;
        worker& owner;
        bool queued = false;
    };

    struct turns_post : posted {
        explicit turns_post(worker& of) noexcept;
        worker& owner;
        bool queued = false;
    };

    struct transfer;

    /// For whom a proxy has made a connection, as its header says.
    struct proxied_client {
        std::optional<address> where;
        bool secure = false;
        std::string tls_version;
        std::string unique_id;
    };

    worker* next_share() noexcept;
    void hand_on(handle connection, worker& to, const connection_terms& under) noexcept;
    void drain_others() noexcept;
    void on_connection(handle accepted, const connection_terms& under) noexcept;
    /// `of_proxy`: the client, if the connection's peer is not.
    void admit(handle accepted, const std::shared_ptr<tls_credentials>& tls,
               const proxied_client* of_proxy) noexcept;
    /// A handle for TLS before an accepted connection. Errors: EAGAIN (too many handshakes), ENOMEM.
    naru::result<handle> begin_tls(handle accepted, const tls_credentials& by) noexcept;
    void on_pause(std::error_code why) noexcept;
    void destroy(connection& ended) noexcept;
    void on_lost(listening& failed, std::error_code why) noexcept;
    void on_stopped(listening& stopped) noexcept;
    void hurry(instant now) noexcept;
    void settle() noexcept;
    void settle_later(instant now) noexcept;
    bool is_quiet() noexcept;
    bool flush() noexcept;
    void on_flushed() noexcept;
    void stop_accepting() noexcept;
    void end_all() noexcept;
    void end_idle() noexcept;
    bool listens() const noexcept;

    // proxy.cpp
    /// `where`: none of a peer of the UNIX domain (`local`), and of one that the system does not tell any
    /// more.
    struct peer_facts {
        std::optional<address> where;
        bool local;
    };
    peer_facts peer_of(handle socket) noexcept;
    /// Of the PROXY protocol's header, or else the peer.
    peer_facts client_of(const connection& of) noexcept;
    /// nullptr if no proxy has said anything.
    const proxied_client* proxied(const connection& of) const noexcept;
    bool is_of_many(const std::optional<address>& client) const noexcept;
    bool comes_too_often(const std::optional<address>& client) noexcept;
    void begin_proxied(handle accepted, const connection_terms& under) noexcept;
    void read_proxy_header(proxy_reader& of) noexcept;
    void on_proxy_header(proxy_reader& of) noexcept;
    void proxy_header_is_there(proxy_reader& of) noexcept;
    void end_proxy_headers() noexcept;

    // sites.cpp
    void leave_site(served_site& of) noexcept {
        if (--of.uses == 0 && &of != site_) sweep_soon();
    }
    void replace(const std::shared_ptr<const detail::site_data>& by);
    void sweep_soon() noexcept;
    void sweep() noexcept;
    void end_oldest_site() noexcept;
    bool looks_at_disk() const noexcept;
    /// Strings that handlers' answers have been made in, to be used again.
    void take_spare(std::string& into) noexcept {
        if (spares_ > 0) into.swap(spare_[--spares_]);
        into.clear();
    }
    void keep_spare(std::string& used) noexcept {
        const std::size_t most =
            spares_ < limits::large_spares ? 2 * limits::answer_fields_bytes : limits::kept_head_bytes;
        if (spares_ == spare_.size() || used.capacity() < 64 || used.capacity() > most) return;
        spare_[spares_++].swap(used);
        used.clear();
    }

    // turns.cpp
    /// For a connection that has had an answer: whether it may have another in this tick. Takes one of them.
    bool may_answer_more() noexcept { return take_answers(1) > 0; }
    /// As many as there are of `wanted`.
    unsigned take_answers(unsigned wanted) noexcept {
        if (!budget_.gives_turns() && !queued_.empty()) return 0;
        return budget_.take_answers(loop_.now(), wanted);
    }
    /// The answers behind a connection's first, taken by the turn: one by one that took eleven instructions
    /// of each pipelined request.
    class answers_in_hand {
     public:
        explicit answers_in_hand(worker& of) noexcept : of_(of) {}
        ~answers_in_hand() {
            if (left_ > 0) of_.budget_.give_back_answers(left_);
        }
        answers_in_hand(const answers_in_hand&) = delete;
        answers_in_hand& operator=(const answers_in_hand&) = delete;

        bool take() noexcept {
            if (left_ == 0) left_ = of_.take_answers(limits::pipelined_per_turn);
            if (left_ == 0) return false;
            --left_;
            return true;
        }

     private:
        worker& of_;
        unsigned left_ = 0;
    };
    /// The same for a frame of HTTP/2, which costs so much.
    bool may_spend(std::size_t units) noexcept {
        if (!queued_sessions_.empty() || budget_.gives_turns()) return false;
        return budget_.take_units(loop_.now(), units);
    }
    void wait_for_turn(turn& who) noexcept;
    void wait_for_turn(h2::session::waiting_place& who) noexcept;
    void give_turns_soon() noexcept;
    void give_turns() noexcept;

    // exchange/call.cpp
    /// For a handler that begins. Throws std::bad_alloc.
    call& take_call() {
        if (call* const spare = std::exchange(spare_call_, nullptr)) return *spare;
        return calls_.make(root_.scope());
    }
    /// One that is as new serves the next that begins: False: there is one already.
    bool keep_call(call& ended) noexcept {
        if (spare_call_ != nullptr) return false;
        ended.begin_again();
        spare_call_ = &ended;
        return true;
    }

    // shed.cpp
    /// A turn holds one more buffer of the pool, or so many more bytes of the heap.
    void holds_one_more() noexcept {
        ++held_;
        if (!look_.armed() || is_short()) look_soon();
    }
    void add_aside(std::size_t bytes) noexcept {
        aside_bytes_ += bytes;
        if (aside_bytes_ > limits::aside_bytes) look_soon();
    }
    bool is_short() const noexcept;
    /// So short that the rest is for those who have had no answer.
    bool is_scarce() const noexcept;
    /// Streams at once that a connection of HTTP/2 is told it may have.
    std::uint32_t streams_allowed() const noexcept;
    bool is_crowded() const noexcept;
    void look_at_crowd(instant now) noexcept;
    void look_soon() noexcept;
    void look() noexcept;
    void relieve_buffers(instant now) noexcept;
    void offer_buffers() noexcept;
    void relieve_aside() noexcept;
    std::size_t loose_excess() const noexcept;
    bool has_room_for(const document& what) noexcept;
    void close_idle() noexcept;
    bool has_too_many(connection& fresh) noexcept;
    void count_address(connection& of) noexcept;
    template <class Cost>
    bool shed_slowest(instant now, std::size_t wanted, duration least, shed_reason why, Cost cost) noexcept;
    void count_shed(shed_reason why) noexcept;
    /// What `make` returns, for the operator. Without the memory for it, or if nobody takes it, it is lost.
    template <class Make>
    bool report(Make make) noexcept try {
        report_(make());
        return true;
    } catch (...) {
        return false;
    }
    void report_shed(instant now) noexcept;
    // record.cpp
    /// What was read of a request that is given up, until its line is made.
    void keep_unreadable(std::string_view text) noexcept;
    void make_id(std::array<char, 32>& into) noexcept;
    void name_client(handle of, const std::optional<address>& who) noexcept;
    unsigned milliseconds() noexcept;
    instant note_step(std::uint16_t route) noexcept;
    void measure_handshakes(server_metrics& into) const noexcept;  // tls.cpp

    void stop_if_drained() noexcept;
    // exchange/upgrade.cpp
    void begin_upgraded(detail::upgrade_start& start, upgraded_stream& stream,
                        answer_record* answer) noexcept;
    std::int64_t unix_seconds() noexcept {
        if (loop_.now() >= second_ends_) look_at_clock();
        return second_;
    }
    std::string_view date() noexcept {
        (void)unix_seconds();
        return {date_.data(), date_.size()};
    }
    void look_at_clock() noexcept;  // accept.cpp

    loop& loop_;
    const server_options& options_;
    std::function<void(std::string_view)> report_;
    blocking_threads& threads_;
    loop_counts counts_;
    loop_log log_;
    answer_records records_;
    upgrade_log upgraded_{loop_, log_, records_};
    // Of the request that is being refused.
    std::string_view unreadable_;
    std::array<char, limits::unreadable_bytes> unreadable_text_{};
    bool refuses_ = false;
    bool ends_all_ = false;          // the time for what was in flight is over
    instant tick_ = instant::min();  // the last in which something was noted
    instant step_begun_;
    duration longest_in_tick_{};
    duration longest_tick_{};  // since somebody asked
    std::uint16_t route_of_longest_ = 0;
    std::uint16_t route_of_tick_ = 0;
    std::uint64_t id_prefix_;
    std::array<char, 16> id_prefix_text_{};
    std::uint64_t next_id_ = 0;
    cache_totals caches_;
    std::list<std::unique_ptr<served_site>> sites_;  // the newest last
    served_site* site_ = nullptr;
    sweep_post sweep_{*this};
    naru::detail::root root_;  // of handlers
    handler_frames frames_;
    encoder_pool encoders_;
    std::string encoded_;  // room for whole answers
    std::array<std::string, limits::spares> spare_;
    std::size_t spares_ = 0;
    detail::upgrades upgrades_;  // connections that speak another protocol
    object_pool<call> calls_;
    call* spare_call_ = nullptr;  // of them, and nobody's
    struct tls_end {
        void operator()(tls_service* each) const noexcept;
    };
    std::unique_ptr<tls_service, tls_end> tls_;  // once there is a connection with TLS
    object_pool<connection> connections_;
    object_pool<proxy_reader> proxy_readers_;
    std::unordered_map<const connection*, proxied_client> proxied_;  // whom they come for
    object_pool<turn> turns_;
    std::unique_ptr<h2::session_memory, h2::session_memory_end> session_memory_;
    object_pool<h2::session::output> outputs_;
    object_pool<h2::session> sessions_;
    object_pool<h2::stream> streams_;
    std::function<void()> lost_listener_;
    std::function<void()> ended_ = [] {};
    std::deque<listening> listening_;
    drain_timer drain_deadline_{*this};
    order drain_order_{*this, &worker::drain};
    order retire_order_{*this, &worker::retire};
    look_timer look_{*this};
    duration look_interval_;
    instant looked_ = instant::min();
    list_head queued_;           // who has had answers, and waits for more (turn::waiting)
    list_head queued_sessions_;  // of HTTP/2, with frames that wait
    turns_post turns_post_{*this};
    tick_budget budget_;
    list_head starved_;                // requests that wait for a buffer (turn::waiting)
    std::size_t held_ = 0;             // pool buffers of connections, but those that are closing
    std::size_t leaving_buffers_ = 0;  // of those that are
    std::size_t leaving_loose_ = 0;    // loose bytes of those that are
    std::size_t aside_bytes_ = 0;
    std::size_t descriptors_;  // this loop's share
    std::size_t most_connections_;
    address_counts addresses_;
    address_watch watch_;
    std::array<std::uint64_t, static_cast<std::size_t>(shed_reason::count)> shed_{};
    instant shed_reported_ = instant::min();
    settle_timer settle_deadline_{*this};
    flush_operation flush_{*this};
    unsigned flushes_ = 0;    // that have ended in a row
    instant accept_until_{};  // at a stop
    std::vector<worker*> others_;
    std::size_t turn_ = 0;
    std::size_t leaving_ = 0;
    std::atomic<std::size_t> arriving_{0};  // counted up by the thread that accepts
    unsigned accepted_at_stop_ = 0;
    unsigned accepted_before_ = 0;      // of them, when it was last looked
    instant crowded_ = instant::min();  // when it was last so
    bool lowers_streams_ = false;       // clients have been told so
    bool relieving_ = false;            // buffers, and not done with it
    bool draining_ = false;             // or retiring
    bool retiring_ = false;             // and not in a hurry
    bool settled_ = false;              // nothing waits to be accepted any more
    bool ending_ = false;               // nobody waits any more, but a look at the disk is still under way
    instant reported_pause_ = instant::min();
    std::int64_t second_ = -1;  // of the wall clock, when it was last looked at
    instant second_ends_ = instant::min();
    std::array<char, date_length> date_{};  // of that second
};

inline std::size_t connection::head_room() const noexcept {
    return turn_->serves->dresses ? limits::answer_head_bytes + limits::answer_fields_bytes
                                  : limits::answer_head_bytes;
}

inline bool connection::is_dressed() const noexcept {
    return turn_->serves->dresses && !turn_->head.empty() &&
           (turn_->serves->has_hooks || !turn_->added_fields.empty());
}

}  // namespace naru::http
