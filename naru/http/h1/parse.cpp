#include <naru/http/h1/parse.hpp>

#include <naru/http/h1/scan.hpp>
#include <naru/http/limits.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace naru::http {

namespace {

// reg-name, and the dot of which there are not two in a row.
constexpr std::uint8_t outside = 1;
constexpr std::uint8_t dot = 2;
constexpr std::array<std::uint8_t, 256> name_classes = [] {
    const byte_table allowed = make_byte_table("-._~!$&'()*+,;=%");
    std::array<std::uint8_t, 256> table{};
    for (std::size_t byte = 0; byte < table.size(); ++byte)
        table[byte] = allowed[byte] ? 0 : outside;
    table['.'] = dot;
    return table;
}();

// reg-name [":" port], byte by byte.
bool is_named_host(std::string_view text) noexcept {
    std::uint8_t seen = 0;
    std::uint8_t before = 0;
    std::size_t size = 0;
    for (; size < text.size() && text[size] != ':'; ++size) {
        const std::uint8_t each = name_classes[static_cast<unsigned char>(text[size])];
        seen |= static_cast<std::uint8_t>((each & outside) | (before & each));  // two dots
        before = each;
    }
    if (seen != 0 || size == 0 || (size == 1 && before == dot)) return false;
    if (size == text.size()) return true;
    const std::string_view port = text.substr(size + 1);
    return port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
}

inline bool begins_with_pair(const char* at, char first, char second) noexcept {
    return at[0] == first && at[1] == second;
}

method method_of(std::string_view name) noexcept {
    switch (name.size()) {
        case 3:
            return name == "GET" ? method::get : name == "PUT" ? method::put : method::other;
        case 4:
            return name == "HEAD" ? method::head : name == "POST" ? method::post : method::other;
        case 5:
            return name == "PATCH" ? method::patch : name == "TRACE" ? method::trace : method::other;
        case 6:
            return name == "DELETE" ? method::erase : method::other;
        case 7:
            return name == "OPTIONS" ? method::options : name == "CONNECT" ? method::connect : method::other;
        default:
            return method::other;
    }
}

}  // namespace

