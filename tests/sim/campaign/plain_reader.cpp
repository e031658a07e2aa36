#include "sim/campaign/plain_reader.hpp"

#include <algorithm>
#include <cctype>

namespace naru::campaign {

namespace {

std::string lower(std::string_view text) {
    std::string made;
    for (const char each : text)
        made += static_cast<char>(std::tolower(static_cast<unsigned char>(each)));
    return made;
}

std::string trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ')
        text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ')
        text.remove_suffix(1);
    return std::string(text);
}

std::optional<std::size_t> number(std::string_view text, unsigned base) {
    if (text.empty() || text.size() > 12) return std::nullopt;
    std::size_t value = 0;
    for (const char each : text) {
        const char low = static_cast<char>(std::tolower(static_cast<unsigned char>(each)));
        const unsigned digit = low >= '0' && low <= '9'   ? static_cast<unsigned>(low - '0')
                               : low >= 'a' && low <= 'f' ? static_cast<unsigned>(low - 'a') + 10
                                                          : 99;
        if (digit >= base) return std::nullopt;
        value = value * base + digit;
    }
    return value;
}

}  // namespace

std::optional<reply> plain_reader::next(bool to_head) {
    if (malformed_) return std::nullopt;
    const std::size_t head_end = text_.find("\r\n\r\n", at_);
    if (head_end == std::string::npos) return std::nullopt;
    const std::string_view head = std::string_view(text_).substr(at_, head_end + 2 - at_);
    if (!head.starts_with("HTTP/1.1 ") || head.size() < 14) return fail();
    reply made;
    const auto status = number(head.substr(9, 3), 10);
    if (!status || *status < 100 || head[12] != ' ') return fail();
    made.status = static_cast<unsigned>(*status);
    std::optional<std::size_t> length;
    bool chunked = false;
    for (std::size_t line = head.find("\r\n") + 2; line < head.size();) {
        const std::size_t end = head.find("\r\n", line);
        const std::string_view field = head.substr(line, end - line);
        const std::size_t colon = field.find(':');
        if (colon == std::string_view::npos || colon == 0) return fail();
        const std::string name = lower(field.substr(0, colon));
        const std::string value = trimmed(field.substr(colon + 1));
        if (name == "content-length") {
            if (length) return fail();
            length = number(value, 10);
            if (!length) return fail();
        }
        if (name == "transfer-encoding") chunked = lower(value) == "chunked";
        if (name == "connection" && lower(value) == "close") closes_ = true;
        line = end + 2;
    }
    if (chunked && length) return fail();
    std::size_t at = head_end + 4;
    if (made.status < 200) {  // an interim one: the answer comes behind it
        at_ = at;
        return next(to_head);
    }
    if (!to_head && made.status != 204 && made.status != 304) {
        if (chunked) {
            while (true) {
                const std::size_t line_end = text_.find("\r\n", at);
                so_far_ = made.body.size();
                if (line_end == std::string::npos) return std::nullopt;
                const auto size = number(std::string_view(text_).substr(at, line_end - at), 16);
                if (!size) return fail();
                at = line_end + 2;
                so_far_ += std::min(*size, text_.size() - at);
                if (text_.size() < at + *size + 2) return std::nullopt;
                made.body.append(text_, at, *size);
                at += *size;
                if (text_.compare(at, 2, "\r\n") != 0) return fail();
                at += 2;
                if (*size == 0) break;
            }
        } else if (length) {
            if (text_.size() < at + *length) return std::nullopt;
            made.body = text_.substr(at, *length);
            at += *length;
        } else {
            if (!ended_) return std::nullopt;
            made.body = text_.substr(at);
            at = text_.size();
        }
    }
    at_ = at;
    if (at_ == text_.size()) {
        text_.clear();
        at_ = 0;
    }
    return made;
}

}  // namespace naru::campaign
