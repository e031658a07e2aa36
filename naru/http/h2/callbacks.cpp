#include <naru/http/h2/callbacks.hpp>

#include <naru/http/h2/memory.hpp>
#include <naru/http/h2/session.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/message/fields.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <span>
#include <utility>

#include <nghttp2/nghttp2.h>

namespace naru::http::h2 {

namespace {

std::string_view text_of(const std::uint8_t* bytes, std::size_t size) noexcept {
    return {reinterpret_cast<const char*>(bytes), size};
}

bool ends_stream(const nghttp2_frame& frame) noexcept {
    return (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

bool is_ack(const nghttp2_frame& frame) noexcept { return (frame.hd.flags & NGHTTP2_FLAG_ACK) != 0; }

// A control character or a space: cannot stand in a request line, nor in a Host field. Eight bytes at a time.
bool has_separator(std::string_view text) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101u;
    constexpr std::uint64_t highs = 0x8080808080808080u;
    const auto look = [](std::uint64_t word) noexcept {
        const std::uint64_t up_to_space = (word - ones * 0x21) & ~word & highs;
        const std::uint64_t x = word ^ (ones * 0x7f);
        return up_to_space | ((x - ones) & ~x & highs);
    };
    std::uint64_t found = 0;
    std::uint64_t word = ones * 'a';
    for (; text.size() >= sizeof word; text.remove_prefix(sizeof word)) {
        std::memcpy(&word, text.data(), sizeof word);
        found |= look(word);
    }
    word = ones * 'a';
    std::memcpy(&word, text.data(), text.size());
    return (found | look(word)) != 0;
}

// In place of what is there: assign's general way takes twice as long.
void set(std::string& to, std::string_view text) {
    to.resize_and_overwrite(text.size(),
                            [text](char* at, std::size_t /*libstdc++ 12: the capacity*/) noexcept {
                                std::memcpy(at, text.data(), text.size());
                                return text.size();
                            });
}

// All of them behind what is there, in one step.
template <class... Parts>
void append(std::string& to, const Parts&... parts) {
    const std::size_t before = to.size();
    const std::size_t all = before + (std::string_view(parts).size() + ...);
    to.resize_and_overwrite(all, [&](char* text, std::size_t) noexcept {
        char* at = text + before;
        const auto put = [&at](std::string_view part) noexcept {
            std::memcpy(at, part.data(), part.size());
            at += part.size();
        };
        (put(parts), ...);
        return all;
    });
}

bool same_host(std::string_view a, std::string_view b) noexcept {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

stream* stream_of(nghttp2_session* of, std::int32_t id) noexcept {
    return static_cast<stream*>(nghttp2_session_get_stream_user_data(of, id));
}

}  // namespace

struct callbacks {
    static session& owner_of(void* data) noexcept { return *static_cast<session*>(data); }

    static int on_begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* data) noexcept {
        owner_of(data).begin_frame(head->stream_id, head->type,
                                   (head->flags & NGHTTP2_FLAG_END_HEADERS) != 0);
        return 0;
    }

    static int on_begin_headers(nghttp2_session* of, const nghttp2_frame* frame, void* data) noexcept {
        return owner_of(data).begin_head(of, frame->hd.stream_id, frame->headers.cat == NGHTTP2_HCAT_REQUEST);
    }

    static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
                         std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                         std::uint8_t, void* data) noexcept try {
        session& to = owner_of(data);
        to.take_field(text_of(name, name_size), text_of(value, value_size));
        // Its table is still kept up to date, without a look at a thousand references to a long field.
        return to.was_calmed_ ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
    } catch (const std::bad_alloc&) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }

