// A form with files, part by part, while it comes.
#pragma once

#include <naru/http/exchange/exchange.hpp>
#include <naru/http/message/multipart.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace naru::http {

/// For coroutine handlers:
///
///     http::multipart_form form(x);
///     while (auto part = co_await form.next()) {
///         while (auto piece = co_await form.read()) file.write(*piece);
///     }
///
/// Of the form no more is in memory than the piece that was received last. What is wrong with it overrules
/// the handler's answer, as a failed exchange::read does: 415 if the body is no form, 400 if it is malformed,
/// 413 past a limit.
class multipart_form {
 public:
    explicit multipart_form(exchange& x, const form_limits& limits = {});
    multipart_form(const multipart_form&) = delete;
    multipart_form& operator=(const multipart_form&) = delete;

    /// The next part; what is left of the one before is dropped. Errors: end_of_stream behind the last one;
    /// EBADMSG, EMSGSIZE, EINVAL for the statuses above; those of exchange::read.
    task<result<form_part>> next();
    /// The next piece of the part's content, until the next call. Errors: end_of_stream at its end; as above.
    task<result<std::string_view>> read();
    /// All that is left of its content: at most form_limits::part_bytes.
    task<result<std::string>> read_all();

 private:
    task<result<multipart_parser::event>> step(std::string_view& data);
    std::error_code refuse(unsigned status, const char* reason, int error) noexcept;

    exchange& x_;
    std::optional<multipart_parser> parser_;
    lease received_;
    std::string_view left_;  // of it
    std::error_code failed_;
    bool in_part_ = false;
};

}  // namespace naru::http
