// An HTTP/2 connection: nghttp2 for frames and HPACK, and what is ours above it.
#pragma once

#include <naru/core/intrusive.hpp>
#include <naru/http/h2/budget.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/link/connection.hpp>
#include <naru/loop/loop.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct nghttp2_session;

namespace naru::http::h2 {

class stream;

/// What the sessions of one loop share of nghttp2's memory (memory.hpp).
struct session_memory;
struct session_memory_end {
    void operator()(session_memory* of) const noexcept;
};

/// Bytes in, requests out; answers in, gathered bytes out. Its link, a connection in phase multiplexed,
/// receives for it; all that it sends leaves by `submit`. Idle it holds no pool buffer.
class session {
 public:
    /// Throws std::bad_alloc.
    session(worker& of, connection& link);
    ~session();
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    /// Our SETTINGS go out, and `received`, which begins with the client's preface, is taken.
    void start(std::string_view received) noexcept;
    /// A receive of the link has completed.
    void on_received(std::byte* bytes, std::int64_t size) noexcept;
    void on_deadline() noexcept;
    /// GOAWAY in two steps (RFC 9113, section 6.8): a notice, and when the client has seen that, the last
    /// stream.
    void drain() noexcept;
    /// How many streams at once its client may have from here on.
    void tell_streams() noexcept;
    /// Its link is closing: its streams end.
    void end_streams() noexcept;
    /// Its requests end, but for the tunnels, behind which it ends by itself. False if there are none.
    bool end_requests() noexcept;
    /// Nothing of it is under way any more.
    bool is_quiet() const noexcept;
    /// Goes on if it waits for a buffer and the pool has one.
    void offer_output() noexcept;
    /// Closes the link if that has taken nothing for a while and holds a buffer.
    void shed_if_stalled() noexcept;
    /// How long it has had no stream; none: it has some.
    std::optional<duration> idle_for(instant now) const noexcept;
    /// Goes on with what was received and had to wait.
    void take_turn() noexcept;
    /// Heap bytes of its streams, and of what waits to be read.
    std::size_t bytes_kept() const noexcept;

    // For streams.
    /// `attend` is called soon; at once, if nghttp2 is not at work.
    void call(stream& who) noexcept;
    /// What nghttp2 has to send goes out soon.
    void send_soon() noexcept;
    /// Takes an answer's head apart, which is HTTP/1's text, up to its empty line, for the submit that comes
    /// next: it lasts until then. How much of the text it is. Throws std::bad_alloc.
    std::size_t put_fields(unsigned status, std::string_view text);
    void submit_head(stream& of, bool has_body);
    void submit_interim(stream& of);
    void resume(stream& of) noexcept;
    void reset(stream& of, std::uint32_t code) noexcept;
    /// How much of what waits goes into the next frame of DATA; see nghttp2_data_source_read_callback.
    std::int64_t offer_data(stream& from, std::size_t most, std::uint32_t& flags) noexcept;
    /// So much of a body has been read: as much more may come.
    void consumed(stream& of, std::size_t bytes) noexcept;
    void forget(stream& ended) noexcept;
    void lend(stream& who) noexcept;
    void wait_for_buffer() noexcept;
    connection& link() const noexcept { return link_; }
    bool is_dead() const noexcept { return is_dead_; }

 private:
    friend struct callbacks;
    friend class http::worker;
    friend class stream;

    struct send_step : send_operation {
        explicit send_step(session& of) noexcept;
        session& owner;
    };
    struct pump_post : posted {
        explicit pump_post(session& of) noexcept;
        session& owner;
        bool queued = false;
    };
    // Within it nothing is destroyed, and what was asked for soon is done at its end.
    struct at_work {
        explicit at_work(session& of) noexcept : owner(of) { ++of.busy_; }
        ~at_work() { owner.leave(); }
        session& owner;
    };

