#include <naru/http/client/http2_stream.hpp>

#include <naru/http/client/http2_link.hpp>
#include <naru/http/client/limits.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/message/fields.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <new>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace naru::http {

namespace {

// What stands in for these is HTTP/2's own (RFC 9113, section 8.2.2).
constexpr std::array<std::string_view, 5> hop_fields{"connection", "keep-alive", "proxy-connection",
                                                     "transfer-encoding", "upgrade"};
// Not to be found out by who can watch sizes (RFC 7541, section 7.1).
constexpr std::array<std::string_view, 3> secrets{"authorization", "proxy-authorization", "cookie"};

nghttp2_nv pair_of(std::string_view name, std::string_view value, bool secret = false) noexcept {
    const auto bytes = [](std::string_view text) {
        return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
    };
    return {bytes(name), bytes(value), name.size(), value.size(),
            static_cast<std::uint8_t>(secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)};
}

std::string_view cut(std::string_view& from, std::string_view mark) noexcept {
    const std::size_t at = from.find(mark);
    const std::string_view part = from.substr(0, at);
    from.remove_prefix(at == std::string_view::npos ? from.size() : at + mark.size());
    return part;
}

std::size_t copy_out(operation& op, char* into, std::size_t most) noexcept {
    std::size_t copied = 0;
    for (slice& each : std::span(op.slices, op.count)) {
        const std::size_t size = std::min(each.size, most - copied);
        if (size == 0) continue;
        if (into != nullptr) std::memcpy(into + copied, each.data, size);
        each = slice(bytes_view(each.data + size, each.size - size));
        copied += size;
    }
    op.progress += copied;
    return copied;
}

bool is_used_up(const operation& op) noexcept {
    return std::ranges::all_of(std::span(op.slices, op.count),
                               [](const slice& each) { return each.size == 0; });
}

ssize_t read_body(nghttp2_session* of, std::int32_t id, std::uint8_t* into, std::size_t most,
                  std::uint32_t* flags, nghttp2_data_source*, void*) noexcept {
    auto* const from = static_cast<http2_stream*>(nghttp2_session_get_stream_user_data(of, id));
    if (from == nullptr) return NGHTTP2_ERR_DEFERRED;  // it is closed: what ends it is on its way
    bool is_last = false;
    const std::size_t given = from->give_body(reinterpret_cast<char*>(into), most, is_last);
    if (is_last) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return given == 0 && !is_last ? ssize_t{NGHTTP2_ERR_DEFERRED} : static_cast<ssize_t>(given);
}

}  // namespace

http2_stream::http2_stream(http2_link& on) noexcept
    : handle_layer(on.native()), loop_(on.home()), link_(&on) {}

result<handle> http2_stream::open(http2_link& on) noexcept {
    auto* const made = new (std::nothrow) http2_stream(on);
    if (made == nullptr) return fail_errno(ENOMEM);
    const result<handle> own = made->loop_.put(*made);
    if (!own) {
        delete made;
        return own;
    }
    made->own_ = *own;
    on.add(*made);
    return own;
}

http2_stream* http2_stream::find(loop& on, handle of) noexcept {
    return dynamic_cast<http2_stream*>(on.layer_of(of));
}

std::string words_of(const http2_stream& ended, std::error_code end) {
    const std::string_view problem = ended.problem();
    if (!problem.empty()) return end.message() + " (HTTP/2: " + std::string(problem) + ")";
    return end == errc::end_of_stream ? "the stream was ended without an answer" : "";
}

// ---------------------------------------------------------------------------------------- operations

void http2_stream::take(operation& op) noexcept {
    switch (op.kind) {
        case operation_kind::recv:
            if (closing_ != nullptr) return loop_.finish(op, outcome::canceled);
            reads_.push(op);
            return advance_reads();
        case operation_kind::send:
            if (closing_ != nullptr) return loop_.finish(op, outcome::canceled);
            writes_.push(op);
            return advance_writes();
        case operation_kind::close:
            if (closing_ != nullptr) return loop_.finish(op, outcome::from_errno(EBADF));
            return begin_close(op);
        default:
            return loop_.finish(op, outcome::from_errno(EINVAL));
    }
}

void http2_stream::cancel(operation& op) noexcept {
    if (reads_.remove(op) || writes_.remove(op)) loop_.finish(op, outcome::canceled);
}

