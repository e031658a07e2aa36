// One client. The data path reads from file to file: accept.cpp, read.cpp, input.cpp, parse.cpp, handle.cpp,
// then file_answers.cpp for files, respond.cpp for functions, call.cpp for coroutines, and write.cpp.
//
// A connection between requests is 120 bytes and owns nothing else: its receive operation, its deadline, and
// who it belongs to. While a request is under way it has a turn, which holds all the rest.
#pragma once

#include <naru/core/check.hpp>
#include <naru/http/exchange/exchange.hpp>
#include <naru/http/h1/body.hpp>
#include <naru/http/h1/parse.hpp>
#include <naru/http/handlers/disk.hpp>
#include <naru/http/handlers/file_cache.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/address_counts.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace naru::http {

class worker;
class connection;
struct answer_facts;
struct answer_record;
struct log_place;
struct route_match;
struct served_site;
struct file_service;
namespace detail {
struct forwarded_facts;
}

namespace h2 {
class session;
class stream;
}  // namespace h2

/// Why a client was reset, closed or refused for others' sake, or because it was too slow.
enum class shed_reason : std::uint8_t {
    slow_answer,
    slow_body,
    buffers,
    no_buffer,
    aside,
    loose,
    no_loose,
    idle,
    address,
    handshakes,
    connection_rate,
    proxy_untrusted,
    proxy_header,
    h2_resets,
    h2_made_resets,
    h2_continuations,
    h2_settings,
    h2_pings,
    h2_empty_frames,
    h2_priorities,
    h2_window_updates,
    h2_header_lists,
    count
};
/// As the operator is told.
std::string_view describe(shed_reason why) noexcept;

/// A piece of an answer that is sent from where it lies: in memory, or in an open file.
struct body_piece {
    const char* memory;  ///< nullptr if it is in `file`
    lent_descriptor file;
    std::uint64_t offset;
    std::uint64_t size;
};

/// A request under way, and its answer. Taken from the worker's pool with the first byte of a request, given
/// back when its answer has been sent and nothing more has been received.
struct turn {
    explicit turn(connection& of) noexcept;

    connection& owner;

    // Input: what has been received and not used, in a pool buffer; `head` is the request being answered.
    std::byte* input = nullptr;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::string surplus;  // received behind the input: there was no room in its buffer, or it holds none
    std::string_view head;
    std::string kept_head;  // its bytes, once a body has arrived in more than one piece
    request_parser parser;
    body_reader body;
    bool reading_body = false;

    // Output: finished heads and small bodies one behind the other in a pool buffer, then pieces.
    std::byte* output = nullptr;
    std::uint32_t filled = 0;
    std::array<body_piece, limits::pieces> pieces;  // the first piece_count are set
    std::uint32_t piece_count = 0;
    std::uint32_t next_piece = 0;
    bool lacks_buffer = false;  // part of the answer could not be written
    enum class step : std::uint8_t { begin, body, answer, disk, call } resumes_at = step::begin;  // starved
    std::uint64_t sent = 0;           // bytes that sends which have ended have handed over
    std::uint32_t charged = 0;        // heap bytes that the worker counts
    std::size_t leaving = 0;          // of `held`, what the worker has been promised back
    cached_document* held = nullptr;  // what the pieces lie in: an answer with pieces ends its turn
    std::string text;                 // generated: part heads, long redirects, contents of handlers' answers

    // Who answers.
    served_site* serves = nullptr;   // counted there
    file_service* files = nullptr;   // whose document is held, or waited for
    const route* mounted = nullptr;  // by which those files were found
    call* calls = nullptr;           // a coroutine handler
    exchange* speaks = nullptr;      // of a handler that runs now
    std::uint64_t body_limit = 0;    // for the body that is read and dropped
    std::string added_fields;        // by middleware, for an answer of ours

