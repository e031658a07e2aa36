#include <naru/http/message/multipart.hpp>

#include <naru/http/message/fields.hpp>
#include <naru/http/message/hex.hpp>

#include <algorithm>
#include <utility>

namespace naru::http {

namespace {

constexpr byte_table boundary_bytes = make_byte_table("'()+_,-./:=? ");
constexpr std::size_t longest_boundary = 70;

/// Takes the next parameter (`; name=value`) off a field's value; a quoted value without its quotes, as it
/// stands. False: there is none, or it is malformed.
bool next_parameter(std::string_view& left, std::string_view& name, std::string_view& value) noexcept {
    left = trimmed(left);
    if (!left.starts_with(';')) return false;
    left = trimmed(left.substr(1));
    const std::size_t equals = left.find('=');
    if (equals == std::string_view::npos) return false;
    name = trimmed(left.substr(0, equals));
    left = trimmed(left.substr(equals + 1));
    if (!left.starts_with('"')) {
        const std::size_t end = std::min(left.find(';'), left.size());
        value = trimmed(left.substr(0, end));
        left = left.substr(end);
        return true;
    }
    for (std::size_t at = 1; at < left.size(); ++at) {
        if (left[at] == '\\' && at + 1 < left.size() && (left[at + 1] == '"' || left[at + 1] == '\\')) {
            ++at;
        } else if (left[at] == '"') {
            value = left.substr(1, at - 1);
            left = left.substr(at + 1);
            return true;
        }
    }
    return false;
}

// Browsers write a quote, CR and LF in a name as %22, %0D and %0A (WHATWG HTML, section 4.10.21.8), others a
// quote and a backslash with a backslash before it. Other escapes are the name's own text.
std::string name_text(std::string_view quoted) {
    std::string text;
    for (std::size_t at = 0; at < quoted.size(); ++at) {
        const std::string_view rest = quoted.substr(at);
        if (rest.size() > 1 && rest[0] == '\\' && (rest[1] == '"' || rest[1] == '\\')) {
            text += rest[1];
            ++at;
        } else if (rest.starts_with("%22") || rest.starts_with("%0D") || rest.starts_with("%0A")) {
            text += static_cast<char>(hex_value(rest[1]) * 16 + hex_value(rest[2]));
            at += 2;
        } else {
            text += rest[0];
        }
    }
    return text;
}

bool is_type(std::string_view& value, std::string_view lower) noexcept {
    const std::size_t end = std::min(value.find(';'), value.size());
    const bool is = equals_lower(trimmed(value.substr(0, end)), lower);
    value = value.substr(end);
    return is;
}

}  // namespace

std::optional<std::string> form_boundary(std::string_view content_type) {
    if (!is_type(content_type, "multipart/form-data")) return std::nullopt;
    std::string_view name;
    std::string_view value;
    while (next_parameter(content_type, name, value)) {
        if (!equals_lower(name, "boundary")) continue;
        const bool good = !value.empty() && value.size() <= longest_boundary && !value.ends_with(' ') &&
                          all_in(boundary_bytes, value);
        return good ? std::optional<std::string>(value) : std::nullopt;
    }
    return std::nullopt;
}

multipart_parser::event multipart_parser::refuse(unsigned status, const char* reason) noexcept {
    phase_ = phase::refused;
    status_ = status;
    reason_ = reason;
    return event::refused;
}

multipart_parser::event multipart_parser::read(std::string_view& input, std::string_view& data) {
    data = {};
    while (true) {
        if (phase_ == phase::complete) {
            input = {};
            return event::complete;
        }
        if (phase_ == phase::refused) return event::refused;
        if (input.empty()) return event::need_more;
        if (phase_ == phase::preamble || phase_ == phase::content) {
            const event got = read_content(input, data);
            if (got != event::need_more) return got;
            continue;
        }
        if (phase_ == phase::head) {
            const event got = read_head(input);
            if (got != event::need_more) return got;
            continue;
        }
        const char next = input.front();
        input.remove_prefix(1);
        if (phase_ == phase::dash) {
            if (next != '-') return refuse(400, "The form's boundary is followed by something else.");
            phase_ = phase::complete;
        } else if (phase_ == phase::line_end) {
            if (next != '\n') return refuse(400, "A line of the form does not end as lines do.");
            if (++parts_ > limits_.parts) return refuse(413, "The form has too many parts.");
            phase_ = phase::head;
            head_.clear();
            line_ = 0;
        } else if (next == '-') {
            phase_ = phase::dash;
        } else if (next == '\r') {
            phase_ = phase::line_end;
        } else if (next != ' ' && next != '\t') {
            return refuse(400, "The form's boundary is followed by something else.");
        }
    }
}

// A boundary has its only CR in front: what has been seen of one that is none is followed by nothing that
// could begin within it.
multipart_parser::event multipart_parser::read_content(std::string_view& input, std::string_view& data) {
    if (matched_ > 0) {
        const std::string_view wanted = std::string_view(delimiter_).substr(matched_);
        const std::size_t most = std::min(wanted.size(), input.size());
        const auto same = static_cast<std::size_t>(
            std::mismatch(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(most), wanted.begin())
                .first -
            input.begin());
        input.remove_prefix(same);
        matched_ += same;
        if (matched_ == delimiter_.size()) {
            matched_ = borrowed_ = 0;
            const bool ends_part = std::exchange(phase_, phase::behind_delimiter) == phase::content;
            return ends_part ? event::part_end : event::need_more;
        }
        if (input.empty()) return event::need_more;
        const std::string_view was_none = std::string_view(delimiter_).substr(0, std::exchange(matched_, 0));
        return give(was_none.substr(std::exchange(borrowed_, 0)), data);
    }
    std::size_t end = input.find(delimiter_);
    if (end == std::string_view::npos) {  // perhaps its beginning is at the end
        end = input.rfind('\r');
        const bool begins = end != std::string_view::npos && delimiter_.starts_with(input.substr(end));
        if (!begins) end = input.size();
        matched_ = input.size() - end;
        const std::string_view piece = input.substr(0, end);
        input = {};
        return give(piece, data);
    }
    const std::string_view piece = input.substr(0, end);
    input.remove_prefix(end + 1);
    matched_ = 1;
    return give(piece, data);
}

multipart_parser::event multipart_parser::give(std::string_view piece, std::string_view& data) {
    if (phase_ == phase::preamble || piece.empty()) return event::need_more;
    size_ += piece.size();
    if (size_ > limits_.part_bytes) return refuse(413, "A part of the form is too large.");
    data = piece;
    return event::data;
}

multipart_parser::event multipart_parser::read_head(std::string_view& input) {
    const std::size_t line_feed = input.find('\n');
    const std::size_t taken = line_feed == std::string_view::npos ? input.size() : line_feed + 1;
    if (head_.size() + taken > limits_.head_bytes)
        return refuse(413, "The head of a part of the form is too long.");
    head_ += input.substr(0, taken);
    input.remove_prefix(taken);
    if (line_feed == std::string_view::npos) return event::need_more;
    const std::string_view line = std::string_view(head_).substr(line_);
    if (!line.ends_with("\r\n")) return refuse(400, "A line of the form does not end as lines do.");
    if (line.size() > 2) {
        if (line.front() == ' ' || line.front() == '\t') return refuse(400, "A field of the form is folded.");
        line_ = head_.size();
        return event::need_more;
    }
    return begin_part();
}

multipart_parser::event multipart_parser::begin_part() {
    part_ = {};
    bool is_named = false;
    std::string_view left = std::string_view(head_).substr(0, line_);
    while (!left.empty()) {
        const std::string_view line = left.substr(0, left.find("\r\n"));
        left.remove_prefix(line.size() + 2);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
            return refuse(400, "A field of the form is malformed.");
        const std::string_view name = line.substr(0, colon);
        std::string_view value = trimmed(line.substr(colon + 1));
        if (equals_lower(name, "content-type")) part_.content_type = value;
        if (!equals_lower(name, "content-disposition")) continue;
        if (!is_type(value, "form-data")) return refuse(400, "A part of the form is no form data.");
        std::string_view key;
        std::string_view text;
        while (next_parameter(value, key, text)) {
            if (equals_lower(key, "name")) {
                part_.name = name_text(text);
                is_named = true;
            } else if (equals_lower(key, "filename")) {
                part_.filename = name_text(text);
            }
        }
    }
    if (!is_named) return refuse(400, "A part of the form has no name.");
    phase_ = phase::content;
    size_ = 0;
    matched_ = borrowed_ = 2;  // a boundary may follow at once: its line end is the head's
    return event::part;
}

}  // namespace naru::http