    std::size_t feed(std::string_view bytes) noexcept;
    bool pay_for_frame() noexcept;
    void keep_rest(std::string_view bytes) noexcept;
    void add_to_rest(std::byte* bytes, std::size_t size) noexcept;
    void await_turn() noexcept;
    void drop_rest() noexcept;
    void go_on_receiving() noexcept;
    void hand_on(std::string_view bytes) noexcept;
    void look_at_data(std::int32_t id) noexcept;
    bool was_closed(std::int32_t id) const noexcept;
    void pump() noexcept;
    void gather() noexcept;
    bool has_room(std::size_t bytes) noexcept;
    bool add_buffer() noexcept;
    std::size_t put_some(std::string_view text) noexcept;
    std::size_t gathered() const noexcept;
    void release_output(bool keeps_one = false) noexcept;
    void put(const void* bytes, std::size_t size) noexcept;
    void close_run() noexcept;
    void submit() noexcept;
    void on_sent() noexcept;
    void attend_all() noexcept;
    void leave() noexcept;
    void note_deadline() noexcept;
    void note_progress() noexcept;
    void finish_if_done() noexcept;
    void fatal_error(int code) noexcept;
    void spend(budget& from, shed_reason what, const char* reason) noexcept;
    void calm(shed_reason what, const char* reason) noexcept;
    void say_goodbye() noexcept;
    void linger() noexcept;
    void end_linger() noexcept;
    int begin_head(nghttp2_session* of, std::int32_t id, bool is_request) noexcept;
    void take_field(std::string_view name, std::string_view value);
    void put_request_line();
    void put_host();
    void finish_head(bool has_body) noexcept;
    void take_data(stream* to, std::string_view bytes) noexcept;
    void end_body(stream* of) noexcept;
    void begin_frame(std::int32_t id, std::uint8_t type, bool ends_head) noexcept;
    void look_at_window(std::uint32_t initial) noexcept;
    void note_closed(std::int32_t id, const stream* of) noexcept;
    void break_off(std::uint32_t code) noexcept;
    void came_unread(std::size_t bytes) noexcept;
    void pay(std::size_t bytes) noexcept;
    using frame_head = std::array<std::uint8_t, 9>;
    int send_data(stream& of, std::size_t size, const frame_head& head) noexcept;

    worker& worker_;
    connection& link_;
    nghttp2_session* http2_ = nullptr;
    list_head streams_;
    list_head ready_;  // to be attended to
    list_head lent_;   // of which memory is being sent
    std::size_t live_ = 0;
    unsigned busy_ = 0;
    bool is_sending_ = false;
    bool lacks_buffer_ = false;
    bool is_dead_ = false;       // its link is closing, or its direction has ended
    bool is_lingering_ = false;  // what comes is dropped
    bool head_is_timed_ = false;
    bool is_draining_ = false;
    bool has_said_goodbye_ = false;
    bool in_head_ = false;     // of which CONTINUATION frames are to come
    bool was_calmed_ = false;  // a budget was spent
    bool was_shed_ = false;    // for what it has made us do
    pump_post post_{*this};
    send_step sending_{*this};

    // The head that is being received.
    stream* current_ = nullptr;
    bool line_put_ = false;
    unsigned refused_ = 0;
    unsigned field_count_ = 0;
    std::size_t list_bytes_ = 0;  // as RFC 9113, section 6.5.2 counts them
    std::string method_;
    std::string path_;
    std::string authority_;
    std::string protocol_;  // of an extended CONNECT
    std::string cookies_;
    std::string head_;

    // The frame that is being received.
    std::size_t of_frame_ = 24;  // bytes of it that are to come, or of the client's preface
    frame_head frame_head_{};
    std::size_t frame_head_size_ = 0;
    std::size_t unpaid_ = 0;     // what it costs, until that has been spent
    std::size_t allowance_ = 0;  // left of what may be spent now
    std::string rest_;           // received, and waits for a turn: in worker::queued_sessions_
    struct waiting_place : list_node {
        explicit waiting_place(session& of) noexcept : owner(of) {}
        session& owner;
    } waiting_{*this};

    // Streams that have been closed lately, negative if by us: what may still come for those, and no others.
    std::array<std::int32_t, limits::h2_closed_streams> closed_{};
    std::size_t next_closed_ = 0;
    std::int32_t last_id_ = 0;   // of the streams that the client has begun
    std::int32_t reset_id_ = 0;  // that it has reset last
    std::int64_t initial_window_ = 65'535;
    std::int64_t widest_ = 0;  // window of a stream, when SETTINGS began to come

    // Bodies that have come and are not read.
    std::size_t unread_ = 0;
    std::size_t owed_ = 0;  // of the connection's window, given back when they are read

    // The output: frames in pool buffers, and pieces of memory between them.
    struct output {
        std::array<slice, limits::h2_slices> slices;
        std::array<std::byte*, limits::h2_output_buffers - 1> full;  // buffers before the one that is filled
        std::size_t full_count = 0;
        std::uint64_t bytes = 0;  // of the send that is under way
    };
    output* parts_ = nullptr;  // while there is a buffer
    std::byte* output_ = nullptr;
    std::uint32_t filled_ = 0;
    std::uint32_t run_ = 0;  // where what no slice names yet begins
    std::uint32_t slice_count_ = 0;
    std::uint32_t flight_ = 0;  // counts the sends: the one that is under way, or is gathered for
    std::string unsent_;        // nghttp2's, which did not fit
    std::array<char, 3> status_text_;

    instant idle_since_;
    instant drained_at_;
    std::uint64_t lingered_ = 0;
    instant moved_;  // when the send that is under way was last seen to move
    std::uint64_t moved_to_ = 0;
    budgets budgets_;
};

}  // namespace naru::http::h2
