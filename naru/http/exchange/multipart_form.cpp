#include <naru/http/exchange/multipart_form.hpp>

#include <naru/http/exchange/call.hpp>

#include <cerrno>
#include <utility>

namespace naru::http {

multipart_form::multipart_form(exchange& x, const form_limits& limits) : x_(x) {
    if (const auto boundary = form_boundary(x.field("content-type").value_or("")))
        parser_.emplace(*boundary, limits);
}

std::error_code multipart_form::refuse(unsigned status, const char* reason, int error) noexcept {
    x_.overrule(status, reason);
    failed_ = std::error_code(error, errno_category());
    received_.reset();
    left_ = {};
    return failed_;
}

// Until something has happened; `data` is what event::data is about.
task<result<multipart_parser::event>> multipart_form::step(std::string_view& data) {
    if (failed_) co_return fail(failed_);
    if (!parser_) co_return fail(refuse(415, "A form (multipart/form-data) is wanted here.", EINVAL));
    while (true) {
        const multipart_parser::event got = parser_->read(left_, data);
        if (got == multipart_parser::event::refused)
            co_return fail(
                refuse(parser_->status(), parser_->reason(), parser_->status() == 413 ? EMSGSIZE : EBADMSG));
        if (got != multipart_parser::event::need_more && got != multipart_parser::event::complete)
            co_return got;
        received_.reset();
        auto more = co_await x_.read();
        if (more) {
            received_ = std::move(*more);
            left_ = received_.text();
            continue;
        }
        if (more.error() != errc::end_of_stream) {
            failed_ = more.error();
            co_return fail(failed_);
        }
        if (got != multipart_parser::event::complete)
            co_return fail(refuse(400, "The form ends before its last boundary.", EBADMSG));
        co_return multipart_parser::event::complete;
    }
}

task<result<form_part>> multipart_form::next() {
    while (true) {
        std::string_view dropped;
        auto got = co_await step(dropped);
        if (!got) co_return fail(got.error());
        if (*got == multipart_parser::event::complete) co_return fail(errc::end_of_stream);
        in_part_ = *got != multipart_parser::event::part_end;
        if (*got == multipart_parser::event::part) co_return parser_->part();
    }
}

task<result<std::string_view>> multipart_form::read() {
    if (!in_part_) co_return fail(failed_ ? failed_ : make_error_code(errc::end_of_stream));
    std::string_view piece;
    auto got = co_await step(piece);
    if (!got) co_return fail(got.error());
    if (*got == multipart_parser::event::data) co_return piece;
    in_part_ = false;
    co_return fail(errc::end_of_stream);
}

task<result<std::string>> multipart_form::read_all() {
    std::string all;
    while (true) {
        auto piece = co_await read();
        if (piece) {
            all += *piece;
            continue;
        }
        if (piece.error() != errc::end_of_stream) co_return fail(piece.error());
        co_return std::move(all);
    }
}

}  // namespace naru::http