bool is_host(std::string_view text) noexcept {
    if (!text.starts_with('[')) return is_named_host(text);
    const std::size_t close = text.find(']');  // an IPv6 address
    if (close == std::string_view::npos) return false;
    const std::string_view inside = text.substr(1, close - 1);
    if (inside.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return false;
    if (inside.find(':') == std::string_view::npos || inside.find("..") != std::string_view::npos)
        return false;
    const std::string_view after = text.substr(close + 1);
    if (!after.empty() && after.front() != ':') return false;
    const std::string_view port = after.empty() ? after : after.substr(1);
    return port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
}

parse_status request_parser::refuse(std::uint16_t status, const char* reason) noexcept {
    refusal_ = {status, reason};
    return parse_status::refused;
}

inline text_range request_parser::range_of(std::string_view piece) const noexcept {
    return {static_cast<std::uint16_t>(piece.data() - base_), static_cast<std::uint16_t>(piece.size())};
}

// What nearly all heads begin with is read in one go; then line by line, as everything that looks different.
parse_status request_parser::parse(std::string_view bytes) noexcept {
    base_ = bytes.data();
    end_ = base_ + bytes.size();
    const char* const first = scanned_ == 0 ? behind_usual_request_line() : nullptr;
    if (first == nullptr) return parse_lines(bytes);
    const char* const second = behind_usual_host(first);
    const char* const line = second != nullptr ? second : first;
    if (second == nullptr || end_ - line < 2 || !begins_with_pair(line, '\r', '\n')) {
        line_ = scanned_ = static_cast<std::uint32_t>(line - base_);
        phase_ = phase::headers;
        return parse_lines(bytes);
    }
    head_.size = line_ = scanned_ = static_cast<std::uint32_t>(line + 2 - base_);
    head_.keep_alive = head_.minor_version > 0;
    return parse_status::complete;
}

// "GET /path HTTP/1.1": a path without a query that is its own decoded form. nullptr, and nothing is
// remembered: it is another, or its end is not there.
inline const char* request_parser::behind_usual_request_line() noexcept {
#if defined(__SSE2__)
    constexpr std::string_view get = "GET ";
    constexpr std::string_view version = " HTTP/1.";
    const char* const begin = base_;
    const char* const target = begin + get.size();
    if (end_ - begin < 20 || std::memcmp(begin, get.data(), get.size()) != 0 || *target != '/')
        return nullptr;
    unsigned slash_before = 0;
    const char* space = target;
    while (true) {
        const target_block block(space);
        const unsigned other = block.not_plain();
        if ((block.twisted(slash_before) & (other - 1) & ~other) != 0) return nullptr;
        if (other != 0) {
            space += std::countr_zero(other);
            break;
        }
        space += 16;
        if (end_ - space < 16) return nullptr;
    }
    const char* const minor = space + version.size();
    if (end_ - minor < 3 || std::memcmp(space, version.data(), version.size()) != 0) return nullptr;
    if ((*minor & ~1) != '0' || !begins_with_pair(minor + 1, '\r', '\n')) return nullptr;
    if (minor + 1 - begin > static_cast<std::ptrdiff_t>(limits::request_line_bytes)) return nullptr;
    head_.method = method::get;
    head_.method_name = {0, get.size() - 1};
    head_.minor_version = static_cast<std::uint8_t>(*minor - '0');
    head_.target = range_of({target, static_cast<std::size_t>(space - target)});
    head_.path_length = head_.target.length;
    head_.plain_path = true;
    return minor + 3;
#else
    return nullptr;
#endif
}

// "Host: name:port", as the first field and with a name such as nearly all are.
inline const char* request_parser::behind_usual_host([[maybe_unused]] const char* line) noexcept {
#if defined(__SSE2__)
    constexpr std::string_view name = "Host: ";  // in lower case, if it has come over HTTP/2
    const char* const value = line + name.size();
    if (end_ - value < 4 || (*line | 0x20) != 'h' ||
        std::memcmp(line + 1, name.data() + 1, name.size() - 1) != 0)
        return nullptr;
    const host_bytes seen(value, end_);
    const std::size_t size = seen.size();
    const char* const end = value + size;
    if (end_ - end < 2 || !begins_with_pair(end, '\r', '\n') || !seen.is_usual(size)) return nullptr;
    head_.header_count = 1;
    framing_.hosts = 1;
    head_.present = request_head::bit(field::host);
    head_.fields[static_cast<std::size_t>(field::host)] = range_of({value, size});
    return end + 2;
#else
    return nullptr;
#endif
}

parse_status request_parser::parse_lines(std::string_view bytes) noexcept {
    while (true) {
        std::string_view line;
        parse_status status = next_line(bytes, line);
        if (status != parse_status::complete) return status;
        if (phase_ == phase::request_line) {
            // Empty lines before a request are forgiven (RFC 9112, section 2.2), but not without end.
            if (line.empty()) {
                if (++empty_lines_ > 4) return refuse(400, "too many empty lines before the request");
                continue;
            }
            status = parse_request_line(line);
            phase_ = phase::headers;
        } else if (line.empty()) {
            head_.size = line_;
            return finish();
        } else {
            status = parse_header(line);
        }
        if (status == parse_status::refused) return status;
    }
}

// The next complete line, without its CRLF. Only CRLF ends a line: a CR or LF alone is where parsers differ.
inline parse_status request_parser::next_line(std::string_view bytes, std::string_view& line) noexcept {
    const char* const begin = base_ + line_;
    const char* const end = base_ + bytes.size();
    const bool is_empty = end - begin >= 2 && begin[0] == '\r' && begin[1] == '\n';  // the head's end
    const char* const found = is_empty ? begin : find_control(base_ + std::max(line_, scanned_), end);
    const auto length = static_cast<std::size_t>(found - begin);
    if (is_empty ||
        (end - found >= 2 && found[0] == '\r' && found[1] == '\n' && length <= limits::request_line_bytes)) {
        line = {begin, length};
        line_ = scanned_ = static_cast<std::uint32_t>(found + 2 - base_);
        return parse_status::complete;
    }
    if (phase_ == phase::request_line && length > limits::request_line_bytes) {
        return refuse(414, "the request line is too long");
    }
    if (end - found < 2 && (found == end || *found == '\r')) {
        if (bytes.size() >= limits::head_bytes) return refuse(431, "the request head is too long");
        scanned_ = static_cast<std::uint32_t>(found - base_);
        return parse_status::need_more;
    }
    if (found[0] != '\r' || found[1] != '\n') {
        return refuse(400, found[0] == '\r'   ? "a carriage return without a line feed"
                           : found[0] == '\n' ? "a line feed without a carriage return"
                                              : "a control character in the request head");
    }
    line = {begin, length};
    line_ = scanned_ = static_cast<std::uint32_t>(found + 2 - base_);
    return parse_status::complete;
}

inline parse_status request_parser::parse_request_line(std::string_view line) noexcept {
    // As nearly all are: the version is known to be good, and what is in front of it has no space but one, or
    // has a target with a character that may not be there.
    constexpr std::string_view get = "GET ";
    constexpr std::string_view version = " HTTP/1.";
    if (line.size() > get.size() + version.size() && line.starts_with(get)) {
        const std::string_view end = line.substr(line.size() - version.size() - 1);
        if (end.starts_with(version) && (end.back() == '1' || end.back() == '0')) {
            head_.method = method::get;
            head_.method_name = range_of(line.substr(0, get.size() - 1));
            head_.minor_version = static_cast<std::uint8_t>(end.back() - '0');
            return parse_target(line.substr(get.size(), line.size() - get.size() - end.size()));
        }
    }
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) return refuse(400, "the request line has no target");
    const std::string_view name = line.substr(0, space);
    if (!is_token(name)) return refuse(400, "the method is not a token");
    const std::string_view rest = line.substr(space + 1);
    const std::size_t second = rest.find(' ');
    if (second == std::string_view::npos) return refuse(400, "the request line has no version");
    head_.method = method_of(name);
    head_.method_name = range_of(name);
    // The version first: of a later HTTP, the form of the target is not ours to judge.
    if (const auto status = parse_version(rest.substr(second + 1)); status == parse_status::refused)
        return status;
    return parse_target(rest.substr(0, second));
}

