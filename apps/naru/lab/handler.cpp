#include <lab/handler.hpp>

#include <naru/http/h1/parse.hpp>

#include <fmt/format.h>

namespace naru::lab {

namespace {

std::string answer_of(std::string_view status, std::string_view body, std::string_view more_fields = {}) {
    return fmt::format(
        "HTTP/1.1 {}\r\nServer: naru-lab\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n{}\r\n{}",
        status, body.size(), more_fields, body);
}

}  // namespace

handler::handler(std::span<const std::size_t> sizes)
    : not_found_(answer_of("404 Not Found", "no such size\n")),
      bad_request_(answer_of("400 Bad Request", "not a request\n", "Connection: close\r\n")) {
    for (const std::size_t size : sizes)
        prepared_.emplace(fmt::format("/{}", size), answer_of("200 OK", std::string(size, 'x')));
}

handler::outcome handler::answer(std::string_view input, std::span<slice> answers) const noexcept {
    outcome done;
    while (done.used < input.size() && done.answers < answers.size() && !done.end) {
        const std::string_view rest = input.substr(done.used);
        http::request_parser parser;
        const http::parse_status status = parser.parse(rest);
        if (status == http::parse_status::need_more && rest.size() < request_bytes) break;
        slice& answer = answers[done.answers++];
        if (status != http::parse_status::complete || parser.head().has_body()) {
            answer = slice(bad_request_);
            done.used = input.size();
            done.end = true;
            break;
        }
        const http::request_head& head = parser.head();
        const auto found = prepared_.find(head.target.in(rest));
        answer = slice(found == prepared_.end() ? not_found_ : found->second);
        done.used += head.size;
        done.end = !head.keep_alive;
    }
    return done;
}

}  // namespace naru::lab
