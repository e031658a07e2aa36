#include <naru/http/client/http2_link.hpp>

#include <naru/http/client/client_connection.hpp>
#include <naru/http/client/http2_stream.hpp>
#include <naru/http/client/limits.hpp>
#include <naru/http/h2/memory.hpp>
#include <naru/http/limits.hpp>

#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include <nghttp2/nghttp2.h>

namespace naru::http {

namespace {

std::string_view text_of(const std::uint8_t* bytes, std::size_t size) noexcept {
    return {reinterpret_cast<const char*>(bytes), size};
}

http2_stream* stream_of(nghttp2_session* of, std::int32_t id) noexcept {
    return static_cast<http2_stream*>(nghttp2_session_get_stream_user_data(of, id));
}

constexpr std::size_t output_bytes = 64 * 1024;  // handed to one send

}  // namespace

// What has come is noted; operations that it ends are told behind nghttp2's back, by the loop.
struct http2_link::callbacks {
    static http2_link& owner_of(void* data) noexcept { return *static_cast<http2_link*>(data); }

    static int on_header(nghttp2_session* of, const nghttp2_frame* frame, const std::uint8_t* name,
                         std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                         std::uint8_t, void*) noexcept try {
        if (http2_stream* const to = stream_of(of, frame->hd.stream_id))
            to->take_field(text_of(name, name_size), text_of(value, value_size));
        return 0;
    } catch (const std::exception&) {  // no memory, or no room for it
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }

    static int on_frame(nghttp2_session* of, const nghttp2_frame* frame, void* data) noexcept try {
        const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        http2_stream* to = nullptr;
        switch (frame->hd.type) {
            case NGHTTP2_HEADERS:
                to = stream_of(of, frame->hd.stream_id);
                if (to != nullptr) to->head_ended();
                [[fallthrough]];
            case NGHTTP2_DATA:
                to = stream_of(of, frame->hd.stream_id);
                if (to != nullptr && ends) to->input_ended();
                break;
            case NGHTTP2_GOAWAY:
                owner_of(data).tell();
                break;
            default:
                break;
        }
        return 0;
    } catch (const std::bad_alloc&) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }

    // The connection's window is for all streams: who does not read holds up nobody but itself.
    static int on_data(nghttp2_session* of, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                       std::size_t size, void*) noexcept try {
        (void)nghttp2_session_consume_connection(of, size);
        if (http2_stream* const to = stream_of(of, id)) to->take_body(text_of(bytes, size));
        return 0;
    } catch (const std::bad_alloc&) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }

    static int on_close(nghttp2_session* of, std::int32_t id, std::uint32_t code, void*) noexcept {
        if (http2_stream* const to = stream_of(of, id)) to->closed(code);
        return 0;
    }

    // A GOAWAY has come before a request has gone: nghttp2 had no stream for it yet.
    static int on_not_sent(nghttp2_session*, const nghttp2_frame* frame, int, void* data) noexcept {
        if (frame->hd.type != NGHTTP2_HEADERS) return 0;
        list_head& all = owner_of(data).streams_;
        for (list_node* each = all.next_node; each != &all; each = each->next_node) {
            http2_stream& one = static_cast<http2_stream::place*>(each)->owner;
            if (one.id_ != frame->hd.stream_id || !one.is_alive_) continue;
            one.closed(NGHTTP2_REFUSED_STREAM);
            break;
        }
        return 0;
    }
};

http2_link::http2_link(tcp_stream over, const address& peer, duration idle_time, void* owner,
                       ended_function on_end)
    : loop_(over.home()),
      stream_(std::move(over)),
      peer_(peer),
      idle_time_(idle_time),
      owner_(owner),
      on_end_(on_end),
      idle_since_(loop_.now()),
      last_received_(loop_.now()) {
    nghttp2_session_callbacks* calls = nullptr;
    nghttp2_option* how = nullptr;
    if (nghttp2_session_callbacks_new(&calls) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_header_callback(calls, callbacks::on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, callbacks::on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, callbacks::on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, callbacks::on_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(calls, callbacks::on_not_sent);
    int error = nghttp2_option_new(&how);
    if (error == 0) {
        nghttp2_option_set_no_closed_streams(how, 1);
        nghttp2_option_set_no_auto_window_update(how, 1);
        error = nghttp2_session_client_new3(&http2_, calls, this, how, &h2::loop_memory());
        nghttp2_option_del(how);
    }
    nghttp2_session_callbacks_del(calls);
    if (error != 0) throw std::bad_alloc();
    constexpr std::array settings{
        nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits::client_stream_window},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits::head_bytes},
    };
    if (nghttp2_submit_settings(http2_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) == 0 &&
        nghttp2_session_set_local_window_size(http2_, NGHTTP2_FLAG_NONE, 0,
                                              limits::client_connection_window) == 0)
        return;
    nghttp2_session_del(http2_);
    throw std::bad_alloc();
}

http2_link::~http2_link() { nghttp2_session_del(http2_); }