    // A field that is malformed makes its request so.
    static int on_invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                                 const std::uint8_t*, std::size_t, std::uint8_t, void*) noexcept {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }

    static int on_frame_recv(nghttp2_session* of, const nghttp2_frame* frame, void* data) noexcept {
        session& to = owner_of(data);
        budgets& left = to.budgets_;
        switch (frame->hd.type) {
            case NGHTTP2_HEADERS:
                if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
                    to.finish_head(!ends_stream(*frame));
                } else if (ends_stream(*frame)) {
                    to.end_body(stream_of(of, frame->hd.stream_id));
                }
                break;
            case NGHTTP2_DATA:
                if (ends_stream(*frame)) {
                    to.end_body(stream_of(of, frame->hd.stream_id));
                } else if (frame->hd.length == frame->data.padlen) {
                    to.spend(left.empty_frames, shed_reason::h2_empty_frames, "too many empty frames");
                }
                break;
            case NGHTTP2_SETTINGS:
                if (is_ack(*frame)) break;
                to.spend(left.settings, shed_reason::h2_settings, "too many SETTINGS");
                for (const nghttp2_settings_entry& each : std::span(frame->settings.iv, frame->settings.niv))
                    if (each.settings_id == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE)
                        to.look_at_window(each.value);
                break;
            case NGHTTP2_PING:
                if (is_ack(*frame)) {
                    to.say_goodbye();
                } else {
                    to.spend(left.pings, shed_reason::h2_pings, "too many PINGs");
                }
                break;
            case NGHTTP2_RST_STREAM:
                to.reset_id_ = frame->hd.stream_id;
                to.spend(left.resets, shed_reason::h2_resets, "too many resets");
                break;
            case NGHTTP2_PRIORITY_UPDATE:
                to.spend(left.priorities, shed_reason::h2_priorities, "too many PRIORITY frames");
                break;
            case NGHTTP2_WINDOW_UPDATE:
                to.spend(left.window_updates, shed_reason::h2_window_updates, "too many WINDOW_UPDATEs");
                break;
            default:
                break;
        }
        return 0;
    }

    // nghttp2 resets its stream, or ends the connection. Counted now, not when the reset is sent
    // (CVE-2025-8671).
    static int on_invalid_frame_recv(nghttp2_session*, const nghttp2_frame*, int, void* data) noexcept {
        session& to = owner_of(data);
        to.spend(to.budgets_.made_resets, shed_reason::h2_made_resets, "too many broken requests");
        return 0;
    }

    static int on_data(nghttp2_session* of, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                       std::size_t size, void* data) noexcept {
        owner_of(data).take_data(stream_of(of, id), text_of(bytes, size));
        return 0;
    }

    static int on_stream_close(nghttp2_session* of, std::int32_t id, std::uint32_t, void* data) noexcept {
        stream* const ended = stream_of(of, id);
        owner_of(data).note_closed(id, ended);
        if (ended == nullptr) return 0;
        ended->closed();
        owner_of(data).call(*ended);
        return 0;
    }

    // The answer is whole, and the client is still sending: it may stop (RFC 9113, section 8.1).
    static int on_frame_send(nghttp2_session* of, const nghttp2_frame* frame, void* data) noexcept {
        const bool last =
            (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) && ends_stream(*frame);
        if (!last) return 0;
        stream* const ended = stream_of(of, frame->hd.stream_id);
        if (ended == nullptr) return 0;
        ended->end_sent();
        if (!ended->has_input_ended() && !ended->is_tunnel()) owner_of(data).reset(*ended, NGHTTP2_NO_ERROR);
        return 0;
    }

    // nghttp2's own text of the head may have been written over since (session_memory).
    static int send_data(nghttp2_session* of, nghttp2_frame* frame, const std::uint8_t*, std::size_t size,
                         nghttp2_data_source*, void* data) noexcept {
        stream* const from = stream_of(of, frame->hd.stream_id);
        if (from == nullptr || from->is_abandoned() || from->waiting_bytes() < size)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        // The frame was made for a send that has been cancelled since.
        if (size > 0 && from->front().size < size) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        const auto octet = [](std::size_t of_number, unsigned shift) {
            return static_cast<std::uint8_t>(of_number >> shift & 0xff);
        };
        const nghttp2_frame_hd& is = frame->hd;
        const auto id = static_cast<std::uint32_t>(is.stream_id);
        const std::array<std::uint8_t, 9> head = {
            octet(is.length, 16), octet(is.length, 8), octet(is.length, 0), is.type,     is.flags,
            octet(id, 24),        octet(id, 16),       octet(id, 8),        octet(id, 0)};
        return owner_of(data).send_data(*from, size, head);
    }
};