parse_status request_parser::parse_version(std::string_view version) noexcept {
    const auto digit = [](char byte) { return byte >= '0' && byte <= '9'; };
    if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(version[5]) || version[6] != '.' ||
        !digit(version[7])) {
        return refuse(400, "the version is malformed");
    }
    if (version[5] != '1' || version[7] > '1')
        return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    head_.minor_version = static_cast<std::uint8_t>(version[7] - '0');
    return parse_status::need_more;
}

inline bool request_parser::look_at_target(std::string_view target) noexcept {
    const target_look seen = look_at(target, end_);
    head_.path_length = static_cast<std::uint16_t>(seen.path_length);
    head_.plain_path = seen.plain_path;
    return seen.allowed;
}

inline parse_status request_parser::parse_target(std::string_view target) noexcept {
    if (target.empty() || !look_at_target(target))
        return refuse(400, "the target has a character that may not be there");
    if (head_.method == method::connect) {
        // authority-form only (RFC 9112, section 3.2.3), for a method that is not served.
        head_.target = range_of(target);
        return parse_status::need_more;
    }
    if (target == "*") {
        // Methods we do not know may have a use for it (M-SEARCH has): they are told that they are not known.
        if (head_.method != method::options && head_.method != method::other) {
            return refuse(400, "the target * is for OPTIONS");
        }
        head_.asterisk = true;
    } else if (target.front() != '/') {
        // absolute-form: whatever the authority says, it is this server that was asked.
        const std::size_t scheme = target.find("://");
        if (scheme == std::string_view::npos) return refuse(400, "the target is neither a path nor a URI");
        const std::string_view name = target.substr(0, scheme);
        if (!equals_lower(name, "http") && !equals_lower(name, "https")) {
            return refuse(400, "the target's scheme is not http");
        }
        const std::string_view after = target.substr(scheme + 3);
        const std::size_t path = after.find_first_of("/?");
        const std::string_view authority = after.substr(0, path);
        if (!is_host(authority)) return refuse(400, "the target's authority is malformed");
        target = path == std::string_view::npos ? after.substr(after.size()) : after.substr(path);
        (void)look_at_target(target);
    }
    head_.target = range_of(target);
    return parse_status::need_more;
}

