#include <load/limits.hpp>
#include <load/websocket_upgrade.hpp>
#include <naru/http/h1/response.hpp>
#include <naru/http/websocket/handshake.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace naru::load {

or_words<websocket_upgrade> make_websocket_upgrade(const url& where, std::string_view target) {
    const auto visible = [](char each) { return each > ' ' && each < '\x7f' && each != '#'; };
    if (!target.starts_with('/') || !std::all_of(target.begin(), target.end(), visible))
        return std::unexpected("want a path on the server, as in /echo");
    std::array<std::byte, 16> key{};
    for (std::size_t each = 0; each < key.size(); ++each)
        key[each] = static_cast<std::byte>(each);
    websocket::client_request made = websocket::make_request(where.authority, target, {}, key);
    return websocket_upgrade{std::move(made.head), std::move(made.key)};
}

upgrade_reader::outcome upgrade_reader::take(std::uint32_t who, std::string_view input,
                                             const websocket_upgrade& asked) noexcept {
    const auto begun = partial_.find(who);
    if (begun == partial_.end()) {
        const outcome then = look(input, asked);
        if (then == outcome::need_more) partial_.emplace(who, input);
        return then;
    }
    begun->second += input;
    const outcome then = look(begun->second, asked);
    if (then != outcome::need_more) partial_.erase(begun);
    return then;
}

upgrade_reader::outcome upgrade_reader::look(std::string_view text, const websocket_upgrade& asked) noexcept {
    if (!last_.empty() && text.starts_with(last_)) return outcome::complete;
    const auto bad = [this](const char* why) {
        problem_ = why;
        return outcome::bad;
    };
    constexpr std::string_view status = "HTTP/1.1 101 ";
    const std::size_t begun = std::min(text.size(), status.size());
    if (text.substr(0, begun) != status.substr(0, begun)) return bad("no WebSocket: the status is not 101");
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) {
        if (text.size() > websocket::limits::answer_bytes) return bad("no WebSocket: its head is too long");
        return outcome::need_more;
    }
    const std::string_view head = text.substr(0, end + 4);
    std::string_view lines = head.substr(head.find("\r\n") + 2);
    websocket::handshake_fields fields;
    http::response_field field;
    while (http::next_field(lines, field))
        fields.add(field.name, field.value);
    if (const auto agreed = websocket::check_answer(asked.key, fields, {}); !agreed)
        return bad(agreed.error());
    last_ = head;
    return outcome::complete;
}

}  // namespace naru::load
