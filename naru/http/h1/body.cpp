#include <naru/http/h1/body.hpp>

#include <naru/http/h1/scan.hpp>
#include <naru/http/limits.hpp>

#include <algorithm>

namespace naru::http {

namespace {

int hex_value(unsigned char byte) noexcept {
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

}  // namespace

void body_reader::begin(const request_head& head) noexcept {
    *this = body_reader();
    if (head.chunked) {
        phase_ = phase::chunk_size;
    } else if (head.content_length > 0) {
        phase_ = phase::counted;
        left_ = head.content_length;
    }
}

parse_status body_reader::refuse(std::uint16_t status, const char* reason) noexcept {
    refusal_ = {status, reason};
    return parse_status::refused;
}

parse_status body_reader::read_data(std::string_view& input, std::string_view& data) noexcept {
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
    data = input.substr(0, taken);
    input.remove_prefix(taken);
    left_ -= taken;
    total_ += taken;
    if (left_ == 0) phase_ = phase_ == phase::counted ? phase::done : phase::chunk_data_cr;
    return phase_ == phase::done ? parse_status::complete : parse_status::need_more;
}

parse_status body_reader::read(std::string_view& input, std::string_view& data) noexcept {
    data = {};
    while (phase_ != phase::done) {
        if (input.empty()) return parse_status::need_more;
        if (phase_ == phase::counted || phase_ == phase::chunk_data) {
            const parse_status status = read_data(input, data);
            if (!data.empty()) return phase_ == phase::done ? parse_status::complete : status;
            continue;
        }
        const auto byte = static_cast<unsigned char>(input.front());
        input.remove_prefix(1);
        if (step(byte) == parse_status::refused) return parse_status::refused;
    }
    return parse_status::complete;
}

parse_status body_reader::step(unsigned char byte) noexcept {
    switch (phase_) {
        case phase::chunk_size:
        case phase::chunk_extension:
        case phase::chunk_size_lf:
            return step_size(byte);
        case phase::chunk_data_cr:
            if (byte != '\r') return refuse(400, "a chunk is longer than its size");
            phase_ = phase::chunk_data_lf;
            break;
        case phase::chunk_data_lf:
            if (byte != '\n') return refuse(400, "a chunk does not end in CRLF");
            phase_ = phase::chunk_size;
            any_byte_ = false;
            break;
        default:
            return step_trailer(byte);
    }
    return parse_status::need_more;
}

parse_status body_reader::step_size(unsigned char byte) noexcept {
    if (++line_bytes_ > limits::chunk_line_bytes) return refuse(400, "a chunk's size line is too long");
    switch (phase_) {
        case phase::chunk_size: {
            const int digit = hex_value(byte);
            if (digit >= 0) {
                if (left_ > (~std::uint64_t{0} >> 8)) return refuse(400, "a chunk's size is too large");
                left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
                any_byte_ = true;
                break;
            }
            if (!any_byte_) return refuse(400, "a chunk's size is malformed");
            if (byte == ';') {
                phase_ = phase::chunk_extension;
            } else if (byte == '\r') {
                phase_ = phase::chunk_size_lf;
            } else {
                return refuse(400, "a chunk's size is malformed");
            }
            break;
        }
        case phase::chunk_extension:
            if (byte == '\r') {
                phase_ = phase::chunk_size_lf;
            } else if (is_control(byte)) {
                return refuse(400, "a control character in a chunk extension");
            }
            break;
        default:
            if (byte != '\n') return refuse(400, "a chunk's size line does not end in CRLF");
            line_bytes_ = 0;
            phase_ = left_ == 0 ? phase::trailer_start : phase::chunk_data;
            any_byte_ = false;
            break;
    }
    return parse_status::need_more;
}

parse_status body_reader::step_trailer(unsigned char byte) noexcept {
    if (++trailer_bytes_ > limits::trailer_bytes) return refuse(431, "the trailer is too long");
    switch (phase_) {
        case phase::trailer_start:
            if (byte == '\r') {
                phase_ = phase::last_lf;
                break;
            }
            phase_ = phase::trailer_name;
            [[fallthrough]];
        case phase::trailer_name: {
            const char letter = static_cast<char>(byte);
            if (byte == ':' && any_byte_) {
                phase_ = phase::trailer_value;
            } else if (is_token({&letter, 1})) {
                any_byte_ = true;
            } else {
                return refuse(400, "a malformed trailer field");
            }
            break;
        }
        case phase::trailer_value:
            if (byte == '\r') {
                phase_ = phase::trailer_lf;
            } else if (is_control(byte)) {
                return refuse(400, "a control character in a trailer field");
            }
            break;
        case phase::trailer_lf:
            if (byte != '\n') return refuse(400, "a carriage return without a line feed");
            phase_ = phase::trailer_start;
            any_byte_ = false;
            break;
        default:
            if (byte != '\n') return refuse(400, "a carriage return without a line feed");
            phase_ = phase::done;
            break;
    }
    return parse_status::need_more;
}

}  // namespace naru::http
