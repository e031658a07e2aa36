// An HTTP/2 client over nghttp2: what a test says to a server, and all that comes back.
#pragma once

#include "client.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace naru::testing {

class http2_client {
 public:
    using field_texts = std::vector<std::pair<std::string, std::string>>;

    /// What has come on one stream.
    struct answer {
        int status = 0;
        std::vector<int> interim;
        field_texts fields;
        field_texts trailers;
        std::string body;
        bool ended = false;  ///< by END_STREAM
        bool closed = false;
        std::uint32_t reset_with = 0;

        std::string operator[](std::string_view name) const {
            for (const auto& [key, value] : fields)
                if (key == name) return value;
            return {};
        }
    };

    /// `window`: of each stream, to begin with. `by_hand`: windows are opened by `open_window` only.
    explicit http2_client(const address& where, std::uint32_t window = 65'535, bool by_hand = false)
        : socket_(where) {
        nghttp2_session_callbacks* calls = nullptr;
        nghttp2_session_callbacks_new(&calls);
        nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
        nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
        nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
        nghttp2_option* options = nullptr;
        nghttp2_option_new(&options);
        nghttp2_option_set_no_auto_window_update(options, by_hand ? 1 : 0);
        nghttp2_option_set_max_outbound_ack(options, 1'000'000);
        nghttp2_session_client_new2(&session_, calls, this, options);
        nghttp2_option_del(options);
        nghttp2_session_callbacks_del(calls);
        const nghttp2_settings_entry settings{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
        nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &settings, 1);
    }
    ~http2_client() { nghttp2_session_del(session_); }
    http2_client(const http2_client&) = delete;
    http2_client& operator=(const http2_client&) = delete;

    /// Begins a request; it leaves with `flush`, or while something is waited for.
    std::int32_t begin(std::string_view method, std::string_view path, field_texts more = {}) {
        return submit(method, path, std::move(more), nullptr);
    }
    std::int32_t begin_post(std::string_view path, std::string body, field_texts more = {}) {
        return submit("POST", path, std::move(more), &body);
    }
    /// An extended CONNECT (RFC 8441). What is to go through it is said by add_body.
    std::int32_t begin_tunnel(std::string_view protocol, std::string_view path, field_texts more = {}) {
        more.insert(more.begin(), {":protocol", std::string(protocol)});
        std::string nothing;
        const std::int32_t id = submit("CONNECT", path, std::move(more), &nothing);
        keep_open(id);
        return id;
    }
    /// The same, when it has been accepted.
    std::int32_t open_tunnel(std::string_view protocol, std::string_view path, field_texts more = {}) {
        const std::int32_t id = begin_tunnel(protocol, path, std::move(more));
        EXPECT_TRUE(until([&] { return at(id).status != 0; }));
        EXPECT_EQ(at(id).status, 200);
        return id;
    }
    /// Until so much of its body has come, or nothing more does.
    const std::string& read_body(std::int32_t id, std::size_t bytes) {
        (void)until([&] { return at(id).body.size() >= bytes || at(id).ended || at(id).closed; });
        return at(id).body;
    }
    /// More of a body that `keep_open` says has no end yet.
    void keep_open(std::int32_t id) { bodies_[id].open = true; }
    void add_body(std::int32_t id, std::string_view more, bool last) {
        bodies_[id].text += more;
        bodies_[id].open = !last;
        nghttp2_session_resume_data(session_, id);
    }
    std::size_t unsent(std::int32_t id) const {
        const auto& body = bodies_.at(id);
        return body.text.size() - body.sent;
    }
    void reset(std::int32_t id) {
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    }
    void ping() { nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr); }
    void open_window(std::int32_t id, int bytes) {
        nghttp2_submit_window_update(session_, NGHTTP2_FLAG_NONE, id, bytes);
    }

