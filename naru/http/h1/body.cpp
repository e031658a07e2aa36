#include <naru/http/h1/body.hpp>

#include <algorithm>

namespace naru::http {

void body_reader::begin(const request_head& head) noexcept {
    *this = body_reader();
    if (head.carried) {
        phase_ = phase::carried;
        left_ = ~std::uint64_t{0};
    } else if (head.chunked) {
        phase_ = phase::chunked;
    } else if (head.content_length > 0) {
        phase_ = phase::counted;
        left_ = head.content_length;
    }
}

parse_status body_reader::read(std::string_view& input, std::string_view& data) noexcept {
    data = {};
    if (phase_ == phase::chunked) return read_chunked(input, data);
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
    data = input.substr(0, taken);
    input.remove_prefix(taken);
    left_ -= taken;
    total_ += taken;
    if (left_ == 0 || ended_) phase_ = phase::done;
    return phase_ == phase::done ? parse_status::complete : parse_status::need_more;
}

parse_status body_reader::read_chunked(std::string_view& input, std::string_view& data) noexcept {
    switch (chunks_.read(input, data)) {
        case chunk_decoder::outcome::need_more:
            total_ += data.size();
            return parse_status::need_more;
        case chunk_decoder::outcome::complete:
            phase_ = phase::done;
            return parse_status::complete;
        case chunk_decoder::outcome::bad:
            break;
    }
    const chunk_error error = chunks_.error();
    refusal_ = {static_cast<std::uint16_t>(error == chunk_error::trailer_too_long ? 431 : 400),
                text_of(error)};
    return parse_status::refused;
}

}  // namespace naru::http
