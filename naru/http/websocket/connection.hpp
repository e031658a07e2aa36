// One WebSocket on a connection of a loop: the state machine between the codec and the operations. What users
// see of it is websocket_peer (peer.hpp).
#pragma once

#include <naru/coro/request.hpp>
#include <naru/http/websocket/deflate.hpp>
#include <naru/http/websocket/errors.hpp>
#include <naru/http/websocket/frame.hpp>
#include <naru/http/websocket/handshake.hpp>
#include <naru/http/websocket/message.hpp>
#include <naru/http/websocket/options.hpp>
#include <naru/http/websocket/outgoing.hpp>
#include <naru/http/websocket/utf8.hpp>
#include <naru/stream/tcp_stream.hpp>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace naru::websocket {

enum class role : std::uint8_t { server, client };

class connection;

/// Whoever waits for a message, for room or for the end: in the frame of a coroutine, known to the connection
/// and to the scope.
struct waiting_for_connection : stop_entry {
    waiting_for_connection(connection& on, stop_entry::function stop) noexcept : stop_entry(stop), of(&on) {}
    waiting_for_connection(const waiting_for_connection&) = delete;
    waiting_for_connection& operator=(const waiting_for_connection&) = delete;

    void leave_scope() noexcept {
        if (linked()) unlink();
    }

    connection* of;
    std::coroutine_handle<> waiting;
    bool stopped = false;
    bool done = false;
};

/// What it gets lies with the connection until it is taken.
struct receiver : waiting_for_connection {
    receiver(connection& on, bool in_pieces) noexcept;
    bool pieces;
};

struct lent_frame;

/// What it waits by, if it has to, is in a lent_frame: most never wait.
struct sender {
    sender(connection& on, message_kind of_kind, bytes_view what) noexcept
        : of(&on), payload(what), kind(of_kind) {}
    sender(const sender&) = delete;
    sender& operator=(const sender&) = delete;

    enum class outcome : std::uint8_t { sent, refused, stopped, no_memory, queue_full, too_slow };
    std::error_code error() const noexcept;
    void set(const std::error_code& error) noexcept;

    connection* of;
    bytes_view payload;
    const prepared_message* prepared = nullptr;
    lent_frame* waits = nullptr;  // while it waits
    message_kind kind;
    outcome how = outcome::sent;
    bool stopped = false;
    bool done = false;
};

struct place_of_sender : list_node {};

/// The place of a sender that waits: for room, in a list; and then in the queue, its payload lent behind the
/// head that is here. In a block.
struct lent_frame : out_frame, place_of_sender, stop_entry {
    explicit lent_frame(sender& of) noexcept;
    sender* owner;
    std::coroutine_handle<> waiting;
    frame_head bytes;
};

struct closer : waiting_for_connection {
    explicit closer(connection& on) noexcept;
};

/// The operation and the timer of a connection: its bases, so that it is found from them.
struct connection_receive : receive_operation {
    connection_receive() noexcept;
};
struct connection_watch : timer {
    connection_watch() noexcept;
};

/// Counted by those who have it: peers, and its own operations while they are in flight. Belongs to its
/// loop's thread. Memory, while idle, is this and nothing else: what a message needs is there while it comes
/// or goes.
class connection : private connection_receive, private connection_watch {
 public:
    /// Takes the connection over, with the bytes that came behind the handshake. nullptr without memory.
    static connection* make(tcp_stream stream, std::string_view ahead, role as,
                            std::shared_ptr<const options> with, const agreement& agreed) noexcept;
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    void retain() noexcept { ++references_; }
    void release() noexcept {
        if (--references_ == 0) delete this;
    }

    // Receiving.
    /// Whether there is a message, or an error, without waiting.
    bool try_receive(receiver& who) noexcept;
    /// What a receiver has waited for.
    naru::result<message> take(const receiver& who) noexcept;
    void wait_to_receive(receiver& who, std::coroutine_handle<> waiting, stop_scope& in) noexcept;
    void stop_receiving(receiver& who) noexcept;

    // Sending.
    /// Whether it is done, or refused, without waiting.
    bool try_send(sender& who) noexcept;
    void wait_to_send(sender& who, std::coroutine_handle<> waiting, stop_scope& in) noexcept;
    void stop_sending(sender& who) noexcept;
    /// Never waits: errc::queue_full instead.
    naru::result<void> offer(message_kind which, bytes_view payload,
                             const prepared_message* prepared) noexcept;
    naru::result<void> ping(bytes_view payload) noexcept;

    // Closing.
    /// Queues a close frame, if there was none. True if the connection has ended already.
    bool begin_close(std::uint16_t code, std::string_view reason) noexcept;
    void wait_to_close(closer& who, std::coroutine_handle<> waiting, stop_scope& in) noexcept;
    /// Ends it now, whatever is under way.
    void finish(std::error_code why) noexcept;

    bool open() const noexcept { return !error_ && !close_queued_; }
    std::error_code error() const noexcept { return error_; }
    /// Why nothing can be sent any more.
    std::error_code refusal() const noexcept {
        return error_ ? error_ : std::error_code(EPIPE, errno_category());
    }
    std::uint16_t close_code() const noexcept { return close_code_; }
    std::string_view close_reason() const noexcept {
        return extras_ ? std::string_view(extras_->reason) : std::string_view();
    }
    std::string_view protocol() const noexcept {
        return extras_ ? std::string_view(extras_->protocol) : std::string_view();
    }
    bool compresses() const noexcept { return extras_ && extras_->deflate; }
    std::size_t queued_bytes() const noexcept;
    tcp_stream& stream() noexcept { return stream_; }
    loop& home() const noexcept { return stream_.home(); }
    const naru::websocket::options& settings() const noexcept { return *options_; }

