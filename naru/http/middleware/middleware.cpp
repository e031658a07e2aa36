#include <naru/http/middleware/middleware.hpp>

#include <naru/http/message/fields.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <new>
#include <stdexcept>

namespace naru::http {

namespace {

constexpr byte_table cookie_bytes = make_byte_table("!#$%&'()*+-./:<=>?@[]^_`{|}~");

void append_if(std::string& to, std::string_view name, std::string_view value) {
    if (!value.empty()) to.append("; ").append(name).append("=").append(value);
}

}  // namespace

// ---------------------------------------------------------------------------------------- cors

cors::cors(cors_options options) : options_(std::move(options)) {
    any_ = std::ranges::find(options_.origins, "*") != options_.origins.end();
    if (any_ && options_.credentials)
        throw std::invalid_argument(
            "cors: every origin (\"*\") cannot be given credentials: name the origins");
}

std::string_view cors::allowed(std::string_view origin) const noexcept {
    if (any_) return "*";
    return std::ranges::find(options_.origins, origin) != options_.origins.end() ? origin
                                                                                 : std::string_view();
}

void cors::preflight(exchange& x) const noexcept {
    if (x.method() != method::options || !x.field("access-control-request-method")) return;
    const auto origin = x.field("origin");
    if (!origin || allowed(*origin).empty()) return;
    x.add("Access-Control-Allow-Methods", options_.methods);
    if (!options_.fields.empty()) x.add("Access-Control-Allow-Headers", options_.fields);
    std::array<char, 24> seconds;
    const auto [end, error] =
        std::to_chars(seconds.data(), seconds.data() + seconds.size(), options_.max_age.count());
    if (error == std::errc())
        x.add("Access-Control-Max-Age", {seconds.data(), static_cast<std::size_t>(end - seconds.data())});
    x.respond(204);
}

// Also where no origin is named: a cache must not give such an answer to one that is.
void cors::mark(const exchange& x, answer_head& head) const {
    if (!any_) head.add("Vary", "Origin");
    const auto origin = x.field("origin");
    if (!origin) return;
    const std::string_view value = allowed(*origin);
    if (value.empty()) return;
    head.set("Access-Control-Allow-Origin", value);
    if (options_.credentials) head.set("Access-Control-Allow-Credentials", "true");
    if (!options_.exposed.empty()) head.set("Access-Control-Expose-Headers", options_.exposed);
}

// ---------------------------------------------------------------------------------------- fields

void cache_control::operator()(const exchange& x, answer_head& head) const {
    if ((head.status() >= 300 && head.status() != 304) || head.field("Cache-Control")) return;
    for (const cache_rule& each : rules_) {
        if (!x.path().starts_with(each.prefix)) continue;
        head.add("Cache-Control", each.value);
        return;
    }
}

void security_headers::operator()(const exchange& /*x*/, answer_head& head) const {
    const auto add = [&](std::string_view name, std::string_view value) {
        if (!value.empty() && !head.field(name)) head.add(name, value);
    };
    add("X-Content-Type-Options", "nosniff");
    add("X-Frame-Options", "SAMEORIGIN");
    add("Referrer-Policy", "strict-origin-when-cross-origin");
    add("Content-Security-Policy", policy_);
}

// ---------------------------------------------------------------------------------------- basic_auth

bool same_secret(std::string_view given, std::string_view expected) noexcept {
    unsigned difference = given.size() == expected.size() ? 0 : 1;
    for (std::size_t each = 0; each < given.size(); ++each) {
        const char other = expected.empty() ? '\0' : expected[each % expected.size()];
        difference |= static_cast<unsigned char>(given[each] ^ other);
    }
    return difference == 0;
}

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::string bytes;
    std::uint32_t word = 0;
    std::size_t digits = 0;
    std::size_t padding = 0;
    for (const char each : text) {
        std::uint32_t value = 0;
        if (each >= 'A' && each <= 'Z') {
            value = static_cast<std::uint32_t>(each - 'A');
        } else if (each >= 'a' && each <= 'z') {
            value = static_cast<std::uint32_t>(each - 'a' + 26);
        } else if (each >= '0' && each <= '9') {
            value = static_cast<std::uint32_t>(each - '0' + 52);
        } else if (each == '+' || each == '/') {
            value = each == '+' ? 62 : 63;
        } else if (each == '=' && digits % 4 >= 2) {
            ++padding;
        } else {
            return std::nullopt;
        }
        if (padding > 0 && each != '=') return std::nullopt;
        word = word << 6 | value;
        if (++digits % 4 != 0) continue;
        for (std::size_t index = 0; index + padding < 3; ++index)
            bytes += static_cast<char>(word >> (16 - 8 * index));
        word = 0;
    }
    return bytes;
}

