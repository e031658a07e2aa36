// One connection of a client: requests out, responses in, one after the other.
//
// While it lives, and unless a piece of a body waits to be taken, one receive is always under way: between
// two requests it notices that the peer ends the connection, while a request is being sent it notices an
// early answer, and it brings the answer's head. No receive is begun or cancelled for a request.
//
// With https a TLS layer stands before its socket, of which nothing is seen here.
#pragma once

#include <naru/coro/operations.hpp>
#include <naru/http/client/upload.hpp>
#include <naru/http/h1/response.hpp>
#include <naru/loop/buffer_pool.hpp>
#include <naru/loop/loop.hpp>
#include <naru/os/address.hpp>
#include <naru/stream/tcp_stream.hpp>

#include <coroutine>
#include <memory>
#include <span>
#include <string>
#include <system_error>

namespace naru::http {

/// With which alert, or for what else, TLS has failed on a connection; nothing if it has not.
std::error_code tls_failure(loop& on, handle connection) noexcept;

class client_connection {
 public:
    /// Takes a connected stream over. Lives on the heap, in a `pointer`.
    client_connection(tcp_stream stream, const address& peer, bool carries_one = false) noexcept;

    /// Closes, and frees the memory when its receive has ended.
    struct retire {
        void operator()(client_connection* each) const noexcept { each->retire_now(); }
    };
    using pointer = std::unique_ptr<client_connection, retire>;

    const address& peer() const noexcept { return peer_; }
    loop& home() const noexcept { return loop_; }
    /// For what stands before its socket.
    handle native() const noexcept { return stream_.native(); }
    /// An HTTP/2 stream: it carries one request, and a body of unknown length without chunks.
    bool carries_one() const noexcept { return carries_one_; }
    /// Of such: the body has ended.
    void end_body() noexcept { (void)stream_.shutdown_send(); }
    /// Whether it has carried an answer: then the peer may be about to close it.
    bool reused() const noexcept { return answers_ > 0; }

    // Between two requests.

    /// Whether it can carry another request: all of the last one was sent, its answer was whole, said that
    /// the connection goes on, and nothing came behind it.
    bool can_be_kept() const noexcept;
    /// Waits in `owner`'s care: `on_end` is called when the peer has ended it or has sent what nobody asked
    /// for, or at `until`; then it is to be retired.
    using ended_function = void (*)(void* owner, client_connection& ended) noexcept;
    void idle(void* owner, ended_function on_end, instant until) noexcept;
    void take_from_idle() noexcept { loop_.disarm(idle_deadline_); }
    instant idle_since() const noexcept { return idle_since_; }
    /// What the peer said (Keep-Alive: timeout), or what stands in for it.
    duration keep_alive() const noexcept { return keep_alive_; }
    void set_keep_alive(duration span, bool said_so) noexcept {
        keep_alive_ = span;
        keep_alive_said_ = said_so;
    }
    /// How long it is worth keeping: as long as the peer said that it will.
    duration longest_idle() const noexcept { return keep_alive_said_ ? keep_alive_ : duration::max(); }

    // A request.

    /// Before the first byte of a request is sent. `sending` is stopped when an answer that refuses it, or
    /// the end of the connection, comes before its end.
    void begin_request(bool to_head, upload& sending) noexcept;
    /// nullptr: it has ended.
    upload* sending() const noexcept { return sending_; }
    /// Memory for a request's head, from one to the next.
    std::string& request_text() noexcept { return request_text_; }
    /// Memory for its answer's.
    std::string& answer_text() noexcept { return head_text_; }
    send_slices_request send(std::span<slice> pieces) noexcept { return stream_.send(pieces); }

    // Its answer.

    class arrival_request;
    /// result<void>: when the head has come (or it is clear that none will), or the next bytes of the body;
    /// see has_head and has_input. Errors: operation_canceled; the connection is of no use then.
    arrival_request arrival() noexcept;

    bool has_head() const noexcept { return head_outcome_ == response_reader::outcome::complete; }
    bool head_is_bad() const noexcept { return head_outcome_ == response_reader::outcome::bad; }
    const char* problem() const noexcept { return reader_.problem(); }
    /// Whether a byte of an answer has come.
    bool answered() const noexcept { return any_byte_; }
    const response_head& head() const noexcept { return head_; }
    /// The head's text. From here on it is the body that arrives.
    std::string take_head() noexcept {
        mode_ = mode::body;
        return std::exchange(head_text_, {});
    }