inline parse_status request_parser::parse_header(std::string_view line) noexcept {
    if (++head_.header_count > limits::header_count) return refuse(431, "too many header fields");
    // The one that each request has, as nearly all write it: nothing is left to trim.
    constexpr std::string_view host = "Host: ";
    if (line.size() > host.size() && line.starts_with(host) && line[host.size()] > ' ' && line.back() > ' ')
        return take_host(line.substr(host.size()));
    const char* name_end = line.data();
    const char* const end = line.data() + line.size();
    while (name_end < end && token_bytes[static_cast<unsigned char>(*name_end)])
        ++name_end;
    if (name_end == line.data() || name_end == end || *name_end != ':') {
        const char first = line.front();
        return refuse(400, first == ' ' || first == '\t' ? "a folded header line"
                           : name_end != end && (*name_end == ' ' || *name_end == '\t')
                               ? "white space before the colon of a header field"
                               : "a malformed header field name");
    }
    const std::string_view name(line.data(), static_cast<std::size_t>(name_end - line.data()));
    return take_field(name, trimmed({name_end + 1, static_cast<std::size_t>(end - name_end - 1)}));
}

inline void request_parser::remember(field which, std::string_view value) noexcept {
    const std::uint16_t bit = request_head::bit(which);
    if ((head_.present & bit) != 0) {
        head_.repeated |= bit;
        return;
    }
    head_.present |= bit;
    head_.fields[static_cast<std::size_t>(which)] = range_of(value);
}

// The length tells most names apart; only a name that could be one of ours is compared.
parse_status request_parser::take_field(std::string_view name, std::string_view value) noexcept {
    switch (name.size()) {
        case 4:
            if (equals_lower(name, "host")) return take_host(value);
            break;
        case 5:
            if (equals_lower(name, "range")) remember(field::range, value);
            break;
        case 6:
            if (equals_lower(name, "expect")) {
                if (head_.minor_version == 0) break;
                if (!equals_lower(value, "100-continue")) return refuse(417, "an unknown expectation");
                head_.expects_continue = true;
            }
            break;
        case 7:
            if (equals_lower(name, "referer")) remember(field::referer, value);
            break;
        case 8:
            if (equals_lower(name, "if-match")) remember(field::if_match, value);
            if (equals_lower(name, "if-range")) remember(field::if_range, value);
            break;
        case 10:
            if (equals_lower(name, "connection")) return take_connection(value);
            if (equals_lower(name, "user-agent")) remember(field::user_agent, value);
            break;
        case 12:
            if (equals_lower(name, "x-request-id")) remember(field::x_request_id, value);
            break;
        case 13:
            if (equals_lower(name, "if-none-match")) remember(field::if_none_match, value);
            break;
        case 14:
            if (equals_lower(name, "content-length")) return take_length(value);
            break;
        case 15:
            if (equals_lower(name, "accept-encoding")) remember(field::accept_encoding, value);
            break;
        case 17:
            if (equals_lower(name, "transfer-encoding")) return take_coding(value);
            if (equals_lower(name, "if-modified-since")) remember(field::if_modified_since, value);
            break;
        case 19:
            if (equals_lower(name, "if-unmodified-since")) remember(field::if_unmodified_since, value);
            break;
        default:
            break;
    }
    return parse_status::need_more;
}

