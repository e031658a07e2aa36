#include <load/http2.hpp>

#include <load/limits.hpp>

#include <algorithm>
#include <array>
#include <new>

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

namespace naru::load {

namespace {

std::string lower(std::string_view text) {
    std::string made(text);
    for (char& each : made)
        if (each >= 'A' && each <= 'Z') each = static_cast<char>(each | 0x20);
    return made;
}

std::string_view cut(std::string_view& from, std::string_view mark) {
    const std::size_t at = from.find(mark);
    const std::string_view part = from.substr(0, at);
    from.remove_prefix(at == std::string_view::npos ? from.size() : at + mark.size());
    return part;
}

constexpr std::int32_t last_stream = 0x7fff'0001;

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool has_no_place(std::string_view name, std::string_view value) {
    constexpr std::array<std::string_view, 5> hops{"connection", "keep-alive", "proxy-connection",
                                                   "transfer-encoding", "upgrade"};
    return std::ranges::find(hops, name) != hops.end() || (name == "te" && lower(value) != "trailers");
}

// The place of a request is its stream's user data: one more, as nullptr says that it has none.
void* data_of(unsigned place) noexcept { return reinterpret_cast<void*>(std::uintptr_t{place} + 1); }

std::uint8_t* bytes_of(const std::string& text) noexcept {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
}

}  // namespace

or_words<http2_request> make_http2_request(std::string_view text, bool secure) {
    http2_request made;
    std::string_view line = cut(text, "\r\n");
    const std::string_view method = cut(line, " ");
    const std::string_view target = cut(line, " ");
    made.fields = {{":method", std::string(method)},
                   {":scheme", secure ? "https" : "http"},
                   {":authority", {}},
                   {":path", std::string(target)}};
    while (!(line = cut(text, "\r\n")).empty()) {
        std::string name = lower(cut(line, ":"));
        const std::string_view value = trimmed(line);
        if (has_no_place(name, value))
            return std::unexpected(fmt::format("the header {} has no place in HTTP/2", name));
        if (name == "host") {
            made.fields[2].second = value;
        } else {
            made.fields.emplace_back(std::move(name), value);
        }
    }
    made.body = text;
    return made;
}

struct http2_session::callbacks {
    static http2_session& owner_of(void* data) noexcept { return *static_cast<http2_session*>(data); }

    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                         std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                         std::uint8_t, void* data) noexcept {
        constexpr std::string_view status = ":status";
        if (std::string_view(reinterpret_cast<const char*>(name), name_size) != status) return 0;
        stream* const of = owner_of(data).find(frame->hd.stream_id);
        if (of == nullptr || value_size != 3) return 0;  // nghttp2 looks whether it is one
        of->status =
            static_cast<std::uint16_t>((value[0] - '0') * 100 + (value[1] - '0') * 10 + value[2] - '0');
        return 0;
    }

    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) noexcept {
        http2_session& self = owner_of(data);
        switch (frame->hd.type) {
            case NGHTTP2_HEADERS:
            case NGHTTP2_DATA:
                if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) break;
                if (stream* const of = self.find(frame->hd.stream_id)) of->is_whole = true;
                break;
            case NGHTTP2_RST_STREAM:
                if (stream* const of = self.find(frame->hd.stream_id)) of->was_reset = true;
                break;
            case NGHTTP2_SETTINGS:
                if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self.is_ready_ = true;
                break;
            case NGHTTP2_GOAWAY:
                self.is_leaving_ = true;
                if (frame->goaway.error_code != NGHTTP2_NO_ERROR)
                    self.problem_ = nghttp2_http2_strerror(frame->goaway.error_code);
                break;
            default:
                break;
        }
        return 0;
    }

    // nghttp2 closes those that a GOAWAY leaves out with REFUSED_STREAM, too.
    static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* data) noexcept {
        http2_session& self = owner_of(data);
        stream* const of = self.find(id);
        if (of == nullptr) return 0;
        const char* const what = nghttp2_http2_strerror(code);
        if (of->is_whole && of->status >= 200) {
            self.end(*of, ending::answered, "");
        } else if (code == NGHTTP2_REFUSED_STREAM) {
            self.end(*of, ending::refused, what);
        } else {
            self.end(*of, of->was_reset ? ending::reset : ending::no_response, what);
        }
        return 0;
    }

    // A GOAWAY has come before a request has gone: nghttp2 had no stream for it yet.
    static int on_not_sent(nghttp2_session*, const nghttp2_frame* frame, int, void* data) noexcept {
        if (frame->hd.type != NGHTTP2_HEADERS) return 0;
        http2_session& self = owner_of(data);
        const auto of = std::ranges::find(self.streams_, frame->hd.stream_id, &stream::id);
        if (of != self.streams_.end()) self.end(*of, ending::refused, "");
        return 0;
    }

    static ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t* into, std::size_t most,
                             std::uint32_t* flags, nghttp2_data_source*, void* data) noexcept {
        http2_session& self = owner_of(data);
        stream* const of = self.find(id);
        if (of == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        const std::string& body = self.request_.body;
        const std::size_t size = body.copy(reinterpret_cast<char*>(into), most, of->body_sent);
        of->body_sent += size;
        if (of->body_sent == body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return static_cast<ssize_t>(size);
    }
};

http2_session::http2_session(const http2_request& request, unsigned streams, listener& owner)
    : request_(request), owner_(owner), streams_(streams) {
    nghttp2_session_callbacks* calls = nullptr;
    nghttp2_option* how = nullptr;
    if (nghttp2_session_callbacks_new(&calls) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_header_callback(calls, callbacks::on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, callbacks::on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, callbacks::on_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(calls, callbacks::on_not_sent);
    int error = nghttp2_option_new(&how);
    if (error == 0) {
        nghttp2_option_set_no_closed_streams(how, 1);
        error = nghttp2_session_client_new2(&http2_, calls, this, how);
        nghttp2_option_del(how);
    }
    nghttp2_session_callbacks_del(calls);
    if (error != 0) throw std::bad_alloc();
    const std::array settings{
        nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits::stream_window},
    };
    if (nghttp2_submit_settings(http2_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0 ||
        nghttp2_session_set_local_window_size(http2_, NGHTTP2_FLAG_NONE, 0, limits::connection_window) != 0) {
        nghttp2_session_del(http2_);
        throw std::bad_alloc();
    }
}

std::unique_ptr<http2_session> http2_session::make(const http2_request& request, unsigned streams,
                                                   listener& owner) noexcept try {
    return std::unique_ptr<http2_session>(new http2_session(request, streams, owner));
} catch (const std::bad_alloc&) {
    return nullptr;
}

http2_session::~http2_session() { nghttp2_session_del(http2_); }

http2_session::stream* http2_session::find(std::int32_t id) noexcept {
    const auto data = reinterpret_cast<std::uintptr_t>(nghttp2_session_get_stream_user_data(http2_, id));
    return data == 0 ? nullptr : &streams_[data - 1];
}

void http2_session::end(stream& of, ending how, const char* what) noexcept {
    const stream ended = std::exchange(of, {});
    owner_.on_stream_ended(static_cast<unsigned>(&of - streams_.data()), how, ended.status, what);
}

bool http2_session::ask(unsigned place) noexcept try {
    std::array<nghttp2_nv, 16> few{};
    std::vector<nghttp2_nv> many(request_.fields.size() > few.size() ? request_.fields.size() : 0);
    nghttp2_nv* const fields = many.empty() ? few.data() : many.data();
    std::transform(request_.fields.begin(), request_.fields.end(), fields, [](const auto& each) {
        return nghttp2_nv{bytes_of(each.first), bytes_of(each.second), each.first.size(), each.second.size(),
                          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
    });
    nghttp2_data_provider body{};
    body.read_callback = callbacks::read_body;
    const std::int32_t id = nghttp2_submit_request(http2_, nullptr, fields, request_.fields.size(),
                                                   request_.body.empty() ? nullptr : &body, data_of(place));
    if (id < 0) return false;
    streams_[place] = {};
    streams_[place].id = id;
    if (id >= last_stream) is_leaving_ = true;  // as if the server had said so
    return true;
} catch (const std::bad_alloc&) {
    return false;
}

void http2_session::move(unsigned from, unsigned to) noexcept {
    streams_[to] = std::exchange(streams_[from], {});
    (void)nghttp2_session_set_stream_user_data(http2_, streams_[to].id, data_of(to));
}

void http2_session::cancel(unsigned place) noexcept {
    const std::int32_t id = std::exchange(streams_[place], {}).id;
    (void)nghttp2_session_set_stream_user_data(http2_, id, nullptr);
    (void)nghttp2_submit_rst_stream(http2_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

std::string_view http2_session::output() noexcept try {
    output_.clear();
    const std::uint8_t* bytes = nullptr;
    while (output_.size() < limits::batch_bytes) {
        const ssize_t size = nghttp2_session_mem_send(http2_, &bytes);
        if (size < 0) throw std::bad_alloc();  // what else it says would be a bug here
        if (size == 0) break;
        output_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
    return output_;
} catch (const std::bad_alloc&) {
    problem_ = "out of memory";
    return {};
}

bool http2_session::take(std::string_view bytes) noexcept {
    if (!std::exchange(any_input_, true) && bytes.starts_with("HTTP/1")) {
        problem_ = "the server answers in HTTP/1: it does not speak HTTP/2";
        return false;
    }
    const ssize_t taken =
        nghttp2_session_mem_recv(http2_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (taken < 0) {
        problem_ = nghttp2_strerror(static_cast<int>(taken));
        return false;
    }
    if (*problem_ != '\0') return false;
    // nghttp2 ends the connection if what has come breaks the protocol.
    if (is_leaving_ || nghttp2_session_check_request_allowed(http2_) != 0) return true;
    problem_ = "what came is not HTTP/2";
    return false;
}

unsigned http2_session::most_streams() const noexcept {
    const std::uint32_t allowed =
        nghttp2_session_get_remote_settings(http2_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return static_cast<unsigned>(std::min<std::uint64_t>(allowed, streams_.size()));
}

}  // namespace naru::load
