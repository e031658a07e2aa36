#include <naru/http/client/url.hpp>

#include <naru/http/client/limits.hpp>
#include <naru/http/h1/parse.hpp>
#include <naru/http/message/fields.hpp>

#include <array>
#include <charconv>
#include <utility>

namespace naru::http {

namespace {

constexpr std::uint16_t port_of(bool secure) noexcept { return secure ? 443 : 80; }

/// What may stand in a path or query as it is (RFC 3986, sections 3.3 and 3.4), and '%', which is taken to
/// begin an encoding already.
constexpr byte_table target_bytes = make_byte_table("-._~!$&'()*+,;=:@/?%[]|");

std::string encoded(std::string text) {
    constexpr char digits[] = "0123456789ABCDEF";
    if (all_in(target_bytes, text)) return text;
    std::string made;
    made.reserve(text.size());
    for (const char each : text) {
        const auto byte = static_cast<unsigned char>(each);
        if (target_bytes[byte]) {
            made += each;
        } else {
            made += {'%', digits[byte >> 4], digits[byte & 15]};
        }
    }
    return made;
}

// RFC 3986, section 5.2.4, for an absolute path.
std::string without_dot_segments(std::string_view path) {
    if (path.find("/.") == std::string_view::npos) return std::string(path);
    std::string made;
    while (!path.empty()) {
        const std::size_t end = path.find('/', 1);
        const std::string_view segment = path.substr(0, end);
        path = end == std::string_view::npos ? std::string_view() : path.substr(end);
        const bool last = path.empty();
        if (segment == "/..") {
            const std::size_t parent = made.rfind('/');
            made.resize(parent == std::string::npos ? 0 : parent);
            if (last) made += '/';
        } else if (segment == "/.") {
            if (last) made += '/';
        } else {
            made += segment;
        }
    }
    if (made.empty()) made = "/";
    return made;
}

std::string target_of(std::string_view path, std::string_view query_with_mark) {
    std::string whole = without_dot_segments(path.empty() ? "/" : path);
    whole.append(query_with_mark);
    return encoded(std::move(whole));
}

/// "scheme:" at the front, in lower case and without the colon; empty if there is none.
std::string scheme_of(std::string_view text) {
    std::string scheme;
    for (const char each : text) {
        if (each == ':') return scheme;
        const bool letter = (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z');
        const bool later = (each >= '0' && each <= '9') || each == '+' || each == '-' || each == '.';
        if (!letter && (scheme.empty() || !later)) return {};
        scheme += letter ? static_cast<char>(each | 0x20) : each;
    }
    return {};
}

const char* text_fault(std::string_view text) noexcept {
    if (text.size() > limits::url_bytes) return "the URL is too long";
    for (const char each : text) {
        const auto byte = static_cast<unsigned char>(each);
        if (byte < 0x20 || byte == 0x7f) return "a control character in the URL";
    }
    return nullptr;
}

struct split_target {
    std::string_view path;
    std::string_view query;  // with its '?'
};
split_target split(std::string_view text) noexcept {
    const std::size_t mark = text.find('?');
    return {text.substr(0, mark), mark == std::string_view::npos ? std::string_view() : text.substr(mark)};
}

}  // namespace

const char* url::take_authority(std::string_view authority) {
    if (authority.find('@') != std::string_view::npos)
        return "user information in the URL: it is not sent; give an Authorization field";
    if (authority.empty()) return "the URL has no host";
    std::string_view host = authority;
    std::string_view digits;
    const std::size_t bracket = authority.rfind(']');
    const std::size_t colon = authority.rfind(':');
    if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
        host = authority.substr(0, colon);
        digits = authority.substr(colon + 1);
    }
    if (host.empty()) return "the URL has no host";
    if (!is_host(host)) return "the URL's host is malformed (names in other scripts: their xn-- form)";
    port_ = port_of(secure_);
    if (!digits.empty()) {
        unsigned port = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
        if (error != std::errc() || end != digits.data() + digits.size() || port == 0 || port > 65'535)
            return "the URL's port is none";
        port_ = static_cast<std::uint16_t>(port);
    }
    host_.clear();
    if (host.front() == '[') host = host.substr(1, host.size() - 2);
    for (const char each : host)
        host_ += each >= 'A' && each <= 'Z' ? static_cast<char>(each | 0x20) : each;
    return nullptr;
}

std::expected<url, const char*> url::parse(std::string_view text) {
    if (const char* const fault = text_fault(text)) return std::unexpected(fault);
    const std::string scheme = scheme_of(text);
    if (scheme != "http" && scheme != "https")
        return std::unexpected("the URL does not begin with http:// or https://");
    text.remove_prefix(scheme.size() + 1);
    if (!text.starts_with("//")) return std::unexpected("the URL does not begin with http:// or https://");
    text.remove_prefix(2);
    text = text.substr(0, text.find('#'));
    const std::string_view authority = text.substr(0, text.find_first_of("/?\\"));
    url made;
    made.secure_ = scheme == "https";
    if (const char* const fault = made.take_authority(authority)) return std::unexpected(fault);
    const auto [path, query] = split(text.substr(authority.size()));
    if (!path.empty() && path.front() != '/') return std::unexpected("the URL's path is malformed");
    made.target_ = target_of(path, query);
    return made;
}

std::expected<url, const char*> url::resolve(std::string_view reference) const {
    if (const char* const fault = text_fault(reference)) return std::unexpected(fault);
    if (!scheme_of(reference).empty()) return parse(reference);
    const char* const scheme = secure_ ? "https:" : "http:";
    if (reference.starts_with("//")) return parse(std::string(scheme).append(reference));
    url made = *this;
    reference = reference.substr(0, reference.find('#'));
    if (reference.empty()) return made;
    const auto [path, query] = split(reference);
    const std::string_view base = split(target_).path;
    if (path.empty()) {
        made.target_ = target_of(base, query);
    } else if (path.front() == '/') {
        made.target_ = target_of(path, query);
    } else {
        std::string merged(base.substr(0, base.rfind('/') + 1));
        made.target_ = target_of(merged.append(path), query);
    }
    return made;
}

namespace {

void append_host(std::string& to, std::string_view host) {
    const bool six = host.find(':') != std::string_view::npos;
    if (six) to += '[';
    to.append(host);
    if (six) to += ']';
}

void append_port(std::string& to, std::uint16_t port) {
    std::array<char, 8> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), port).ptr;
    to.append(":").append(digits.data(), end);
}

}  // namespace

void url::append_authority(std::string& to) const {
    append_host(to, host_);
    if (port_ != port_of(secure_)) append_port(to, port_);
}

void url::append_origin(std::string& to) const {
    to.append(secure_ ? "https://" : "http://");
    append_host(to, host_);
    append_port(to, port_);
}

void url::append_text(std::string& to) const {
    to.append(secure_ ? "https://" : "http://");
    append_authority(to);
    to.append(target_);
}

std::string url::authority() const {
    std::string made;
    append_authority(made);
    return made;
}

std::string url::origin() const {
    std::string made;
    append_origin(made);
    return made;
}

std::string url::text() const {
    std::string made;
    append_text(made);
    return made;
}

}  // namespace naru::http