    // What the log and the counts are told (record.cpp).
    answer_record* records = nullptr;  // answers that have not left yet, in their order
    answer_record* last_record = nullptr;
    answer_record* upgraded = nullptr;  // of the answer that has handed the connection over
    instant began;                      // the request in hand
    bool is_asked = false;              // it has no answer yet
    bool has_id = false;                // made_id is its
    bool falls_back = false;            // to what its files have for paths that lead nowhere
    bool is_upgraded = false;           // its handler has gone on with the connection's bytes
    std::uint8_t cut_by = 0;            // a shed_reason and one more
    std::uint64_t queued = 0;           // bytes that were sent or are to be, at the last flush
    std::array<char, 32> made_id{};     // of a request that brings none

    void begins(instant now) noexcept {
        began = now;
        is_asked = true;
        has_id = false;
        falls_back = false;
        mounted = nullptr;
    }

    std::unique_ptr<detail::upgrade_start> then;  // behind a 101

    struct send_step : send_operation {
        explicit send_step(turn& of) noexcept;
        turn& owner;
    } sending;
    struct file_step : send_file_operation {
        explicit file_step(turn& of) noexcept;
        turn& owner;
    } sending_file;
    std::array<slice, 8> slices;

    // How fast the client is, as seen by the worker's looks (shed.cpp).
    struct pace_seen {
        instant moved;                   // when the answer was begun, or was last seen to move
        instant look = instant::min();   // when it is worth a look at what has been acknowledged
        instant begun = instant::min();  // of the time over which a least rate is counted
        std::uint64_t seen = 0;          // bytes handed over
        std::int64_t taken = 0;          // of them, bytes that the client's system has acknowledged
        std::int64_t at_begin = 0;       // `taken`, or bytes of the body, then
        bool of_body = false;
    } pace;

    struct disk_step : disk_waiter {
        explicit disk_step(turn& of) noexcept;
        turn& owner;
    } waiting;
};

/// What carries one exchange after the other: a socket that speaks HTTP/1, or one stream of a socket that
/// speaks HTTP/2 (h2::stream, which is told by `is_stream_`: receiving, sending, and the end are its own).
/// Whose client has asked for HTTP/2 becomes the link of an h2::session, which makes the streams.
class connection : receive_operation, timer {
 public:
    connection(worker& of, handle socket) noexcept;
    /// Of an h2::stream.
    struct of_a_session {};
    connection(worker& of, of_a_session /*unused*/) noexcept;

    // accept.cpp
    void start() noexcept;
    /// The server stops: close now if nothing is under way, else after the answer.
    void drain() noexcept;
    /// The same for this one alone.
    void retire() noexcept {
        retired_ = true;
        drain();
    }
    /// The time for what is under way is over: closes, behind what has been upgraded.
    void close_requests() noexcept;
    /// Now, whatever is under way: stop, join, release.
    void close() noexcept;

    // shed.cpp
    /// Looks at how fast the client is; resets it, or ends its request, if that is too slow.
    void look(instant now) noexcept;
    /// How long the client has taken nothing of the answer that waits for it; none: it does not wait.
    std::optional<duration> stalled(instant now) noexcept;
    /// Between two requests, and since when; nullopt: not so.
    std::optional<duration> silent(instant now) const noexcept;
    /// Pool buffers that would come back, and heap bytes, if it were closed.
    std::size_t buffers_held() const noexcept;
    std::size_t bytes_aside() const noexcept;
    std::size_t loose_bytes() const noexcept;
    /// Closed for others' sake.
    void shed(shed_reason why) noexcept;
    /// Goes on if it waits for a buffer and the pool has one.
    bool offer_output() noexcept;
    /// Moves pipelined input out of its pool buffer, if it is little.
    void park_input(std::size_t most = limits::parked_input_bytes) noexcept;
    bool is_closing() const noexcept { return phase_ == phase::closing; }
    /// Whether TLS stands before its socket.
    bool is_secure() const noexcept;
    // tls.cpp
    /// What the handshake has agreed upon by ALPN: chooses what runs on the connection. Empty without TLS, or
    /// if the client has named no protocol.
    std::string_view negotiated_protocol() const noexcept;
    /// The name that the client has asked for in the handshake (SNI); empty if none.
    std::string_view negotiated_name() const noexcept;
    /// "TLSv1.3"; empty without TLS.
    std::string_view tls_version() const noexcept;
    /// Whether the handshake has not been made yet.
    bool is_shaking_hands() const noexcept;
    bool is_misdirected(std::string_view authority) const noexcept;
    // proxy.cpp
    /// Whom the request in hand comes from, as far as it is known.
    detail::forwarded_facts forwarded() const noexcept;
    std::string client_host() const noexcept;

