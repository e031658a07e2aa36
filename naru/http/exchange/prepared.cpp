#include <naru/http/exchange/prepared.hpp>

#include <naru/http/coding/encoder.hpp>
#include <naru/http/exchange/answer_head.hpp>
#include <naru/http/handlers/document.hpp>
#include <naru/http/message/date.hpp>
#include <naru/http/message/fields.hpp>
#include <naru/http/message/status.hpp>

#include <algorithm>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

namespace {

/// `body` in that coding; empty if it does not get smaller. Throws std::bad_alloc.
std::string encoded(coding in, int level, std::string_view body) {
    const std::unique_ptr<encoder> makes = make_encoder(in);
    if (makes == nullptr || !makes->begin(level)) throw std::bad_alloc();
    std::string made(body.size() - 1, '\0');
    std::size_t size = 0;
    const auto told = makes->encode(body, made, size, encoder::until::end);
    made.resize(told == encoder::outcome::done ? size : 0);
    return made;
}

}  // namespace

prepared::prepared(unsigned status, std::string_view content_type, std::string_view body,
                   std::string_view fields)
    : status_(status) {
    if (status < 200 || status > 599) throw std::invalid_argument("an answer's status is 200 to 599");
    if (!is_field("Content-Type", content_type)) throw std::invalid_argument("a malformed content type");
    for (std::string_view left = fields; !left.empty();) {
        const std::size_t end = left.find("\r\n");
        const std::string_view line = left.substr(0, end);
        const std::size_t colon = line.find(':');
        if (end == std::string_view::npos || colon == std::string_view::npos ||
            !is_field(line.substr(0, colon), line.substr(colon + 1)))
            throw std::invalid_argument(
                "a malformed field in a prepared answer: want lines that end with CRLF");
        left.remove_prefix(end + 2);
    }
    text_ = fmt::format("HTTP/1.1 {} {}\r\nServer: naru\r\nDate: ", status, phrase_of(status));
    date_offset_ = static_cast<std::uint32_t>(text_.size());
    text_.append(date_length, ' ').append("\r\n");
    if (!has_no_content(status)) {
        if (!content_type.empty()) text_ += fmt::format("Content-Type: {}\r\n", content_type);
        text_ += fmt::format("Content-Length: {}\r\n", body.size());
    }
    text_.append(fields).append("\r\n");
    head_size_ = static_cast<std::uint32_t>(text_.size());
    if (!has_no_content(status)) text_ += body;
}

// Without the empty line.
std::string_view prepared::field_lines() const noexcept {
    const std::size_t fields = date_offset_ + date_length + 2;
    return std::string_view(text_).substr(fields, head_size_ - 2 - fields);
}

prepared& prepared::encode(const encode_options& how) {
    std::string lines(field_lines());
    answer_head head(status_, lines);
    const std::string type(head.field("Content-Type").value_or(""));
    const std::string_view plain = body();
    const bool stays = encoded_ != nullptr || has_no_content(status_) || status_ == 206 ||
                       !how.encodes(type) || plain.size() < std::max<std::size_t>(how.least_bytes, 1) ||
                       plain.size() > how.most_bytes_at_once || head.field("Content-Encoding") ||
                       head.field("Content-Range") ||
                       list_has(head.field("Cache-Control").value_or(""), "no-transform");
    if (stays) return *this;
    head.remove("Content-Type");
    head.remove("Content-Length");
    if (const auto vary = head.field("Vary");
        !list_has(vary.value_or(""), "accept-encoding") && !list_has(vary.value_or(""), "*"))
        lines += "Vary: Accept-Encoding\r\n";
    prepared as_it_is(status_, type, plain, lines);
    // The bytes are others: a strong ETag gets weak (RFC 9110, section 8.8.1), and there are no parts of
    // them.
    head.remove("Accept-Ranges");
    if (const auto tag = head.field("ETag"); tag && tag->starts_with('"'))
        lines.insert(static_cast<std::size_t>(tag->data() - lines.data()), "W/");
    auto all = std::make_shared<encodings>();
    all->available = how.available();
    bool some = false;
    for (std::size_t each = 0; each < coding_count; ++each) {
        const auto in = static_cast<coding>(each);
        if (in == coding::identity || !all->available[each]) continue;
        const std::string made = encoded(in, how.level_of(in), plain);
        all->available[each] = !made.empty();
        if (made.empty()) continue;
        some = true;
        all->by[each] = std::make_unique<const prepared>(
            status_, type, made, lines + fmt::format("Content-Encoding: {}\r\n", name_of(in)));
    }
    if (!some) return *this;
    as_it_is.encoded_ = std::move(all);
    *this = std::move(as_it_is);
    return *this;
}

const prepared& prepared::for_client(const request_head& request, std::string_view head) const noexcept {
    if (encoded_ == nullptr) return *this;
    const auto in = static_cast<std::size_t>(choose_coding(request, head, encoded_->available));
    return encoded_->by[in] != nullptr ? *encoded_->by[in] : *this;
}

}  // namespace naru::http
