#include <naru/http/message/fields.hpp>
#include <naru/http/websocket/deflate.hpp>

#include <algorithm>

namespace naru::websocket {
namespace {

using http::equals_lower;
using http::trimmed;

constexpr std::string_view extension_name = "permessage-deflate";

/// zlib makes no raw stream with a window of 2^8 bytes; what comes with one, it reads.
constexpr int least_bits_sent = 9;

/// Takes the part before a separator off the front; quoted separators do not count.
std::string_view take_until(std::string_view& text, char separator) noexcept {
    bool quoted = false;
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        if (text[at] == '"') quoted = !quoted;
        if (text[at] == separator && !quoted) break;
    }
    const std::string_view part = trimmed(text.substr(0, at));
    text = at == text.size() ? std::string_view() : text.substr(at + 1);
    return part;
}

/// 8 to 15, without a leading zero (section 7.1.2.1); 0 if it is none.
int window_bits_of(std::string_view value) noexcept {
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
    if (value == "8") return 8;
    if (value == "9") return 9;
    if (value.size() == 2 && value[0] == '1' && value[1] >= '0' && value[1] <= '5')
        return 10 + (value[1] - '0');
    return 0;
}

/// One extension with its parameters.
struct element {
    bool server_no_takeover = false;
    bool client_no_takeover = false;
    bool has_server_bits = false;
    bool has_client_bits = false;
    int server_bits = 15;
    int client_bits = 15;  ///< 0: named without a value
};

/// False if it is not well-formed: an unknown parameter, one twice, a value that it must not have.
bool take_parameter(element& into, std::string_view parameter) noexcept {
    const std::size_t equals = parameter.find('=');
    const bool has_value = equals != std::string_view::npos;
    const std::string_view name = trimmed(parameter.substr(0, equals));
    const std::string_view value = has_value ? trimmed(parameter.substr(equals + 1)) : std::string_view();
    const auto once = [&](bool& seen) { return !has_value && !std::exchange(seen, true); };
    if (equals_lower(name, "server_no_context_takeover")) return once(into.server_no_takeover);
    if (equals_lower(name, "client_no_context_takeover")) return once(into.client_no_takeover);
    if (equals_lower(name, "server_max_window_bits")) {
        into.server_bits = window_bits_of(value);
        return !std::exchange(into.has_server_bits, true) && into.server_bits != 0;
    }
    if (equals_lower(name, "client_max_window_bits")) {
        into.client_bits = window_bits_of(value);
        return !std::exchange(into.has_client_bits, true) && (!has_value || into.client_bits != 0);
    }
    return false;
}

/// Whether it is permessage-deflate, and well-formed.
bool parse_element(std::string_view text, element& into) noexcept {
    if (text.ends_with(';')) return false;
    if (!equals_lower(take_until(text, ';'), extension_name)) return false;
    while (!text.empty()) {
        if (!take_parameter(into, take_until(text, ';'))) return false;
    }
    return true;
}

std::optional<deflate_parameters> accept_offer(const element& offer, const deflate_options& with,
                                               std::string& answer) {
    const int wanted = std::clamp(with.window_bits, least_bits_sent, 15);
    const int bits = std::min(offer.server_bits, wanted);
    if (bits < least_bits_sent) return std::nullopt;
    deflate_parameters agreed;
    answer = extension_name;
    if (offer.server_no_takeover || with.no_context_takeover) {
        agreed.server_no_context_takeover = true;
        answer += "; server_no_context_takeover";
    }
    if (offer.client_no_takeover || with.peer_no_context_takeover) {
        agreed.client_no_context_takeover = true;
        answer += "; client_no_context_takeover";
    }
    agreed.server_window_bits = static_cast<std::uint8_t>(bits);
    // Said only if it was asked for, or is less than what holds otherwise.
    if (offer.has_server_bits || bits < 15) answer += "; server_max_window_bits=" + std::to_string(bits);
    if (offer.has_client_bits && offer.client_bits != 0) {
        agreed.client_window_bits = static_cast<std::uint8_t>(offer.client_bits);
        answer += "; client_max_window_bits=" + std::to_string(offer.client_bits);
    }
    return agreed;
}

}  // namespace

std::optional<deflate_parameters> choose_deflate(std::string_view offers, const deflate_options& with,
                                                 std::string& answer) {
    answer.clear();
    if (!with.enabled || !deflate_available()) return std::nullopt;
    while (!offers.empty()) {
        element offer;
        if (!parse_element(take_until(offers, ','), offer)) continue;
        if (auto agreed = accept_offer(offer, with, answer)) return agreed;
    }
    return std::nullopt;
}

std::string offer_deflate(const deflate_options& with) {
    std::string offer(extension_name);
    offer += "; client_max_window_bits";
    const int bits = std::clamp(with.window_bits, least_bits_sent, 15);
    if (bits < 15) offer += "=" + std::to_string(bits);
    if (with.no_context_takeover) offer += "; client_no_context_takeover";
    if (with.peer_no_context_takeover) offer += "; server_no_context_takeover";
    return offer;
}

std::optional<deflate_parameters> check_deflate_answer(std::string_view answer, const deflate_options& with) {
    element agreed;
    const std::string_view one = take_until(answer, ',');
    if (!answer.empty() || !parse_element(one, agreed)) return std::nullopt;
    const int wanted = std::clamp(with.window_bits, least_bits_sent, 15);
    if (agreed.has_client_bits && agreed.client_bits < least_bits_sent) return std::nullopt;
    if (with.peer_no_context_takeover && !agreed.server_no_takeover) return std::nullopt;
    deflate_parameters parameters;
    parameters.server_no_context_takeover = agreed.server_no_takeover;
    parameters.client_no_context_takeover = agreed.client_no_takeover || with.no_context_takeover;
    parameters.server_window_bits = static_cast<std::uint8_t>(agreed.server_bits);
    parameters.client_window_bits = static_cast<std::uint8_t>(std::min(wanted, agreed.client_bits));
    return parameters;
}

}  // namespace naru::websocket
