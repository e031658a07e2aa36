// One stream of an HTTP/2 connection: a carrier of one exchange.
#pragma once

#include <naru/core/intrusive.hpp>
#include <naru/http/link/connection.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace naru::http::h2 {

class session;
class tunnel;

/// A request and its answer as a connection carries them, with a session for a socket. The request's head is
/// kept as HTTP/1's text, which conditions, ranges, codings and handlers read in the same way; the answer's
/// head is text that becomes a HEADERS frame when it is carried. Holds no pool buffer while its client is
/// waited for: what it could not send yet lies in the cache, with its handler, or in `rest_`.
class stream : public connection {
 public:
    stream(worker& of, session& in, std::int32_t id) noexcept;
    ~stream();

    std::int32_t id() const noexcept { return id_; }

    // From nghttp2's callbacks: what has come. What follows from it is done in `attend`.
    /// The head is complete: `text` is HTTP/1's (taken by swapping), or `refused` is a status.
    void head_came(std::string& text, bool has_body, unsigned refused) noexcept;
    /// Of that head: it asks for a tunnel of this protocol (RFC 8441), and is written as an upgrade's.
    void asks_for_tunnel(std::string_view protocol) noexcept;
    /// False without the memory for it.
    bool body_came(std::string_view bytes) noexcept;
    void body_ended() noexcept { input_ended_ = true; }
    bool has_input_ended() const noexcept { return input_ended_; }
    /// END_STREAM has been sent.
    void end_sent() noexcept { end_sent_ = true; }
    /// nghttp2 knows it no more.
    void closed() noexcept { is_closed_ = true; }
    bool is_closed() const noexcept { return is_closed_; }
    /// Its session goes on with it: begins, gives it what has come, tells it what has gone.
    void attend() noexcept;

    // Output, as nghttp2 asks for it.
    std::uint64_t waiting_bytes() const noexcept { return waiting_; }
    /// Our side has been reset: nothing of it is to be sent any more.
    bool is_abandoned() const noexcept { return is_abandoned_; }
    const std::string& trailers() const noexcept { return trailers_; }
    /// Of what waits, the memory that comes next; in a file: no memory, and where it is.
    body_piece front() const noexcept;
    /// So much of it has been taken; `lent`: it is sent from where it lies.
    void take(std::uint64_t bytes, bool lent) noexcept;
    /// What was lent has been sent.
    void returned() noexcept;

    // As connection's own functions, of a stream.
    void want_input() noexcept;
    void cancel_input() noexcept;
    void carry() noexcept { carry_on(false); }
    void finish() noexcept;
    void abandon() noexcept;
    void end() noexcept;
    void take_trailers(std::string& lines) noexcept { trailers_.swap(lines); }
    bool is_lent() const noexcept { return lent_place_.linked(); }
    /// Bytes of the answer that are in the session's output and have not left, in proportion to all of it.
    std::uint64_t on_its_way() const noexcept;
    // tunnel.cpp
    void become_tunnel() noexcept;
    /// The handler has ended that had it.
    void let_go_of_tunnel() noexcept;
    /// Another protocol has its handle.
    bool is_tunnel() const noexcept { return tunnel_ != nullptr; }

    /// Heap bytes that its client is charged with.
    std::size_t bytes_kept() const noexcept;
    connection& link() const noexcept;

 private:
    friend class session;
    friend class connection;
    friend class tunnel;

    // A place in one of the session's lists.
    struct place : list_node {
        explicit place(stream& of) noexcept : owner(of) {}
        ~place() {
            if (linked()) unlink();
        }
        stream& owner;
    };

    void carry_on(bool attending) noexcept;
    void charge_rest() noexcept;
    void give_input() noexcept;
    void take_unread(std::size_t bytes) noexcept;
    void offer() noexcept;
    void attend_tunnel() noexcept;
    void tunnel_ended(bool by_reset) noexcept;
    void finish_tunnel() noexcept;
    bool is_no_tunnel(unsigned status) const noexcept;
    void answer_no_tunnel();
    std::string_view take_interim(std::string_view text, unsigned& status);
    bool is_whole() const noexcept;

    session& session_in_;
    place among_all_{*this};
    place ready_place_{*this};
    place lent_place_{*this};
    std::string head_;    // until it is begun with
    std::string unread_;  // of the body, for which no window is opened before it is read
    std::size_t given_ = 0;
    std::string rest_;  // what was copied into the output behind its head
    std::size_t rest_sent_ = 0;
    std::size_t charged_ = 0;       // bytes of it that the worker counts
    std::string trailers_;          // as lines
    std::uint64_t waiting_ = 0;     // bytes of the body
    std::uint64_t piece_sent_ = 0;  // of the piece that comes next
    std::uint64_t in_flight_ = 0;   // bytes of the body
    std::unique_ptr<tunnel> tunnel_;
    std::uint32_t flight_ = 0;  // of the session: in which they are
    std::int32_t id_;
    std::uint16_t refused_ = 0;
    bool has_head_ = false;  // which is to be begun with
    bool has_body_ = false;
    bool input_ended_ = false;
    bool is_closed_ = false;
    bool is_abandoned_ = false;
    bool wants_input_ = false;
    bool canceled_ = false;  // the receive that is wanted
    bool head_sent_ = false;
    bool carrying_ = false;     // the answer is told when all has gone
    bool is_last_ = false;      // nothing follows what waits
    bool is_finished_ = false;  // it has nothing more to do
    bool asks_tunnel_ = false;
    bool is_websocket_ = false;  // the protocol that it asks for
    bool is_mute_ = false;       // what is answered is not sent
    bool end_sent_ = false;
};

}  // namespace naru::http::h2

namespace naru::http {

inline h2::stream& connection::as_stream() noexcept { return static_cast<h2::stream&>(*this); }
inline const h2::stream& connection::as_stream() const noexcept {
    return static_cast<const h2::stream&>(*this);
}

}  // namespace naru::http
