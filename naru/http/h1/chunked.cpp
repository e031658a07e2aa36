#include <naru/http/h1/chunked.hpp>

#include <naru/http/h1/scan.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/message/fields.hpp>
#include <naru/http/message/hex.hpp>

#include <algorithm>

namespace naru::http {

static_assert(limits::chunk_line_bytes < 0xffff && limits::trailer_bytes < 0xffff, "counted in 16 bits");

const char* text_of(chunk_error error) noexcept {
    switch (error) {
        case chunk_error::none:
            return "";
        case chunk_error::size_malformed:
            return "a chunk's size is malformed";
        case chunk_error::size_too_large:
            return "a chunk's size is too large";
        case chunk_error::size_line_too_long:
            return "a chunk's size line is too long";
        case chunk_error::size_line_end:
            return "a chunk's size line does not end in CRLF";
        case chunk_error::extension_control:
            return "a control character in a chunk extension";
        case chunk_error::data_longer:
            return "a chunk is longer than its size";
        case chunk_error::data_end:
            return "a chunk does not end in CRLF";
        case chunk_error::trailer_malformed:
            return "a malformed trailer field";
        case chunk_error::trailer_control:
            return "a control character in a trailer field";
        case chunk_error::trailer_too_long:
            return "the trailer is too long";
        case chunk_error::trailer_line_end:
            return "a carriage return without a line feed";
    }
    return "";
}

chunk_decoder::outcome chunk_decoder::read(std::string_view& input, std::string_view& data) noexcept {
    data = {};
    while (phase_ != phase::done) {
        if (input.empty()) return outcome::need_more;
        if (phase_ == phase::data) {
            const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
            data = input.substr(0, taken);
            input.remove_prefix(taken);
            left_ -= taken;
            if (left_ == 0) phase_ = phase::data_cr;
            return outcome::need_more;
        }
        if (phase_ == phase::data_cr && input.starts_with("\r\n")) {  // nearly always in one piece
            input.remove_prefix(2);
            phase_ = phase::size;
            any_byte_ = false;
        }
        if (phase_ == phase::size) {
            if (!take_digits(input)) return outcome::bad;
            if (input.empty()) return outcome::need_more;
        }
        const char byte = input.front();
        input.remove_prefix(1);
        if (step(byte) == outcome::bad) return outcome::bad;
    }
    return outcome::complete;
}

// Of a chunk's size: all that are there. False if there are too many.
bool chunk_decoder::take_digits(std::string_view& input) noexcept {
    std::size_t taken = 0;
    for (; taken < input.size(); ++taken) {
        const int digit = hex_value(input[taken]);
        if (digit < 0) break;
        if (left_ > (~std::uint64_t{0} >> 8) || line_bytes_ + taken >= limits::chunk_line_bytes) {
            error_ = left_ > (~std::uint64_t{0} >> 8) ? chunk_error::size_too_large
                                                      : chunk_error::size_line_too_long;
            return false;
        }
        left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    }
    line_bytes_ = static_cast<std::uint16_t>(line_bytes_ + taken);
    any_byte_ = any_byte_ || taken > 0;
    input.remove_prefix(taken);
    return true;
}

chunk_decoder::outcome chunk_decoder::step(char byte) noexcept {
    switch (phase_) {
        case phase::size:  // its digits have been taken
        case phase::size_padding:
        case phase::extension:
        case phase::size_lf:
            return step_size(byte);
        case phase::data_cr:
            if (byte != '\r') return refuse(chunk_error::data_longer);
            phase_ = phase::data_lf;
            break;
        case phase::data_lf:
            if (byte != '\n') return refuse(chunk_error::data_end);
            phase_ = phase::size;
            any_byte_ = false;
            break;
        default:
            return step_trailer(byte);
    }
    return outcome::need_more;
}

chunk_decoder::outcome chunk_decoder::step_size(char byte) noexcept {
    if (++line_bytes_ > limits::chunk_line_bytes) return refuse(chunk_error::size_line_too_long);
    switch (phase_) {
        case phase::size:
            if (!any_byte_) return refuse(chunk_error::size_malformed);
            [[fallthrough]];
        case phase::size_padding:
            if (byte == '\r') {
                phase_ = phase::size_lf;
            } else if (byte == ';') {
                phase_ = phase::extension;
            } else if ((byte == ' ' || byte == '\t') && padding_ == padding::accepted) {
                phase_ = phase::size_padding;
            } else {
                return refuse(chunk_error::size_malformed);
            }
            break;
        case phase::extension:
            if (byte == '\r') {
                phase_ = phase::size_lf;
            } else if (is_control(static_cast<unsigned char>(byte))) {
                return refuse(chunk_error::extension_control);
            }
            break;
        default:
            if (byte != '\n') return refuse(chunk_error::size_line_end);
            line_bytes_ = 0;
            phase_ = left_ == 0 ? phase::trailer_start : phase::data;
            any_byte_ = false;
            break;
    }
    return outcome::need_more;
}

chunk_decoder::outcome chunk_decoder::step_trailer(char byte) noexcept {
    if (++trailer_bytes_ > limits::trailer_bytes) return refuse(chunk_error::trailer_too_long);
    switch (phase_) {
        case phase::trailer_start:
            if (byte == '\r') {
                phase_ = phase::last_lf;
                break;
            }
            phase_ = phase::trailer_name;
            [[fallthrough]];
        case phase::trailer_name:
            if (byte == ':' && any_byte_) {
                phase_ = phase::trailer_value;
            } else if (is_token({&byte, 1})) {
                any_byte_ = true;
            } else {
                return refuse(chunk_error::trailer_malformed);
            }
            break;
        case phase::trailer_value:
            if (byte == '\r') {
                phase_ = phase::trailer_lf;
            } else if (is_control(static_cast<unsigned char>(byte))) {
                return refuse(chunk_error::trailer_control);
            }
            break;
        case phase::trailer_lf:
            if (byte != '\n') return refuse(chunk_error::trailer_line_end);
            phase_ = phase::trailer_start;
            any_byte_ = false;
            break;
        default:
            if (byte != '\n') return refuse(chunk_error::trailer_line_end);
            phase_ = phase::done;
            break;
    }
    return outcome::need_more;
}

}  // namespace naru::http