    void flush() {
        const std::uint8_t* bytes = nullptr;
        std::string out;
        for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_, &bytes)) > 0;)
            out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
        if (!out.empty()) socket_.send(out);
    }
    /// False when the connection has ended before.
    template <class Predicate>
    bool until(Predicate done) {
        while (!done()) {
            flush();
            if (done()) break;  // what has been sent was all that it took
            if (!read_once()) return done();
        }
        flush();
        return true;
    }
    /// What is there, or comes next; false at the end.
    bool read_once() {
        const std::string got = socket_.read_some(64 * 1024);
        if (got.empty()) return false;
        nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(got.data()), got.size());
        return true;
    }
    /// The whole answer, or what there is of it when its stream or the connection has ended.
    const answer& wait(std::int32_t id) {
        (void)until([&] { return answers_[id].closed; });
        return answers_[id];
    }
    const answer& ask(std::string_view method, std::string_view path, field_texts more = {}) {
        return wait(begin(method, path, std::move(more)));
    }
    answer& at(std::int32_t id) { return answers_[id]; }
    /// Answered PINGs: all that has been sent before has been seen by the server.
    bool round_trip() {
        const unsigned before = pongs_;
        ping();
        return until([&] { return pongs_ > before; });
    }

    client& socket() { return socket_; }
    nghttp2_session* session() { return session_; }
    struct goaway {
        std::int32_t last;
        std::uint32_t code;
        std::string reason;
    };
    std::vector<goaway> goaways;

 private:
    struct body_text {
        std::string text;
        std::size_t sent = 0;
        bool open = false;
    };

    static nghttp2_nv pair_of(const std::string& name, const std::string& value) {
        const auto bytes = [](const std::string& text) {
            return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
        };
        return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
    }

    std::int32_t submit(std::string_view method, std::string_view path, field_texts more, std::string* body) {
        field_texts all = {{":method", std::string(method)},
                           {":scheme", "http"},
                           {":path", std::string(path)},
                           {":authority", "test"}};
        for (auto& [name, value] : more) {
            if (name == ":authority") {
                all.back().second = std::move(value);
            } else {
                all.emplace_back(std::move(name), std::move(value));
            }
        }
        std::vector<nghttp2_nv> fields;
        for (const auto& [name, value] : all)
            fields.push_back(pair_of(name, value));
        nghttp2_data_provider provider{};
        provider.read_callback = read_body;
        const std::int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                                       body != nullptr ? &provider : nullptr, nullptr);
        if (body != nullptr) bodies_[id].text = std::move(*body);
        return id;
    }

    static http2_client& of(void* data) { return *static_cast<http2_client*>(data); }
    static ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t* into, std::size_t most,
                             std::uint32_t* flags, nghttp2_data_source*, void* data) {
        body_text& body = of(data).bodies_[id];
        const std::size_t size = std::min(most, body.text.size() - body.sent);
        body.text.copy(reinterpret_cast<char*>(into), size, body.sent);
        body.sent += size;
        if (body.sent < body.text.size()) return static_cast<ssize_t>(size);
        if (!body.open) *flags |= NGHTTP2_DATA_FLAG_EOF;
        return size == 0 && body.open ? ssize_t{NGHTTP2_ERR_DEFERRED} : static_cast<ssize_t>(size);
    }
    static int on_begin_headers(nghttp2_session*, const nghttp2_frame*, void*) { return 0; }
    static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                         std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                         std::uint8_t, void* data) {
        answer& to = of(data).answers_[frame->hd.stream_id];
        const std::string key(reinterpret_cast<const char*>(name), name_size);
        const std::string text(reinterpret_cast<const char*>(value), value_size);
        if (key == ":status") {
            if (to.status != 0 && to.status < 200) to.interim.push_back(to.status);
            to.status = std::stoi(text);
            to.fields.clear();
        } else if (!to.body.empty() || frame->headers.cat == NGHTTP2_HCAT_HEADERS) {
            (to.status < 200 || to.body.empty() ? to.fields : to.trailers).emplace_back(key, text);
        } else {
            to.fields.emplace_back(key, text);
        }
        return 0;
    }
    static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
        http2_client& self = of(data);
        const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        switch (frame->hd.type) {
            case NGHTTP2_HEADERS:
            case NGHTTP2_DATA:
                if (ends) self.answers_[frame->hd.stream_id].ended = true;
                break;
            case NGHTTP2_RST_STREAM:
                self.answers_[frame->hd.stream_id].reset_with = frame->rst_stream.error_code;
                break;
            case NGHTTP2_PING:
                if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) ++self.pongs_;
                break;
            case NGHTTP2_GOAWAY:
                self.goaways.push_back({frame->goaway.last_stream_id, frame->goaway.error_code,
                                        std::string(reinterpret_cast<const char*>(frame->goaway.opaque_data),
                                                    frame->goaway.opaque_data_len)});
                break;
            default:
                break;
        }
        return 0;
    }
    static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes,
                       std::size_t size, void* data) {
        of(data).answers_[id].body.append(reinterpret_cast<const char*>(bytes), size);
        return 0;
    }
    static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* data) {
        of(data).answers_[id].closed = true;
        return 0;
    }

    client socket_;
    nghttp2_session* session_ = nullptr;
    std::map<std::int32_t, answer> answers_;
    std::map<std::int32_t, body_text> bodies_;
    unsigned pongs_ = 0;
};

}  // namespace naru::testing