http2_link& http2_link::make(tcp_stream over, const address& peer, duration idle_time, void* owner,
                             ended_function on_end) {
    auto* const made = new http2_link(std::move(over), peer, idle_time, owner, on_end);
    made->receive();
    return *made;
}

void http2_link::receive() noexcept {
    if (closed_) return;
    receive_.set(stream_.native());
    loop_.submit(receive_);
}

void http2_link::on_received() noexcept {
    const at_work working(*this);
    if (receive_.result <= 0) return closed_ ? void() : die(receive_.result);
    const auto size = static_cast<std::size_t>(receive_.result);
    ssize_t taken = 0;
    if (!closed_) {
        last_received_ = loop_.now();
        inside_ = true;
        taken = nghttp2_session_mem_recv(http2_, reinterpret_cast<const std::uint8_t*>(receive_.data), size);
        inside_ = false;
    }
    loop_.buffers().release(receive_.data);
    if (closed_) return;
    // nghttp2 ends the connection when what has come breaks the protocol.
    const bool broken = leaving_ ? stream_count_ > 0 && nghttp2_session_want_read(http2_) == 0
                                 : nghttp2_session_check_request_allowed(http2_) == 0;
    if (taken < 0 || broken)
        return die(taken == NGHTTP2_ERR_NOMEM || taken == NGHTTP2_ERR_CALLBACK_FAILURE
                       ? outcome::from_errno(ENOMEM)
                       : outcome::from_errno(EPROTO));
    flush();
    receive();
}

// All that there is to say goes out, with one send.
void http2_link::flush() noexcept try {
    if (closed_ || inside_ || !send_.idle()) return;
    output_.clear();
    const std::uint8_t* bytes = nullptr;
    while (output_.size() < output_bytes) {
        inside_ = true;
        const ssize_t size = nghttp2_session_mem_send(http2_, &bytes);
        inside_ = false;
        if (size < 0) return die(outcome::from_errno(size == NGHTTP2_ERR_NOMEM ? ENOMEM : EPROTO));
        if (size == 0) break;
        output_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
    if (output_.empty()) {
        if (leaving_ && stream_count_ == 0) close();
        return;
    }
    send_.set(stream_.native(), as_bytes(std::string_view(output_)));
    loop_.submit(send_);
} catch (const std::bad_alloc&) {
    die(outcome::from_errno(ENOMEM));
}

void http2_link::on_sent() noexcept {
    const at_work working(*this);
    if (closed_) return;
    if (send_.failed()) return die(send_.result);
    if (stream_count_ == 0) output_ = std::string();
    flush();
}

void http2_link::tell() noexcept {
    if (std::exchange(leaving_, true)) return;
    loop_.disarm(idle_);
    if (on_end_ != nullptr) std::exchange(on_end_, nullptr)(owner_, *this);
}

void http2_link::retire() noexcept {
    const at_work working(*this);
    on_end_ = nullptr;
    on_idle_end();
}

void http2_link::on_idle_end() noexcept {
    const at_work working(*this);
    tell();
    if (stream_count_ == 0 && !closed_) {
        if (!send_.idle()) return close();  // a peer that does not read hears no farewell, or not all of it
        (void)nghttp2_session_terminate_session(http2_, NGHTTP2_NO_ERROR);
        flush();
    }
}

/// The end of the connection is never the end of an answer.
void http2_link::die(std::int64_t why) noexcept {
    tell();
    if (why == 0 || why == outcome::end_of_stream) why = outcome::from_errno(ECONNRESET);
    const std::error_code of_tls = tls_failure(loop_, stream_.native());
    while (list_node* const each = streams_.pop_front())
        static_cast<http2_stream::place*>(each)->owner.lost(why, of_tls);
    stream_count_ = 0;
    close();
}

void http2_link::close() noexcept {
    if (std::exchange(closed_, true)) return;
    loop_.disarm(idle_);
    const tcp_stream closing = std::exchange(stream_, tcp_stream());
    if (std::exchange(holds_up_, false)) loop_.let_end();  // which waits for closes, too
}

// What waits for its last bytes to leave is nobody's, and whose loop's it is may end at any time.
void http2_link::leave_off() noexcept {
    if (closed_ && receive_.idle() && send_.idle()) {
        delete this;
    } else if (leaving_ && stream_count_ == 0 && !closed_ && !std::exchange(holds_up_, true)) {
        loop_.hold_up_end();
        loop_.arm(idle_, saturating_add(clock::now(), limits::client_farewell));
    }
}

void http2_link::add(http2_stream& begun) noexcept {
    loop_.disarm(idle_);
    streams_.push_back(begun.place_);
    ++stream_count_;
}

void http2_link::forget(http2_stream& ended) noexcept {
    const at_work working(*this);
    ended.place_.unlink();
    if (--stream_count_ > 0 || closed_) return flush();
    idle_since_ = loop_.now();
    if (leaving_ || idle_time_ <= duration::zero()) return on_idle_end();
    loop_.arm(idle_, saturating_add(idle_since_, idle_time_));
    flush();
}

void http2_link::suspect(instant since) noexcept {
    if (last_received_ < since && loop_.now() - since >= limits::client_quiet_time) tell();
}

}  // namespace naru::http