void basic_auth::operator()(exchange& x) const noexcept try {
    if (!x.path().starts_with(prefix_)) return;
    constexpr std::string_view scheme = "basic ";
    const std::string_view given = x.field("authorization").value_or("");
    if (given.size() > scheme.size() && equals_lower(given.substr(0, scheme.size()), scheme)) {
        const auto pair = decode_base64(trimmed(given.substr(scheme.size())));
        const std::size_t colon = pair ? pair->find(':') : std::string::npos;
        if (colon != std::string::npos) {
            const std::string_view all = *pair;
            if (allows_(all.substr(0, colon), all.substr(colon + 1))) {
                x.value<authenticated>().name = all.substr(0, colon);
                return;
            }
        }
    }
    x.add("WWW-Authenticate", "Basic realm=\"" + realm_ + "\", charset=\"UTF-8\"");
    x.respond(401, "text/plain; charset=utf-8", "A name and a password are wanted here.\n");
} catch (const std::exception&) {
    x.respond(503, "text/plain; charset=utf-8", "The name and the password could not be looked at.\n");
}

// ---------------------------------------------------------------------------------------- cookies, ETags

namespace {

/// The field's value; empty for what no cookie can be.
std::string cookie_text(std::string_view name, std::string_view value, const cookie_options& options) {
    if (!is_token(name) || !all_in(cookie_bytes, value)) return {};
    std::string text(name);
    text.append("=").append(value);
    append_if(text, "Path", options.path);
    append_if(text, "Domain", options.domain);
    if (options.max_age) append_if(text, "Max-Age", std::to_string(options.max_age->count()));
    append_if(text, "SameSite", options.same_site);
    if (options.secure) text += "; Secure";
    if (options.http_only) text += "; HttpOnly";
    return text;
}

}  // namespace

void set_cookie(exchange& x, std::string_view name, std::string_view value, const cookie_options& options) {
    const std::string text = cookie_text(name, value, options);
    // Without a value: a field that cannot be sent, which is reported with its name.
    x.add("Set-Cookie", text.empty() ? std::string_view("\n") : std::string_view(text));
}

void set_cookie(answer& of, std::string_view name, std::string_view value, const cookie_options& options) {
    std::string text = cookie_text(name, value, options);
    of.fields.emplace_back("Set-Cookie", text.empty() ? "\n" : std::move(text));
}

void respond_if_changed(exchange& x, std::string_view content_type, std::string_view body) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a, with its end mixed in
    for (const char byte : body)
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
    std::array<char, 48> tag;
    char* at = tag.data();
    *at++ = '"';
    at = std::to_chars(at, at + 16, hash, 16).ptr;
    *at++ = '-';
    at = std::to_chars(at, at + 16, body.size(), 16).ptr;
    *at++ = '"';
    const std::string_view etag(tag.data(), static_cast<std::size_t>(at - tag.data()));
    x.add("ETag", etag);
    bool has_it = false;
    for_each_element(x.field("if-none-match").value_or(""), [&](std::string_view each) {
        if (each.starts_with("W/")) each.remove_prefix(2);
        has_it = each == "*" || each == etag;
        return !has_it;
    });
    if (has_it && (x.method() == method::get || x.method() == method::head)) return x.respond(304);
    x.respond(200, content_type, body);
}

}  // namespace naru::http
