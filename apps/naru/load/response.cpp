#include <load/response.hpp>

#include <algorithm>
#include <cstring>

namespace naru::load {

namespace {

constexpr unsigned chunk_digits_max = 15;      // 2^60 bytes
constexpr std::size_t status_line_bytes = 12;  // HTTP/1.1 200

int hex_value(char byte) noexcept {
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

}  // namespace

void remembered_head::remember(std::string_view text, const response_head& head) noexcept {
    head_.size = 0;
    if (head.size > text_.size()) return;
    std::memcpy(text_.data(), text.data(), head.size);
    head_ = head;
}

void response_reader::reset() noexcept {
    std::string().swap(partial_);
    problem_ = "";
    stage_ = stage::head;
    interim_ = 0;
}

response_reader::outcome response_reader::is_bad(const char* why) noexcept {
    problem_ = why;
    return outcome::bad;
}

response_reader::outcome response_reader::finished() noexcept {
    stage_ = stage::head;
    interim_ = 0;
    return outcome::complete;
}

response_reader::outcome response_reader::read(std::string_view& input, remembered_head& last,
                                               bool to_head) noexcept {
    while (true) {
        outcome then = outcome::need_more;
        switch (stage_) {
            case stage::head:
                if (input.empty()) return outcome::need_more;
                then = read_head(input, last, to_head);
                break;
            case stage::length: {
                const auto taken =
                    static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
                input.remove_prefix(taken);
                remaining_ -= taken;
                return remaining_ == 0 ? finished() : outcome::need_more;
            }
            case stage::until_close:
                input = {};
                return outcome::need_more;
            default:
                return read_chunked(input);
        }
        // An interim response is followed by another head, a final one by its body.
        if (then != outcome::need_more || input.empty()) return then;
    }
}

response_reader::outcome response_reader::read_head(std::string_view& input, remembered_head& last,
                                                    bool to_head) noexcept {
    if (partial_.empty()) {
        if (const response_head* same = last.find(input)) {
            input.remove_prefix(same->size);
            return begin_body(*same);
        }
    }
    const std::size_t before = partial_.size();
    std::string_view text = input;
    if (before > 0) {
        partial_.append(input.substr(0, limits::head_bytes - before));
        text = partial_;
        // Only a piece with a LF in it can complete what was not complete; the first line is looked at
        // always, so that something that is not HTTP is found out at once.
        const bool may_end = text.find('\n', before) != std::string_view::npos;
        if (!may_end && before >= status_line_bytes && text.size() < limits::head_bytes) {
            input = {};
            return outcome::need_more;
        }
    }
    response_head head;
    switch (parse_response_head(text, to_head, head, problem_)) {
        case head_state::bad:
            return outcome::bad;
        case head_state::need_more:
            if (text.size() >= limits::head_bytes) return is_bad("a head of more than 16 KiB");
            if (before == 0) partial_.assign(text);
            input = {};
            return outcome::need_more;
        case head_state::complete:
            break;
    }
    if (head.size > limits::head_bytes) return is_bad("a head of more than 16 KiB");
    last.remember(text, head);
    input.remove_prefix(head.size - before);
    partial_.clear();
    return begin_body(head);
}

response_reader::outcome response_reader::begin_body(const response_head& head) noexcept {
    if (head.status < 200) {
        if (++interim_ > limits::interim_responses) return is_bad("interim responses without end");
        return outcome::need_more;
    }
    status_ = head.status;
    keep_alive_ = head.keep_alive;
    remaining_ = head.length;
    switch (head.framing) {
        case body_framing::none:
            return finished();
        case body_framing::length:
            if (remaining_ == 0) return finished();
            stage_ = stage::length;
            break;
        case body_framing::chunked:
            stage_ = stage::chunk_size;
            digits_ = 0;
            break;
        case body_framing::until_close:
            stage_ = stage::until_close;
            break;
    }
    return outcome::need_more;
}

response_reader::outcome response_reader::end() noexcept {
    return stage_ == stage::until_close ? finished() : is_bad("an end in the middle");
}

response_reader::outcome response_reader::read_chunked(std::string_view& input) noexcept {
    while (!input.empty()) {
        if (stage_ == stage::chunk_data) {
            const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
            input.remove_prefix(taken);
            remaining_ -= taken;
            if (remaining_ == 0) stage_ = stage::chunk_data_cr;
            continue;
        }
        const char byte = input.front();
        input.remove_prefix(1);
        const outcome then = read_chunk_byte(byte);
        if (then != outcome::need_more) return then;
    }
    return outcome::need_more;
}

// Everything of the chunked coding but the data (RFC 9112, section 7.1).
response_reader::outcome response_reader::read_chunk_byte(char byte) noexcept {
    const bool control = (static_cast<unsigned char>(byte) < 0x20 && byte != '\t') || byte == 0x7f;
    const auto expect = [&](char wanted, stage then, const char* otherwise) {
        if (byte != wanted) return is_bad(otherwise);
        stage_ = then;
        return outcome::need_more;
    };
    switch (stage_) {
        case stage::chunk_size: {
            const int digit = hex_value(byte);
            if (digit >= 0) {
                if (digits_ == 0) remaining_ = 0;
                if (++digits_ > chunk_digits_max) return is_bad("a chunk size of too many digits");
                remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(digit);
                return outcome::need_more;
            }
            if (digits_ == 0) return is_bad("a chunk size that is not a number");
            if (byte == '\r') {
                stage_ = stage::chunk_size_end;
            } else if (byte == ';' || byte == ' ' || byte == '\t') {
                stage_ = stage::chunk_extension;
            } else {
                return is_bad("a chunk size that is not a number");
            }
            return outcome::need_more;
        }
        case stage::chunk_extension:
            if (byte == '\r') {
                stage_ = stage::chunk_size_end;
            } else if (control) {
                return is_bad("a control character in a chunk extension");
            }
            return outcome::need_more;
        case stage::chunk_size_end: {
            const stage then = remaining_ == 0 ? stage::trailer : stage::chunk_data;
            if (remaining_ == 0) remaining_ = limits::head_bytes;
            return expect('\n', then, "a chunk size without its line end");
        }
        case stage::chunk_data_cr:
            return expect('\r', stage::chunk_data_lf, "a chunk longer than its size");
        case stage::chunk_data_lf:
            digits_ = 0;
            return expect('\n', stage::chunk_size, "a chunk longer than its size");
        case stage::trailer:
        case stage::trailer_line:
            if (byte == '\r') {
                stage_ = stage_ == stage::trailer ? stage::last_lf : stage::trailer_line_lf;
                return outcome::need_more;
            }
            if (control || remaining_ == 0) return is_bad("a trailer that is none, or too long");
            --remaining_;
            stage_ = stage::trailer_line;
            return outcome::need_more;
        case stage::trailer_line_lf:
            return expect('\n', stage::trailer, "a trailer without its line end");
        case stage::last_lf:
            return byte == '\n' ? finished() : is_bad("a chunked body without its end");
        default:
            return is_bad("");
    }
}

}  // namespace naru::load