    // For the turn's operations: what happens when they complete.
    void on_sent(const operation& op) noexcept;              // write.cpp
    void on_disk_answer(const disk_answer& found) noexcept;  // handle.cpp

 private:
    enum class phase : std::uint8_t {
        idle,      // between requests
        head,      // part of a head has arrived (set aside if the turn has been given back)
        body,      // a body is read and dropped
        handling,  // waits for the disk
        queued,    // has had an answer, and waits for its turn
        starved,   // waits for a buffer to answer in
        serving,   // a coroutine handler is at work
        sending,
        handing_over,  // to another protocol, when the receive that is under way has ended
        upgraded,      // a coroutine handler has the socket, or the tunnel, and goes on
        multiplexed,   // a session's: what comes is for its streams
        lingering,     // the last answer is sent, our direction ended; what comes is dropped
        closing,
    };

    // What a partial head is kept in while nothing arrives: no larger than needed.
    struct set_aside;

    // read.cpp
    void receive() noexcept;
    void cancel_receive() noexcept;
    static void received(operation& op) noexcept;
    void on_received() noexcept;
    void process() noexcept;
    void answer_requests(bool is_read) noexcept;
    void await_output(turn::step resume_at) noexcept;
    void await_turn() noexcept;
    void take_turn() noexcept;
    bool begin_request() noexcept;
    bool begin_body() noexcept;
    bool read_body() noexcept;
    void wait_for_more() noexcept;
    bool take_back() noexcept;
    bool make_turn() noexcept;
    void use_newest_site() noexcept;
    static void deadline_passed(timer& expired) noexcept;
    void on_deadline() noexcept;

    // input.cpp
    bool take_input(std::byte* bytes, std::size_t size) noexcept;
    bool extend_head(std::byte* bytes, std::size_t size) noexcept;
    bool take_whole_head(std::byte* bytes, std::size_t size) noexcept;
    bool refill() noexcept;
    bool keep_head() noexcept;
    /// The request has been answered.
    void forget_head() noexcept {
        if (!turn_->kept_head.empty()) forget_kept_head();
    }
    void forget_kept_head() noexcept;
    void put_aside() noexcept;
    void drop_aside() noexcept;
    std::string_view text_aside() const noexcept;
    void release_input() noexcept;
    void charge() noexcept;

    // handle.cpp
    enum class next_step : std::uint8_t { go_on, flush, wait };
    next_step handle() noexcept;
    [[gnu::noinline]] bool is_for_another_connection() noexcept;
    next_step handle_routed() noexcept;
    void leave_body() noexcept;
    std::optional<std::string_view> locate(route_match& into, std::span<char> scratch) noexcept;
    bool goes_to_a_coroutine(const route_match& found) const noexcept;
    std::uint64_t body_limit_of_route(bool& coroutine) noexcept;
    next_step handle_match(exchange& x, const route_match& found) noexcept;
    next_step handle_function(exchange& x) noexcept;
    next_step finish_function(exchange& x) noexcept;
    next_step answer_unrouted(const route_match& found) noexcept;
    next_step answer_status(unsigned status, std::string_view explanation,
                            std::string_view extra_fields = {}) noexcept;
    bool make_error_page(unsigned status, std::string_view explanation, std::string& into) noexcept;
    next_step answer_allowed(std::string_view allow_line) noexcept;
    next_step refuse(const refusal& why) noexcept;
    void go_on(next_step after_answer) noexcept;
    inline std::size_t head_room() const noexcept;
    /// Whether fields are added to the heads of our own answers, or seen by hooks.
    inline bool is_dressed() const noexcept;
    void append_head(std::string_view head) noexcept;
    std::string dress(std::string_view head);
    next_step out_of_memory(std::uint32_t filled_before) noexcept;