    /// Its close is seen to by somebody else than the peer: the peer's end does not end it.
    void set_attended(bool is) noexcept { attended_ = is; }
    bool attended() const noexcept { return attended_; }

 private:
    friend struct connection_receive;
    friend struct connection_watch;

    /// While something is to be sent: what waits for it, and the send under way.
    struct output;
    /// While something is being received: what is not used up, and what has begun.
    struct work {
        frame_parser parser;
        lease held;            // where `rest` lies,
        buffer aside;          // or here
        bytes_view inflating;  // in front of the rest: unmasked, and not inflated yet
        mutable_bytes rest;
        buffer assembled;  // the message, or the piece, so far
        utf8_validator text;
        std::size_t checked = 0;      // of what is assembled, for UTF-8
        std::uint64_t delivered = 0;  // of a message that is received in pieces
        bool last = false;            // what is assembled for a receiver ends its message
        bool inflates = false;        // there may be more to come out of the inflater
        bool message_ended = false;   // all its bytes are in
        std::uint8_t control_size = 0;
        std::array<std::byte, control_bytes> control;
    };
    struct compression {
        deflater out;
        inflater in;
    };
    struct extras {
        std::string protocol;
        std::string reason;
        std::optional<compression> deflate;
    };

    static constexpr std::size_t dropped_unit = 64;

    connection(tcp_stream&& stream, role as, std::shared_ptr<const options>&& with) noexcept;
    ~connection();

    // Reading (connection_receive.cpp).
    void read_on() noexcept;
    void on_receive() noexcept;
    void take_in(lease came) noexcept;
    bool prepare_work() noexcept;
    void rest_from_work() noexcept;
    /// Takes apart what has come, until `who` is served. Without anybody, what is no control frame is
    /// dropped.
    void parse(receiver* who) noexcept;
    void on_payload(receiver* who) noexcept;
    void on_frame_end(receiver* who) noexcept;
    void on_message_end(receiver* who) noexcept;
    void on_control_frame() noexcept;
    void after_parsing(const receiver* who) noexcept;
    void on_close_frame(bytes_view payload) noexcept;
    void inflate_on(receiver* who) noexcept;
    void check_text(bool whole) noexcept;
    void deliver(receiver& who, bool last) noexcept;
    void fail(std::uint16_t code, std::error_code why, std::string_view reason) noexcept;
    frame_parser::rules rules() const noexcept;

    // Sending (connection_send.cpp).
    std::error_code admit(message_kind which, bytes_view payload, const prepared_message* prepared) noexcept;
    std::error_code push_copy(opcode which, bytes_view payload, bool compressed) noexcept;
    std::error_code push_compressed(opcode which, bytes_view payload) noexcept;
    bool push_control(opcode which, bytes_view payload) noexcept;
    bool has_room(std::size_t more) const noexcept;
    void make_room(std::size_t more) noexcept;
    bool lends(const sender& who) const noexcept;
    bool prepare_output() noexcept;
    void rest_from_output() noexcept;
    bool queue_empty() const noexcept;
    bool too_many_controls() const noexcept;
    bool somebody_waits_to_send() const noexcept;
    void lend(lent_frame& frame) noexcept;
    void end_sender(lent_frame& frame) noexcept;
    void flush() noexcept;
    void on_sent() noexcept;
    void serve_senders() noexcept;
    void let_stopped_go() noexcept;

    // Ending (connection.cpp).
    void on_time() noexcept;
    void watch_time() noexcept;
    void look_at_end() noexcept;
    void settle() noexcept;
    receive_operation& receive_op() noexcept { return static_cast<connection_receive&>(*this); }
    timer& clock_watch() noexcept { return static_cast<connection_watch&>(*this); }
    bool reading() const noexcept { return !static_cast<const connection_receive&>(*this).idle(); }
    bool sending() const noexcept;
    bool in_flight() const noexcept { return reading() || sending(); }
    void wake_soon() noexcept { home().arm(clock_watch(), instant::min()); }
    void resume(waiting_for_connection& who) noexcept;
    instant due() const noexcept;

    tcp_stream stream_;
    std::shared_ptr<const options> options_;
    std::unique_ptr<extras> extras_;
    work* work_ = nullptr;
    output* output_ = nullptr;
    receiver* receiver_ = nullptr;
    closer* closer_ = nullptr;
    instant since_;  // when the peer was heard last; of a close: when it began
    std::error_code error_;
    std::uint16_t references_ = 1;  // peers, attendants and operations: a few
    std::uint16_t dropped_ = 0;     // received after the end, in units of dropped_unit
    std::uint16_t close_code_ = close_code::abnormal;
    role role_ : 1;
    bool close_queued_ : 1 = false;
    bool close_received_ : 1 = false;
    bool failed_ : 1 = false;   // the peer has broken the protocol: nothing of it is parsed any more
    bool ended_ : 1 = false;    // the peer's direction has ended
    bool shut_ : 1 = false;     // so has ours
    bool closing_ : 1 = false;  // the time of a close runs
    bool pinged_ : 1 = false;
    bool finished_ : 1 = false;
    bool attended_ : 1 = false;
    bool sender_stopped_ : 1 = false;
};

}  // namespace naru::websocket
