#include <naru/http/message/fields.hpp>
#include <naru/http/websocket/client.hpp>
#include <naru/http/websocket/random.hpp>

#include <algorithm>

namespace naru::websocket {
namespace {

/// What may stand in a request's first line, or in Host.
bool is_plain(std::string_view text) noexcept {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char byte) { return byte > ' ' && byte < 0x7f; });
}

/// In a field's value there are no control characters but the tab (RFC 9110, section 5.5).
bool is_field_value(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char byte) {
        const auto code = static_cast<unsigned char>(byte);
        return byte == '\t' || (code >= 0x20 && code != 0x7f);
    });
}

constexpr std::string_view head_end = "\r\n\r\n";

task<result<std::string>> read_answer(tcp_stream& stream, std::size_t& head_bytes) {
    std::string answer;
    for (;;) {
        auto came = co_await stream.receive();
        if (!came) {
            if (came.error() == naru::errc::end_of_stream) co_return fail(make_error_code(errc::bad_answer));
            co_return fail(came.error());
        }
        const std::size_t from = answer.size() < head_end.size() ? 0 : answer.size() - head_end.size();
        answer += came->text();
        const std::size_t end = answer.find(head_end, from);
        if (end != std::string::npos && end + head_end.size() <= limits::answer_bytes) {
            head_bytes = end + head_end.size();
            co_return std::move(answer);
        }
        if (answer.size() >= limits::answer_bytes) co_return fail(make_error_code(errc::bad_answer));
    }
}

task<result<peer>> exchange_heads(tcp_stream& stream, const client_request& request,
                                  std::shared_ptr<const options> with) {
    const auto sent = co_await stream.send(request.head);
    if (!sent) co_return fail(sent.error());
    std::size_t head_bytes = 0;
    auto answer = co_await read_answer(stream, head_bytes);
    if (!answer) co_return fail(answer.error());
    handshake_fields fields;
    const unsigned status = parse_answer(std::string_view(*answer).substr(0, head_bytes), fields);
    if (status == 0) co_return fail(make_error_code(errc::bad_answer));
    if (status != 101) co_return fail(make_error_code(errc::no_upgrade));
    const auto agreed = check_answer(request.key, fields, *with);
    if (!agreed) co_return fail(make_error_code(errc::bad_answer));
    const std::string_view ahead = std::string_view(*answer).substr(head_bytes);
    peer made(std::move(stream), ahead, role::client, std::move(with), *agreed);
    if (!made) co_return fail_errno(ENOMEM);
    co_return std::move(made);
}

task<result<peer>> connect_and_shake(loop& on, const address& server, std::string host, std::string target,
                                     std::shared_ptr<const options> with) {
    auto stream = co_await tcp_stream::connect(on, server);
    if (!stream) co_return fail(stream.error());
    co_return co_await shake_hands(std::move(*stream), std::move(host), std::move(target), std::move(with));
}

}  // namespace

unsigned parse_answer(std::string_view head, handshake_fields& fields) {
    const std::size_t first_end = head.find("\r\n");
    const std::string_view first = head.substr(0, first_end);
    if (first_end == std::string_view::npos || !is_field_value(first) || !first.starts_with("HTTP/1.1 ") ||
        first.size() < 12 || (first.size() > 12 && first[12] != ' '))
        return 0;
    unsigned status = 0;
    for (const char digit : first.substr(9, 3)) {
        if (digit < '0' || digit > '9') return 0;
        status = status * 10 + static_cast<unsigned>(digit - '0');
    }
    head.remove_prefix(first_end + 2);
    while (!head.starts_with("\r\n")) {
        const std::size_t end = head.find("\r\n");
        if (end == std::string_view::npos) return 0;
        const std::string_view line = head.substr(0, end);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !http::is_token(line.substr(0, colon))) return 0;
        const std::string_view value = http::trimmed(line.substr(colon + 1));
        if (!is_field_value(value)) return 0;
        fields.add(line.substr(0, colon), value);
        head.remove_prefix(end + 2);
    }
    return status >= 100 ? status : 0;
}

task<result<peer>> shake_hands(tcp_stream stream, std::string host, std::string target,
                               std::shared_ptr<const options> with) {
    if (!is_plain(host) || !is_plain(target)) co_return fail_errno(EINVAL);
    if (with == nullptr) with = std::make_shared<const options>();
    const client_request request = make_request(host, target, *with, random_key_bytes());
    const duration time = with->handshake_timeout;
    co_return co_await with_deadline(time, exchange_heads(stream, request, std::move(with)));
}

task<result<peer>> connect(loop& on, address server, std::string host, std::string target,
                           std::shared_ptr<const options> with) {
    if (with == nullptr) with = std::make_shared<const options>();
    const duration time = with->handshake_timeout;
    co_return co_await with_deadline(
        time, connect_and_shake(on, server, std::move(host), std::move(target), std::move(with)));
}

}  // namespace naru::websocket