    // respond.cpp
    bool settle_body() noexcept;
    void answer_exchange(exchange& x, unsigned status, std::string_view type, std::string_view body,
                         std::string* owned) noexcept;
    void answer_prepared(exchange& x, const prepared& of) noexcept;
    void answer_lines(exchange& x, unsigned status, std::span<const std::string_view> lines,
                      std::string_view body, std::string* owned) noexcept;
    void answer_lines_dressed(exchange& x, unsigned status, std::span<const std::string_view> lines,
                              std::string_view body);

    // call.cpp
    next_step begin_call(const route_match& found, std::string_view path) noexcept;
    next_step finish_call() noexcept;
    void call_ended() noexcept;
    void end_call() noexcept;
    void put_back(call& as_new) noexcept;
    void forget_call(const call& ended) noexcept;
    void watch() noexcept;
    bool stash(std::byte* bytes, std::size_t size) noexcept;
    void received_while_serving() noexcept;
    void resume_call(detail::exchange_wait& who) noexcept;
    void read_for_call() noexcept;
    bool give_body(exchange& x, naru::result<lease>& into) noexcept;
    void fail_read(std::error_code error, unsigned status, const char* reason) noexcept;
    void wrote_for_call() noexcept;
    bool begin_pieces(exchange& x) noexcept;
    void report_thrown(const call& by) noexcept;
    void send_pieces(exchange& x) noexcept;
    next_step finish_unanswered() noexcept;
    void read_begins() noexcept;
    void add_chunk_line(call& calls, std::uint64_t size) noexcept;
    void add_encoded(exchange& x) noexcept;
    bool goes_on_encoding(call& calls) noexcept;

    // upgrade.cpp
    void hand_over() noexcept;
    void give_to_call(upgraded_stream& given) noexcept;
    void upgrade_ended() noexcept;

    // encode.cpp
    void begin_encoding(exchange& x);
    void end_encoding(call& of) noexcept;
    std::error_code encode_next(exchange& x, write_request::awaiter& what) noexcept;

    // file_answers.cpp
    next_step handle_mount(const route& mounted, file_service& files) noexcept;
    next_step handle_file() noexcept;
    void wait_for_disk() noexcept;
    void leave_disk() noexcept;
    bool falls_back_from(const disk_answer& found) noexcept;
    // Compiled into their callers, which are file_answers.cpp's alone.
    [[gnu::always_inline]] inline next_step answer_found(const disk_answer& found) noexcept;
    [[gnu::always_inline]] inline next_step answer_file(cached_document& from) noexcept;
    [[gnu::always_inline]] inline next_step answer_ready(cached_document& from,
                                                         const representation& what) noexcept;
    [[gnu::always_inline]] inline void append_ready(const representation& what, std::size_t bytes) noexcept;
    next_step answer_other(const disk_answer& found) noexcept;
    next_step answer_listing(cached_document& from) noexcept;
    next_step answer_made(cached_document& from, const representation& what, coding in) noexcept;
    next_step answer_ranges(cached_document& from, const representation& what, coding in,
                            std::span<const byte_range> ranges) noexcept;
    next_step answer_parts(cached_document& from, const representation& what, coding in,
                           std::span<const byte_range> ranges);
    next_step answer_unsatisfiable(std::uint64_t size) noexcept;
    next_step answer_redirect(std::string_view path) noexcept;
    next_step failed(const std::error_code& error) noexcept;

    // record.cpp
    void log(unsigned status, std::uint64_t bytes, std::string_view reason = {}) noexcept;
    void make_record(const answer_facts& known, std::string_view reason) noexcept;
    void log_request(answer_record& into, std::string_view reason) noexcept;
    log_place* log_of_request() noexcept;
    void log_pieces(unsigned status, std::size_t head_bytes) noexcept;
    void log_unanswered() noexcept;
    void note_queued() noexcept;
    void end_records(bool all_went) noexcept;
    void end_record(answer_record& ended, bool all_went, instant now) noexcept;
    const route* route_in_hand() const noexcept;
    void note_step_of(const call& at_work) noexcept;
    std::string_view request_id() noexcept;