nghttp2_session* make_nghttp2_session(session& owner, session_memory& memory) {
    struct shared_settings {  // of all sessions
        shared_settings() noexcept {
            if (nghttp2_session_callbacks_new(&calls) != 0 || nghttp2_option_new(&options) != 0) return;
            nghttp2_session_callbacks_set_on_begin_frame_callback(calls, callbacks::on_begin_frame);
            nghttp2_session_callbacks_set_on_begin_headers_callback(calls, callbacks::on_begin_headers);
            nghttp2_session_callbacks_set_on_header_callback(calls, callbacks::on_header);
            nghttp2_session_callbacks_set_on_invalid_header_callback(calls, callbacks::on_invalid_header);
            nghttp2_session_callbacks_set_on_frame_recv_callback(calls, callbacks::on_frame_recv);
            nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(calls,
                                                                         callbacks::on_invalid_frame_recv);
            nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, callbacks::on_data);
            nghttp2_session_callbacks_set_on_stream_close_callback(calls, callbacks::on_stream_close);
            nghttp2_session_callbacks_set_on_frame_send_callback(calls, callbacks::on_frame_send);
            nghttp2_session_callbacks_set_send_data_callback(calls, callbacks::send_data);
            nghttp2_option_set_no_auto_window_update(options, 1);
            nghttp2_option_set_no_closed_streams(options, 1);
            nghttp2_option_set_builtin_recv_extension_type(options, NGHTTP2_PRIORITY_UPDATE);
            ready = true;
        }
        nghttp2_session_callbacks* calls = nullptr;
        nghttp2_option* options = nullptr;
        bool ready = false;
    };
    static const shared_settings shared;
    nghttp2_session* made = nullptr;
    memory.begins_session = true;
    const bool failed = !shared.ready || nghttp2_session_server_new3(&made, shared.calls, &owner,
                                                                     shared.options, &memory.calls) != 0;
    memory.begins_session = false;
    if (failed) throw std::bad_alloc();
    return made;
}

// ---------------------------------------------------------------------------------------- frames

// What nghttp2 lets pass, or takes for a stream's error only.
void session::begin_frame(std::int32_t id, std::uint8_t type, bool ends_head) noexcept {
    if (type == NGHTTP2_CONTINUATION) {
        in_head_ = !ends_head;
        if (++budgets_.continuations > limits::h2_continuations)
            calm(shed_reason::h2_continuations, "too many CONTINUATION frames");
        return;
    }
    if (type == NGHTTP2_PRIORITY) {
        if (id == 0) return break_off(NGHTTP2_PROTOCOL_ERROR);
        return spend(budgets_.priorities, shed_reason::h2_priorities, "too many PRIORITY frames");
    }
    if (type == NGHTTP2_SETTINGS) {
        widest_ = 0;
        for (const list_node* each = streams_.next_node; each != &streams_; each = each->next_node) {
            const stream& one = static_cast<const stream::place*>(each)->owner;
            if (!one.is_closed())
                widest_ = std::max<std::int64_t>(
                    widest_, nghttp2_session_get_stream_remote_window_size(http2_, one.id()));
        }
    }
    if (type != NGHTTP2_HEADERS) return;
    budgets_.continuations = 0;
    in_head_ = !ends_head;
    if (id > last_id_) {
        last_id_ = id;
    } else if (nghttp2_session_find_stream(http2_, id) == nullptr && !was_closed(-id)) {
        break_off(was_closed(id) ? NGHTTP2_STREAM_CLOSED : NGHTTP2_PROTOCOL_ERROR);
    }
}

// Its client has ended or reset it, and goes on sending.
void session::look_at_data(std::int32_t id) noexcept {
    if (id <= last_id_ && nghttp2_session_find_stream(http2_, id) == nullptr && was_closed(id))
        break_off(NGHTTP2_STREAM_CLOSED);
}

bool session::was_closed(std::int32_t id) const noexcept {
    return std::ranges::find(closed_, id) != closed_.end();
}

// A window past 2^31 - 1 by our client's SETTINGS (RFC 9113, section 6.9.2).
void session::look_at_window(std::uint32_t initial) noexcept {
    constexpr std::int64_t most = 0x7fffffff;
    if (live_ > 0 && widest_ + initial - initial_window_ > most) break_off(NGHTTP2_FLOW_CONTROL_ERROR);
    initial_window_ = initial;
}

void session::note_closed(std::int32_t id, const stream* of) noexcept {
    const bool by_client = id == reset_id_ || (of != nullptr && of->has_input_ended());
    closed_[next_closed_] = by_client ? id : -id;
    next_closed_ = (next_closed_ + 1) % closed_.size();
}

void session::break_off(std::uint32_t code) noexcept {
    if (!std::exchange(was_calmed_, true)) (void)nghttp2_session_terminate_session(http2_, code);
}

// ---------------------------------------------------------------------------------------- a request's head

