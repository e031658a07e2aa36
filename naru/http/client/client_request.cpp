#include <naru/http/client/client_request.hpp>

#include <naru/http/client/limits.hpp>
#include <naru/http/h1/parse.hpp>
#include <naru/http/h1/scan.hpp>
#include <naru/http/message/fields.hpp>

#include <algorithm>
#include <array>

namespace naru::http {

namespace {

template <std::size_t Count>
bool is_one_of(std::string_view name, const std::array<std::string_view, Count>& lower_names) noexcept {
    return std::any_of(lower_names.begin(), lower_names.end(),
                       [&](std::string_view each) { return equals_lower(name, each); });
}

constexpr std::array<std::string_view, 6> framing_fields{
    "content-length", "transfer-encoding", "connection", "te", "expect", "upgrade"};
constexpr std::array<std::string_view, 3> credentials{"authorization", "cookie", "proxy-authorization"};
constexpr std::array<std::string_view, 5> body_fields{"content-type", "content-encoding", "content-language",
                                                      "content-location", "digest"};

}  // namespace

client_request& client_request::add(std::string_view name, std::string_view value) & {
    fields_.push_back({std::string(name), std::string(trimmed(value))});
    return *this;
}

client_request& client_request::body(std::string bytes, std::string_view content_type) & {
    bytes_ = std::move(bytes);
    source_ = nullptr;
    has_body_ = true;
    if (!content_type.empty()) add("Content-Type", content_type);
    return *this;
}

client_request& client_request::body(body_source pieces, std::optional<std::uint64_t> size) & {
    bytes_.clear();
    source_ = std::move(pieces);
    size_ = size;
    has_body_ = true;
    return *this;
}

bool client_request::has_field(std::string_view lower_name) const noexcept {
    return std::any_of(fields_.begin(), fields_.end(),
                       [&](const field& each) { return equals_lower(each.name, lower_name); });
}

bool client_request::is_idempotent() const noexcept {
    constexpr std::array<std::string_view, 6> methods{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    return std::find(methods.begin(), methods.end(), method_) != methods.end();
}

const char* client_request::fault() const noexcept {
    if (!is_token(method_)) return "the method is no token";
    if (method_ == "CONNECT") return "CONNECT asks for a tunnel, which is no request of this client's";
    if (method_ == "TRACE" && has_body_) return "TRACE has no body";
    std::size_t bytes = 0;
    unsigned hosts = 0;
    for (const field& each : fields_) {
        if (!is_token(each.name)) return "a field's name is no token";
        if (is_one_of(each.name, framing_fields))
            return "a field that is the client's own: Content-Length, Transfer-Encoding, Connection, TE, "
                   "Expect or Upgrade";
        const char* const end = each.value.data() + each.value.size();
        if (find_control(each.value.data(), end) != end) return "a control character in a field's value";
        if (equals_lower(each.name, "host") && (++hosts > 1 || !is_host(each.value)))
            return "the Host field is malformed";
        bytes += each.name.size() + each.value.size() + 4;
    }
    return bytes > limits::client_head_bytes ? "the request's fields are too large" : nullptr;
}

void client_request::write_head(std::string& head, const url& to, std::string_view user_agent,
                                bool accept_gzip) const {
    head.assign(method_).append(" ").append(to.target()).append(" HTTP/1.1\r\n");
    const auto line = [&head](std::string_view name, std::string_view value) {
        head.append(name).append(": ").append(value).append("\r\n");
    };
    if (!has_field("host")) {
        head += "Host: ";
        to.append_authority(head);
        head += "\r\n";
    }
    if (!user_agent.empty() && !has_field("user-agent")) line("User-Agent", user_agent);
    if (!has_field("accept")) line("Accept", "*/*");
    if (accept_gzip && !has_field("accept-encoding")) line("Accept-Encoding", "gzip");
    for (const field& each : fields_)
        line(each.name, each.value);
    if (source_ && !size_) {
        line("Transfer-Encoding", "chunked");
    } else if (has_body_ || method_ == "POST" || method_ == "PUT" || method_ == "PATCH") {
        line("Content-Length", std::to_string(source_ ? *size_ : bytes_.size()));
    }
    head += "\r\n";
}

void client_request::follow(unsigned status) {
    const bool to_get = (status == 303 && method_ != "HEAD" && method_ != "GET") ||
                        ((status == 301 || status == 302) && method_ == "POST");
    if (!to_get) return;
    method_ = "GET";
    has_body_ = false;
    bytes_.clear();
    source_ = nullptr;
    size_.reset();
    std::erase_if(fields_, [](const field& each) { return is_one_of(each.name, body_fields); });
}

void client_request::drop_credentials() {
    std::erase_if(fields_, [](const field& each) {
        return is_one_of(each.name, credentials) || equals_lower(each.name, "host");
    });
}

}  // namespace naru::http
