// What often stands before handlers: for site::before and site::on_head.
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/http/exchange/answer_head.hpp>
#include <naru/http/exchange/exchange.hpp>
#include <naru/http/exchange/request_view.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::http {

/// Which pages of other origins may read answers (WHATWG Fetch, section 3.2).
struct cors_options {
    std::vector<std::string> origins = {};  ///< "https://example.org"; "*" alone: any, without credentials
    std::string methods = "GET, HEAD, POST";
    std::string fields = {};   ///< that scripts may send, beside the simple ones: "Content-Type, X-A"
    std::string exposed = {};  ///< that scripts may read of an answer
    bool credentials = false;
    std::chrono::seconds max_age{600};  ///< for which a browser keeps a preflight's answer
};

/// Answers preflights, and marks answers to origins that are allowed: `cors(options).add_to(site)`, before
/// routes are asked. Throws std::invalid_argument for "*" with credentials, which browsers refuse.
class cors {
 public:
    explicit cors(cors_options options);

    template <class Site>
    Site& add_to(Site& site) const {
        const auto shared = std::make_shared<const cors>(*this);
        site.before([shared](exchange& x) noexcept { shared->preflight(x); });
        site.on_head([shared](const exchange& x, answer_head& head) { shared->mark(x, head); });
        return site;
    }

 private:
    /// The value for Access-Control-Allow-Origin; empty: none.
    std::string_view allowed(std::string_view origin) const noexcept;
    void preflight(exchange& x) const noexcept;
    void mark(const exchange& x, answer_head& head) const;

    cors_options options_;
    bool any_ = false;
};

/// For on_head: Cache-Control for the answers (2xx, 304) beneath a path, unless the handler has said
/// something. The first rule that fits counts.
struct cache_rule {
    std::string prefix;  ///< "/static/"
    std::string value;   ///< "public, max-age=31536000, immutable"
};
class cache_control {
 public:
    explicit cache_control(std::vector<cache_rule> rules) : rules_(std::move(rules)) {}
    void operator()(const exchange& x, answer_head& head) const;

 private:
    std::vector<cache_rule> rules_;
};

/// For on_head: fields that keep browsers from guessing and framing. Handlers' own go before.
class security_headers {
 public:
    /// `content_security_policy`: left out if it is empty.
    explicit security_headers(
        std::string content_security_policy = "default-src 'self'; frame-ancestors 'self'")
        : policy_(std::move(content_security_policy)) {}
    void operator()(const exchange& x, answer_head& head) const;

 private:
    std::string policy_;
};

/// For before: a name and a password (RFC 7617), for paths that begin with a prefix. `allows` is called on
/// the loops' threads; it should take as long for a wrong password as for a right one: see same_secret. The
/// name is left for handlers: x.value<authenticated>().name.
struct authenticated {
    std::string name;
};
class basic_auth {
 public:
    basic_auth(std::string realm,
               std::function<bool(std::string_view name, std::string_view password)> allows,
               std::string prefix = "/")
        : realm_(std::move(realm)), allows_(std::move(allows)), prefix_(std::move(prefix)) {}
    void operator()(exchange& x) const noexcept;

 private:
    std::string realm_;
    std::function<bool(std::string_view, std::string_view)> allows_;
    std::string prefix_;
};

/// For before: an answer says which request it is for (X-Request-Id; see exchange::request_id), as the access
/// log does.
struct request_ids {
    void operator()(exchange& x) const noexcept { x.add("X-Request-Id", x.request_id()); }
};

/// Whether two secrets are the same, in a time that depends on the length of `given` alone.
bool same_secret(std::string_view given, std::string_view expected) noexcept;

/// The bytes of a base64 text (RFC 4648, section 4); nothing if it is malformed.
std::optional<std::string> decode_base64(std::string_view text);

struct cookie_options {
    std::string path = "/";
    std::string domain;
    std::optional<std::chrono::seconds> max_age;  ///< none: until the browser ends
    bool secure = true;
    bool http_only = true;
    std::string same_site = "Lax";

    cookie_options() = default;
};

/// Adds a Set-Cookie field (RFC 6265, section 4.1). A name or value that a cookie cannot have makes the
/// answer 500, as any field does that cannot be sent.
void set_cookie(exchange& x, std::string_view name, std::string_view value,
                const cookie_options& options = {});

/// The same for the answer of a blocking handler.
void set_cookie(answer& of, std::string_view name, std::string_view value,
                const cookie_options& options = {});

/// For answers that are made anew each time but seldom differ: adds an ETag of the body, and answers 304 to
/// who has it already (If-None-Match, RFC 9110, section 13.1.2).
void respond_if_changed(exchange& x, std::string_view content_type, std::string_view body) noexcept;

}  // namespace naru::http