int session::begin_head(nghttp2_session* of, std::int32_t id, bool is_request) noexcept {
    current_ = nullptr;
    field_count_ = 0;
    list_bytes_ = 0;
    if (!is_request) return 0;  // trailers, which nobody asks for
    const bool crowded =
        worker_.streams_.live() >= limits::h2_streams_of_loop && live_ >= limits::h2_streams_when_crowded;
    if (live_ >= limits::h2_streams || crowded || was_calmed_) {
        spend(budgets_.made_resets, shed_reason::h2_made_resets, "too many streams at once");
        (void)nghttp2_submit_rst_stream(of, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    // Our last GOAWAY, which has yet to leave, says that this one was not looked at: it may be asked
    // elsewhere.
    if (has_said_goodbye_) {
        (void)nghttp2_submit_rst_stream(of, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    try {
        current_ = &worker_.streams_.make(worker_, *this, id);
        ++worker_.counts_.http2_streams;
    } catch (const std::bad_alloc&) {
        (void)nghttp2_submit_rst_stream(of, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    if (worker_.streams_.live() == limits::h2_streams_crowd) worker_.look_soon();
    ++live_;
    streams_.push_back(current_->among_all_);
    (void)nghttp2_session_set_stream_user_data(of, id, current_);
    line_put_ = false;
    refused_ = 0;
    for (std::string* each : {&method_, &path_, &authority_, &protocol_, &cookies_, &head_})
        each->clear();
    return 0;
}

// Fields that do not count any more are still looked at by nghttp2, whose table they change.
void session::take_field(std::string_view name, std::string_view value) {
    ++field_count_;
    list_bytes_ += name.size() + value.size() + 32;
    if (field_count_ > limits::h2_header_list_fields || list_bytes_ > limits::h2_header_list_bytes)
        return calm(shed_reason::h2_header_lists, "the header list is too large");
    if (current_ == nullptr || refused_ != 0) return;
    if (list_bytes_ > limits::head_bytes) {
        refused_ = 431;
        return;
    }
    if (name.front() == ':') {
        std::string* const into = name == ":path"        ? &path_
                                  : name == ":method"    ? &method_
                                  : name == ":authority" ? &authority_
                                  : name == ":protocol"  ? &protocol_
                                                         : nullptr;
        if (into != nullptr) set(*into, value);
        return;
    }
    if (!std::exchange(line_put_, true)) put_request_line();
    if (!protocol_.empty() && name == "content-length") refused_ = 400;  // what follows has no length
    if (name == "cookie") {
        cookies_.append(cookies_.empty() ? "" : "; ").append(value);
    } else if (name == "host") {
        if (authority_.empty()) {
            authority_ = value;
            put_host();
        } else if (!same_host(authority_, value)) {
            refused_ = 400;
        }
    } else {
        append(head_, name, ": ", value, "\r\n");
    }
}

// An extended CONNECT (RFC 8441) is put as what it stands for in HTTP/1.1, so that handlers find there what
// they look for. No client can say so itself: these fields are malformed in HTTP/2.
void session::put_request_line() {
    const bool is_extended = !protocol_.empty();
    const std::string_view target = path_.empty() ? std::string_view(authority_) : std::string_view(path_);
    if (has_separator(method_) || has_separator(target)) refused_ = 400;
    append(head_, is_extended ? std::string_view("GET") : std::string_view(method_), " ", target,
           " HTTP/1.1\r\n");
    put_host();  // the first field, where HTTP/1's clients put it and the parser looks for it
    if (!is_extended) return;
    if (!is_token(protocol_)) refused_ = 400;
    append(head_, "upgrade: ", protocol_, "\r\nconnection: upgrade\r\n");
}

void session::put_host() {
    if (has_separator(authority_)) refused_ = 400;
    if (!authority_.empty()) append(head_, "host: ", authority_, "\r\n");
}

void session::finish_head(bool has_body) noexcept try {
    stream* const made = std::exchange(current_, nullptr);
    if (made == nullptr) return;
    if (!std::exchange(line_put_, true)) put_request_line();
    if (!cookies_.empty()) append(head_, "cookie: ", cookies_, "\r\n");
    append(head_, "\r\n");
    if (refused_ == 0 && head_.size() > limits::head_bytes) refused_ = 431;
    made->head_came(head_, has_body, refused_);
    if (!protocol_.empty() && refused_ == 0) made->asks_for_tunnel(protocol_);
    worker_.take_spare(head_);
    call(*made);
} catch (const std::bad_alloc&) {
    return link_.close();
}

// ---------------------------------------------------------------------------------------- a request's body

void session::take_data(stream* to, std::string_view bytes) noexcept {
    if (to == nullptr || to->phase_ == connection::phase::closing || to->is_finished_) {
        (void)nghttp2_session_consume_connection(http2_, bytes.size());
        return;
    }
    if (!to->body_came(bytes)) {
        (void)nghttp2_session_consume_connection(http2_, bytes.size());
        return reset(*to, NGHTTP2_INTERNAL_ERROR);
    }
    came_unread(bytes.size());
    if (to->wants_input_) call(*to);
}

void session::end_body(stream* of) noexcept {
    if (of == nullptr) return;
    of->body_ended();
    if (of->wants_input_) call(*of);
}

}  // namespace naru::http::h2