inline parse_status request_parser::take_host(std::string_view value) noexcept {
    if (++framing_.hosts > 1) return refuse(400, "more than one Host field");
    if (!is_usual_host(value, base_, end_) && !is_host(value)) return refuse(400, "a malformed Host field");
    remember(field::host, value);
    return parse_status::need_more;
}

parse_status request_parser::take_length(std::string_view value) noexcept {
    if (++framing_.lengths > 1) return refuse(400, "more than one Content-Length field");
    if (value.empty()) return refuse(400, "a malformed Content-Length");
    value.remove_prefix(std::min(value.find_first_not_of('0'), value.size()));
    std::uint64_t length = 0;
    for (const char byte : value) {
        if (byte < '0' || byte > '9') return refuse(400, "a malformed Content-Length");
        length = length * 10 + static_cast<std::uint64_t>(byte - '0');  // means nothing past 18 digits
    }
    if (value.size() > 18) return refuse(413, "the body is too large");
    head_.has_length = true;
    head_.content_length = length;
    return parse_status::need_more;
}

parse_status request_parser::take_coding(std::string_view value) noexcept {
    if (++framing_.codings > 1) return refuse(400, "more than one Transfer-Encoding field");
    framing_.coding_is_chunked = equals_lower(value, "chunked");
    if (framing_.coding_is_chunked) return parse_status::need_more;
    bool tokens = true;
    unsigned chunked = 0;
    for_each_element(value, [&](std::string_view coding) {
        framing_.coding_ends_chunked = equals_lower(coding, "chunked");
        chunked += framing_.coding_ends_chunked;
        tokens = tokens && is_token(coding);
        return true;
    });
    if (!tokens || chunked != 1 || value.front() == ',' || value.back() == ',') {
        return refuse(400, "a malformed Transfer-Encoding");
    }
    return parse_status::need_more;
}

parse_status request_parser::take_connection(std::string_view value) noexcept {
    for_each_element(value, [&](std::string_view option) {
        framing_.close |= equals_lower(option, "close");
        framing_.keep_alive |= equals_lower(option, "keep-alive");
        return true;
    });
    return parse_status::need_more;
}

// What can be judged only when all fields are known.
inline parse_status request_parser::finish() noexcept {
    if (framing_.hosts == 0 && head_.minor_version > 0) return refuse(400, "no Host field");
    if (framing_.codings > 0) {
        // A length beside a coding is how requests are smuggled (RFC 9112, section 6.1).
        if (framing_.lengths > 0) return refuse(400, "both Content-Length and Transfer-Encoding");
        if (head_.minor_version == 0) return refuse(400, "Transfer-Encoding in HTTP/1.0");
        if (!framing_.coding_is_chunked) {
            return framing_.coding_ends_chunked ? refuse(501, "a transfer coding that is not known here")
                                                : refuse(400, "a transfer coding without an end");
        }
        head_.chunked = true;
    }
    head_.keep_alive = !framing_.close && (head_.minor_version > 0 || framing_.keep_alive);
    return parse_status::complete;
}

std::optional<std::string_view> next_field(std::string_view head, std::string_view lower_case_name,
                                           std::size_t& from) noexcept {
    while (true) {
        const std::size_t line_end = head.find("\r\n", from);
        if (line_end == std::string_view::npos || line_end + 2 >= head.size()) return std::nullopt;
        from = line_end + 2;
        const std::string_view line = head.substr(from, head.find("\r\n", from) - from);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        if (equals_lower(line.substr(0, colon), lower_case_name)) return trimmed(line.substr(colon + 1));
    }
}

}  // namespace naru::http
