// Requests and answers of handlers that block.
#pragma once

#include <naru/http/exchange/exchange.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::http {

/// A request with its whole body, to be read on another thread while its exchange waits.
class request_view {
 public:
    request_view(const exchange& of, std::string body) noexcept : x_(of), body_(std::move(body)) {}

    http::method method() const noexcept { return x_.method(); }
    std::string_view path() const noexcept { return x_.path(); }
    std::string_view raw_target() const noexcept { return x_.raw_target(); }
    std::string_view query() const noexcept { return x_.query(); }
    std::optional<std::string> query_value(std::string_view name) const { return x_.query_value(name); }
    std::optional<std::string_view> cookie(std::string_view name) const noexcept { return x_.cookie(name); }
    std::string_view authority() const noexcept { return x_.authority(); }
    std::optional<std::string_view> field(std::string_view name) const noexcept { return x_.field(name); }
    field_list fields() const noexcept { return x_.fields(); }
    std::string_view param(std::string_view name) const noexcept { return x_.param(name); }
    std::string_view pattern() const noexcept { return x_.pattern(); }
    /// What middleware has left, which must not change any more; nullptr if it has left none of that type.
    template <class T>
    const T* value() const noexcept {
        return x_.left_by_middleware<T>();
    }
    const std::string& body() const noexcept { return body_; }

 private:
    const exchange& x_;
    std::string body_;
};

/// An answer as a value.
struct answer {
    unsigned status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
    std::vector<std::pair<std::string, std::string>> fields;

    answer() = default;
    answer(unsigned code, std::string type, std::string content)
        : status(code), content_type(std::move(type)), body(std::move(content)) {}
};

}  // namespace naru::http