    /// The next piece of the body, in memory that stays until the next call. need_more with an empty piece:
    /// await `arrival` if !ended(), else see end_of_body.
    response_reader::outcome read_body(std::string_view& data) noexcept;
    /// The peer has ended the connection: whether that is how the body ends.
    bool end_of_body() noexcept;

    /// Why no more will come.
    bool ended() const noexcept { return static_cast<bool>(ended_); }
    std::error_code end() const noexcept;

 private:
    friend class upload;

    enum class mode : std::uint8_t { idle, head, body, retired };

    struct receive_step : receive_operation {
        explicit receive_step(client_connection& of) noexcept
            : receive_operation(
                  [](operation& op) noexcept { static_cast<receive_step&>(op).owner.on_received(); }),
              owner(of) {}
        client_connection& owner;
    };
    struct idle_step : timer {
        explicit idle_step(client_connection& of) noexcept
            : timer([](timer& self) noexcept { static_cast<idle_step&>(self).owner.on_idle_end(); }),
              owner(of) {}
        client_connection& owner;
    };
    class awaiter;

    ~client_connection() = default;
    void retire_now() noexcept;
    void receive() noexcept;
    void on_received() noexcept;
    void on_idle_end() noexcept { ended_idle_(idle_owner_, *this); }
    void read_head() noexcept;
    void tell_upload() noexcept;
    bool has_news() const noexcept;

    loop& loop_;
    tcp_stream stream_;
    address peer_;
    receive_step receive_{*this};
    idle_step idle_deadline_{*this};
    lease lease_;             // what input_ points into
    std::string_view input_;  // received and not yet read
    std::error_code ended_;
    awaiter* waiting_ = nullptr;
    upload* sending_ = nullptr;
    response_reader reader_;
    response_head head_;
    std::string head_text_;
    std::string request_text_;
    void* idle_owner_ = nullptr;
    ended_function ended_idle_ = nullptr;
    instant idle_since_;
    duration keep_alive_{0};
    unsigned answers_ = 0;
    response_reader::outcome head_outcome_ = response_reader::outcome::need_more;
    mode mode_ = mode::idle;
    bool to_head_ = false;
    bool any_byte_ = false;
    bool sent_whole_ = false;
    bool keep_alive_said_ = false;
    bool body_ended_ = false;
    const bool carries_one_;
};

class [[nodiscard]] client_connection::arrival_request : public request<arrival_request> {
 public:
    explicit arrival_request(client_connection& of) noexcept : of_(&of) {}
    using awaiter = client_connection::awaiter;

 private:
    friend class client_connection::awaiter;
    client_connection* of_;
};

class client_connection::awaiter : public naru::detail::begins<awaiter>, private stop_entry {
 public:
    explicit awaiter(arrival_request&& of) noexcept
        : stop_entry([](stop_entry& self) noexcept { static_cast<awaiter&>(self).stop(); }), of_(of.of_) {}
    awaiter(const awaiter&) = delete;
    awaiter& operator=(const awaiter&) = delete;

    bool await_ready() const noexcept { return of_->has_news(); }
    void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
        handle_ = waiting;
        of_->waiting_ = this;
        of_->receive();
        in.add(*this);
    }
    [[nodiscard]] naru::result<void> await_resume() const noexcept {
        const bool cut = !of_->has_news() || of_->ended_ == std::errc::operation_canceled;
        if (stopped_ && cut) return fail_errno(ECANCELED);
        return {};
    }

 private:
    friend class client_connection;
    void stop() noexcept {
        stopped_ = true;
        of_->loop_.cancel(of_->receive_);
    }
    void resume() noexcept {
        if (linked()) unlink();
        handle_.resume();
    }

    client_connection* of_;
    std::coroutine_handle<> handle_;
    bool stopped_ = false;
};

inline client_connection::arrival_request client_connection::arrival() noexcept {
    return arrival_request(*this);
}

}  // namespace naru::http