result<void> http2_stream::shutdown_send() noexcept {
    body_is_open_ = false;
    if (!is_alive_ || link_ == nullptr) return {};
    const http2_link::at_work working(*link_);
    (void)nghttp2_session_resume_data(link_->http2_, id_);
    link_->flush();
    return {};
}

// The peer is told unless it has ended the stream itself.
void http2_stream::begin_close(operation& op) noexcept {
    closing_ = &op;
    while (operation* const each = reads_.pop())
        loop_.finish(*each, outcome::canceled);
    while (operation* const each = writes_.pop())
        loop_.finish(*each, outcome::canceled);
    if (http2_link* const link = std::exchange(link_, nullptr)) {
        const http2_link::at_work working(*link);
        if (is_alive_) {
            (void)nghttp2_session_set_stream_user_data(link->http2_, id_, nullptr);
            (void)nghttp2_submit_rst_stream(link->http2_, NGHTTP2_FLAG_NONE, id_, NGHTTP2_CANCEL);
            if (!is_final_) link->suspect(begun_at_);
        }
        link->forget(*this);
    }
    if (buffer_.idle()) return finish_close();
    loop_.cancel(buffer_);
}

void http2_stream::finish_close() noexcept {
    loop& on = loop_;
    operation& ended = *closing_;
    on.remove(own_);
    delete this;
    on.finish(ended, 0);
}

// ---------------------------------------------------------------------------------------- the request

void http2_stream::advance_writes() noexcept {
    if (end_ != 0 && !is_alive_) {
        while (operation* const each = writes_.pop())
            loop_.finish(*each, outcome::from_errno(EPIPE));
        return;
    }
    const http2_link::at_work working(*link_);
    operation* const first = writes_.front();
    if (!is_begun_) {
        const slice& text = first->slices[0];
        const std::string_view all(reinterpret_cast<const char*>(text.data), text.size);
        const std::size_t size = all.find("\r\n\r\n") + 4;
        if (!begin(all.substr(0, size))) {
            end_with(outcome::from_errno(ENOMEM));
            return advance_writes();
        }
        (void)copy_out(*first, nullptr, size);
        if (is_used_up(*first)) loop_.finish(*writes_.pop(), static_cast<std::int64_t>(first->progress));
    } else {
        (void)nghttp2_session_resume_data(link_->http2_, id_);
    }
    link_->flush();
}

bool http2_stream::begin(std::string_view head) noexcept try {
    std::string_view line = cut(head, "\r\n");
    const std::string_view method = cut(line, " ");
    const std::string_view target = cut(line, " ");
    std::vector<nghttp2_nv> fields{pair_of(":method", method), pair_of(":scheme", "https"),
                                   pair_of(":authority", {}), pair_of(":path", target)};
    std::string names(head);  // in lower case
    std::ranges::transform(names, names.begin(), [](char each) {
        return each >= 'A' && each <= 'Z' ? static_cast<char>(each | 0x20) : each;
    });
    const std::string_view lower = names;
    bool has_body = false;
    for (std::size_t at = 0; !(line = cut(head, "\r\n")).empty(); at += line.size() + 2) {
        const std::size_t colon = line.find(':');
        const std::string_view name = lower.substr(at, colon);
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (name == "host") {
            fields[2] = pair_of(":authority", value);
        } else if (name == "transfer-encoding") {
            has_body = body_is_open_ = true;
        } else if (std::ranges::find(hop_fields, name) == hop_fields.end()) {
            if (name == "content-length") {
                std::from_chars(value.data(), value.data() + value.size(), body_left_);
                has_body = body_left_ > 0;
            }
            fields.push_back(pair_of(name, value, std::ranges::find(secrets, name) != secrets.end()));
        }
    }
    nghttp2_data_provider body{};
    body.read_callback = read_body;
    id_ = nghttp2_submit_request(link_->http2_, nullptr, fields.data(), fields.size(),
                                 has_body ? &body : nullptr, this);
    is_begun_ = is_alive_ = id_ > 0;
    begun_at_ = loop_.now();
    return is_alive_;
} catch (const std::bad_alloc&) {
    return false;
}

