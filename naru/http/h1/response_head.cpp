// A response's head: the status line, the fields that say where the body ends, and nothing left unchecked.
#include <naru/http/h1/response.hpp>

#include <naru/http/h1/scan.hpp>
#include <naru/http/message/fields.hpp>

#include <algorithm>

namespace naru::http {

namespace {

constexpr std::string_view version_prefix = "HTTP/1.";
constexpr std::size_t status_line_min = 12;  // HTTP/1.1 200

constexpr bool is_digit(char byte) noexcept { return byte >= '0' && byte <= '9'; }

/// What the fields of one head say.
struct framing_fields {
    bool has_length = false;
    bool has_coding = false;
    bool last_is_chunked = false;
    bool close = false;
    bool keep_alive = false;
    std::uint64_t length = 0;
};

const char* read_length(std::string_view value, framing_fields& fields) noexcept {
    std::uint64_t length = 0;
    if (value.empty()) return "a Content-Length that is not a number";
    value.remove_prefix(std::min(value.find_first_not_of('0'), value.size()));
    if (value.size() > 18) return "a Content-Length that is not a number";
    for (const char byte : value) {
        if (!is_digit(byte)) return "a Content-Length that is not a number";
        length = length * 10 + static_cast<std::uint64_t>(byte - '0');
    }
    if (fields.has_length && fields.length != length) return "two Content-Lengths that differ";
    fields.has_length = true;
    fields.length = length;
    return nullptr;
}

// Null, or what is wrong.
const char* read_field(std::string_view line, framing_fields& fields) noexcept {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return "a field without a colon";
    const std::string_view name = line.substr(0, colon);
    if (!is_token(name)) return "a field name that is none";
    std::string_view value = trimmed(line.substr(colon + 1));
    if (equals_lower(name, "content-length")) return read_length(value, fields);
    if (equals_lower(name, "transfer-encoding")) {
        fields.has_coding = true;
        while (!value.empty()) {
            if (fields.last_is_chunked) return "a transfer coding behind chunked";
            fields.last_is_chunked = equals_lower(next_element(value), "chunked");
        }
    } else if (equals_lower(name, "connection")) {
        while (!value.empty()) {
            const std::string_view option = next_element(value);
            fields.close = fields.close || equals_lower(option, "close");
            fields.keep_alive = fields.keep_alive || equals_lower(option, "keep-alive");
        }
    }
    return nullptr;
}

// Null, or what is wrong.
const char* read_status_line(std::string_view line, response_head& head) noexcept {
    if (line.size() < status_line_min || !line.starts_with(version_prefix)) return "no HTTP/1 status line";
    if (!is_digit(line[7]) || line[8] != ' ') return "no HTTP/1 status line";
    if (!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11])) return "a status that is no number";
    if (line.size() > status_line_min && line[12] != ' ') return "a status that is no number";
    head.status = static_cast<std::uint16_t>((line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0');
    if (head.status < 100 || head.status > 599) return "a status outside 100 to 599";
    if (head.status == 101) return "101: a change of protocol that was not asked for";
    return nullptr;
}

const char* decide_framing(const framing_fields& fields, bool old_version, bool to_head,
                           response_head& head) noexcept {
    head.keep_alive = !fields.close && (!old_version || fields.keep_alive);
    if (fields.has_coding && fields.has_length) return "both Transfer-Encoding and Content-Length";
    if (fields.has_coding && old_version) return "Transfer-Encoding in HTTP/1.0";
    if (to_head || head.status < 200 || head.status == 204 || head.status == 304) {
        head.framing = body_framing::none;
    } else if (fields.has_coding) {
        head.framing = fields.last_is_chunked ? body_framing::chunked : body_framing::until_close;
    } else if (fields.has_length) {
        head.framing = body_framing::length;
        head.length = fields.length;
    } else {
        head.framing = body_framing::until_close;
    }
    if (head.framing == body_framing::until_close) head.keep_alive = false;
    return nullptr;
}

}  // namespace

head_state parse_response_head(std::string_view text, bool to_head, response_head& head,
                               const char*& problem) noexcept {
    head = {};
    if (!text.starts_with(version_prefix.substr(0, text.size()))) {
        problem = "no HTTP/1 status line";
        return head_state::bad;
    }
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const char* line = begin;
    framing_fields fields;
    while (true) {
        const char* const stop = find_control(line, end);
        if (stop == end || (*stop == '\r' && stop + 1 == end)) return head_state::need_more;
        if (*stop != '\r' || stop[1] != '\n') {
            problem = "a control character in its head";
            return head_state::bad;
        }
        const std::string_view content(line, static_cast<std::size_t>(stop - line));
        const char* const wrong = line == begin      ? read_status_line(content, head)
                                  : !content.empty() ? read_field(content, fields)
                                                     : nullptr;
        if (wrong != nullptr) {
            problem = wrong;
            return head_state::bad;
        }
        line = stop + 2;
        if (!content.empty()) continue;
        head.size = static_cast<std::size_t>(line - begin);
        if (const char* const unclear = decide_framing(fields, begin[7] == '0', to_head, head)) {
            problem = unclear;
            return head_state::bad;
        }
        return head_state::complete;
    }
}

bool next_field(std::string_view& fields, response_field& field) noexcept {
    const std::size_t end = fields.find("\r\n");
    if (end == std::string_view::npos || end == 0) return false;
    const std::string_view line = fields.substr(0, end);
    fields.remove_prefix(end + 2);
    const std::size_t colon = line.find(':');
    field.name = line.substr(0, colon);
    field.value = colon == std::string_view::npos ? std::string_view() : trimmed(line.substr(colon + 1));
    return true;
}

}  // namespace naru::http