    // write.cpp
    /// Sees to it that the output has a buffer with that much room. False: send what it holds first.
    bool output_room(std::size_t bytes) noexcept {
        const turn& x = *turn_;
        if (x.output == nullptr) return take_output();
        return x.filled == 0 || x.filled + bytes <= limits::output_bytes;
    }
    bool take_output() noexcept;
    void release_output() noexcept;
    void append(std::string_view text) noexcept {
        turn& x = *turn_;
        if (phase_ == phase::sending || x.output == nullptr) return append_elsewhere(text);
        NARU_ASSERT(x.filled + text.size() <= limits::output_bytes);
        std::memcpy(x.output + x.filled, text.data(), text.size());
        x.filled += static_cast<std::uint32_t>(text.size());
    }
    void append_elsewhere(std::string_view text) noexcept;
    void append_behind(std::string_view text) noexcept;
    void append_alone(std::string&& text) noexcept;
    void append_representation(cached_document& from, const representation& what, std::uint64_t first,
                               std::uint64_t size) noexcept;
    void add_piece(std::string_view memory) noexcept;
    void add_piece(lent_descriptor file, std::uint64_t offset, std::uint64_t bytes) noexcept;
    void hold(cached_document& each) noexcept;
    void let_go() noexcept;
    void flush() noexcept;
    void refuse_for_want_of_a_buffer() noexcept;
    void send_next() noexcept;
    void answer_sent() noexcept;
    void turn_over() noexcept;
    void release_turn() noexcept;
    void linger() noexcept;
    void finish_if_quiet() noexcept;
    void reset_link() noexcept;

    // h2/link.cpp
    /// What has been received begins with HTTP/2's preface: what comes from here on is a session's. False if
    /// that is not spoken here, or cannot be.
    bool speak_http2(std::string_view received) noexcept;
    bool begins_http2(std::string_view received) const noexcept;
    bool begin_stream_request() noexcept;
    void close_streams() noexcept;
    bool streams_ended() noexcept;
    naru::handle socket() const noexcept;
    h2::stream& as_stream() noexcept;
    const h2::stream& as_stream() const noexcept;

    // shed.cpp
    void leave() noexcept;
    void return_leaving() noexcept;
    void look_at_body(instant now) noexcept;
    void look_at_answer(instant now) noexcept;
    void look_for_end() noexcept;
    bool is_sending() const noexcept { return has_turn_ && phase_ == phase::sending; }
    bool reads_for_call() const noexcept;
    void show_progress() const noexcept;
    std::uint64_t handed_over() const noexcept;

    void set_deadline(std::chrono::milliseconds after) noexcept;
    std::string_view unread() const noexcept {
        return as_text(bytes_view(turn_->input + turn_->begin, turn_->end - turn_->begin));
    }
    bool has_input() const noexcept { return turn_->begin != turn_->end || !turn_->surplus.empty(); }

    friend class worker;
    friend class exchange;
    friend class h2::session;
    friend class h2::stream;
    friend struct call;
    friend class read_request::awaiter;
    friend class write_request::awaiter;
    friend class upgrade_request::awaiter;
    friend worker_pool& detail::blocking_pool(const exchange& of) noexcept;

    worker& worker_;
    union {
        turn* turn_ = nullptr;  // in every phase but idle and lingering, and head when set aside
        set_aside* aside_;
        std::uint64_t lingered_;  // bytes dropped
        h2::session* session_;    // while is_multiplexed_
    };
    phase phase_ = phase::idle;
    bool is_aside_ : 1 = false;
    bool has_turn_ : 1 = false;
    bool asked_ : 1 = false;                        // something has come
    bool keep_alive_ : 1 = true;                    // after the answer in hand
    bool timed_out_ : 1 = false;                    // the receive was cancelled by the deadline
    bool dirty_close_ : 1 = false;                  // more may be coming from the client: linger
    bool is_stream_ : 1 = false;                    // an h2::stream
    bool is_multiplexed_ : 1 = false;               // it has a session
    bool is_proxied_ : 1 = false;                   // worker::proxied_ has its client
    bool retired_ : 1 = false;                      // its answer in hand is the last
    std::uint32_t address_ = address_counts::none;  // its place among the counts, once they matter
};

static_assert(sizeof(connection) <= 128);

}  // namespace naru::http