std::size_t http2_stream::give_body(char* into, std::size_t most, bool& is_last) noexcept {
    std::size_t given = 0;
    while (operation* const first = writes_.front()) {
        given += copy_out(*first, into + given, most - given);
        if (!is_used_up(*first)) break;
        writes_.pop();
        loop_.finish(*first, static_cast<std::int64_t>(first->progress));
    }
    body_left_ -= std::min<std::uint64_t>(body_left_, given);
    is_last = writes_.empty() && body_left_ == 0 && !body_is_open_;
    return given;
}

// ---------------------------------------------------------------------------------------- the answer

void http2_stream::take_field(std::string_view name, std::string_view value) {
    if (is_final_) return;  // a trailer
    if (head_.size() + name.size() + value.size() > limits::head_bytes) {
        problem_ = "the answer's head is too large";
        end_ = outcome::from_errno(EMSGSIZE);
        throw std::length_error(problem_);
    }
    if (name == ":status") {
        head_.assign("HTTP/1.1 ").append(value).append(" \r\n");
    } else {
        head_.append(name).append(": ").append(value).append("\r\n");
    }
}

void http2_stream::head_ended() {
    if (is_final_) return;
    const bool is_interim = head_.size() > 9 && head_[9] == '1';
    if (!is_interim) {
        head_ += "\r\n";
        inbox_ += head_;
        head_left_ = head_.size();
        is_final_ = true;
    }
    head_ = std::string();
    advance_reads();
}

void http2_stream::take_body(std::string_view bytes) {
    if (taken_ > naru::limits::buffer_bytes) inbox_.erase(0, std::exchange(taken_, 0));
    inbox_ += bytes;
    advance_reads();
}

void http2_stream::input_ended() noexcept {
    if (is_final_) end_with(outcome::end_of_stream);
}

void http2_stream::closed(std::uint32_t code) noexcept {
    is_alive_ = false;
    was_refused_ = code == NGHTTP2_REFUSED_STREAM;
    if (end_ == 0 && *problem_ == '\0') problem_ = nghttp2_http2_strerror(code);
    end_with(outcome::from_errno(ECONNRESET));
    advance_writes();
}

void http2_stream::lost(std::int64_t why, std::error_code of_tls) noexcept {
    tls_failure_ = of_tls;
    link_ = nullptr;
    is_alive_ = false;
    was_lost_ = end_ == 0;
    end_with(why);
    advance_writes();
}

void http2_stream::end_with(std::int64_t why) noexcept {
    if (end_ == 0) end_ = why;
    advance_reads();
}

void http2_stream::advance_reads() noexcept {
    while (operation* const op = reads_.front()) {
        if (taken_ < inbox_.size()) {
            if (!buffer_.idle()) return;
            std::byte* const memory = loop_.buffers().acquire();
            if (memory == nullptr) return loop_.submit(buffer_);
            reads_.pop();
            deliver(*op, memory);
        } else if (end_ != 0) {
            reads_.pop();
            loop_.finish(*op, end_);
        } else {
            return;
        }
    }
}

void http2_stream::on_buffer() noexcept {
    std::byte* const memory = buffer_.result > 0 ? buffer_.data : nullptr;
    operation* const op = closing_ == nullptr ? reads_.front() : nullptr;
    if (memory != nullptr && (op == nullptr || taken_ == inbox_.size())) {
        loop_.buffers().release(memory);
    } else if (op != nullptr) {
        reads_.pop();
        if (memory != nullptr) {
            deliver(*op, memory);
        } else {
            loop_.finish(*op, buffer_.result);
        }
    }
    if (closing_ != nullptr) return finish_close();
    advance_reads();
}

/// The next of what lies here, and the window opens by that.
void http2_stream::deliver(operation& op, std::byte* into) noexcept {
    const std::size_t size = std::min(inbox_.size() - taken_, naru::limits::buffer_bytes);
    std::memcpy(into, inbox_.data() + taken_, size);
    taken_ += size;
    if (taken_ == inbox_.size()) {
        inbox_ = std::string();
        taken_ = 0;
    }
    const std::size_t of_head = std::min(head_left_, size);
    head_left_ -= of_head;
    op.data = into;
    loop_.buffers().note_holder(into, own_);
    loop_.finish(op, static_cast<std::int64_t>(size));
    if (size == of_head || !is_alive_) return;
    const http2_link::at_work working(*link_);
    (void)nghttp2_session_consume_stream(link_->http2_, id_, size - of_head);
    link_->flush();
}

}  // namespace naru::http
