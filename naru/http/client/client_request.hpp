// A request as its user makes it.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/core/clock.hpp>
#include <naru/core/result.hpp>
#include <naru/coro/task.hpp>
#include <naru/http/client/url.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::http {

/// Gives a request's body piece by piece: called again when the piece before has been sent. A piece is lent
/// until then; an empty one is the end; an error ends the request. May be a lambda that is a coroutine: it is
/// kept as long as its tasks. None of them is under way when client::request has ended.
using body_source = std::move_only_function<task<result<bytes_view>>()>;

/// Method, URL, fields and body. Move-only. What is wrong with them is found out when it is sent.
class client_request {
 public:
    client_request(std::string method, std::string url) : method_(std::move(method)), url_(std::move(url)) {}

    /// Another field; a name may come several times. The framing is the client's: Content-Length,
    /// Transfer-Encoding, Connection, TE, Expect and Upgrade are refused. Host, User-Agent, Accept and
    /// Accept-Encoding take the place of the client's own; who sends the last decodes the answer himself.
    client_request& add(std::string_view name, std::string_view value) &;
    client_request&& add(std::string_view name, std::string_view value) && {
        return std::move(add(name, value));
    }
    /// A body in memory. It can be sent again: to where a redirect (307, 308) leads, and on a second
    /// connection if the first turned out to be closed and the method is idempotent.
    client_request& body(std::string bytes, std::string_view content_type = {}) &;
    client_request&& body(std::string bytes, std::string_view content_type = {}) && {
        return std::move(body(std::move(bytes), content_type));
    }
    /// A body that is made while it is sent: chunked, or exactly `size` bytes. It is sent once.
    client_request& body(body_source pieces, std::optional<std::uint64_t> size = std::nullopt) &;
    client_request&& body(body_source pieces, std::optional<std::uint64_t> size = std::nullopt) && {
        return std::move(body(std::move(pieces), size));
    }
    /// In the place of client_timeouts::total.
    client_request& total(duration longest) & {
        total_ = longest;
        return *this;
    }
    client_request&& total(duration longest) && { return std::move(total(longest)); }

    // For the client.

    struct field {
        std::string name;
        std::string value;
    };

    const std::string& method() const noexcept { return method_; }
    const std::string& url_text() const noexcept { return url_; }
    bool has_field(std::string_view lower_name) const noexcept;
    std::optional<duration> total() const noexcept { return total_; }
    bool is_streamed() const noexcept { return static_cast<bool>(source_); }
    const std::string& bytes() const noexcept { return bytes_; }
    body_source& source() noexcept { return source_; }
    std::optional<std::uint64_t> size() const noexcept { return size_; }
    /// RFC 9110, section 9.2.2: sending it twice is as good as once.
    bool is_idempotent() const noexcept;
    bool to_head() const noexcept { return method_ == "HEAD"; }
    /// What is wrong with it, in words; nullptr if nothing is.
    const char* fault() const noexcept;
    /// Its head for this URL.
    std::string head_text(const url& to, std::string_view user_agent, bool accept_gzip) const {
        std::string head;
        write_head(head, to, user_agent, accept_gzip);
        return head;
    }
    /// The same, in the place of what is in `head`.
    void write_head(std::string& head, const url& to, std::string_view user_agent, bool accept_gzip) const;
    /// Follows a redirect with this status: which of them make it a GET is RFC 9110's section 15.4.
    void follow(unsigned status);
    /// To another origin goes nothing that is a secret of this one.
    void drop_credentials();

 private:
    std::string method_;
    std::string url_;
    std::vector<field> fields_;
    bool has_body_ = false;
    std::string bytes_;
    body_source source_;
    std::optional<std::uint64_t> size_;
    std::optional<duration> total_;
};

}  // namespace naru::http
