#include <load/request.hpp>

#include <load/limits.hpp>
#include <load/target.hpp>
#include <naru/os/os_sockets.hpp>
#include <naru/os/socket.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <fmt/format.h>

namespace naru::load {

namespace {

std::unexpected<std::string> words(std::string text) { return std::unexpected(std::move(text)); }

bool is_token(std::string_view text) {
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char byte) {
        return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
               others.find(byte) != std::string_view::npos;
    });
}

bool starts_ignoring_case(std::string_view text, std::string_view lower) {
    return text.size() >= lower.size() &&
           std::equal(lower.begin(), lower.end(), text.begin(), [](char want, char byte) {
               return want == (byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
           });
}

or_words<std::uint16_t> parse_port(std::string_view digits, std::string_view whole) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size() || port == 0)
        return words(fmt::format("\"{}\" has no port from 1 to 65535 in it: {}", whole, digits));
    return port;
}

}  // namespace

or_words<url> parse_url(std::string_view text) {
    const std::string_view whole = text;
    const bool secure = starts_ignoring_case(text, "https://");
    if (!secure && !starts_ignoring_case(text, "http://"))
        return words(fmt::format("\"{}\" is not a URL: it must begin with http:// or https://", whole));
    text.remove_prefix(secure ? 8 : 7);
    text = text.substr(0, text.find('#'));
    for (const char byte : text) {
        if (static_cast<unsigned char>(byte) <= ' ' || static_cast<unsigned char>(byte) >= 0x7f)
            return words(fmt::format("\"{}\" has a character in it that must be written as %XX", whole));
    }
    const std::size_t end = text.find_first_of("/?");
    std::string_view authority = text.substr(0, end);
    url made;
    made.secure = secure;
    made.port = secure ? 443 : 80;
    if (end != std::string_view::npos) made.target = text.substr(end);
    if (made.target.front() == '?') made.target.insert(0, 1, '/');
    if (authority.find('@') != std::string_view::npos)
        return words("user names in URLs are not supported: use --header \"Authorization: ...\"");
    std::string_view port;
    if (authority.starts_with('[')) {
        const std::size_t close = authority.find(']');
        if (close == std::string_view::npos) return words(fmt::format("\"{}\" has a [ without its ]", whole));
        made.host = authority.substr(1, close - 1);
        port = authority.substr(close + 1);
        if (!port.empty() && port.front() != ':')
            return words(fmt::format("\"{}\" has something behind its ] that is no port", whole));
    } else {
        const std::size_t colon = authority.find(':');
        made.host = authority.substr(0, colon);
        if (colon != std::string_view::npos) port = authority.substr(colon);
    }
    if (made.host.empty()) return words(fmt::format("\"{}\" has no host in it", whole));
    if (port.size() > 1) {
        const auto number = parse_port(port.substr(1), whole);
        if (!number) return words(number.error());
        made.port = *number;
    }
    const bool six = made.host.find(':') != std::string::npos;
    made.authority = six ? "[" + made.host + "]" : made.host;
    if (made.port != (secure ? 443 : 80)) made.authority += fmt::format(":{}", made.port);
    return made;
}

or_words<std::vector<address>> resolve(const url& where) {
    start_sockets();
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found);
    if (error != 0) return words(fmt::format("cannot find the host {}: {}", where.host, gai_strerror(error)));
    std::vector<address> addresses;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        char text[INET6_ADDRSTRLEN] = {};
        const auto size = static_cast<socklen_t>(each->ai_addrlen);
        if (getnameinfo(each->ai_addr, size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
        const std::string host = each->ai_family == AF_INET6 ? fmt::format("[{}]", text) : std::string(text);
        const auto parsed = address::parse(fmt::format("{}:{}", host, where.port));
        if (parsed) addresses.push_back(*parsed);
    }
    freeaddrinfo(found);
    if (addresses.empty()) return words(fmt::format("the host {} has no usable address", where.host));
    return addresses;
}

or_words<std::string> build_request(const url& where, const request_settings& settings) {
    if (!is_token(settings.method))
        return words(fmt::format("--method \"{}\" is not a method", settings.method));
    if (settings.method == "CONNECT") return words("--method CONNECT is not supported");
    std::string fields;
    bool has_host = false;
    for (const std::string& each : settings.headers) {
        const std::size_t colon = each.find(':');
        if (colon == std::string::npos || !is_token(std::string_view(each).substr(0, colon)))
            return words(fmt::format("--header \"{}\": want NAME: VALUE", each));
        for (const char byte : each) {
            if ((static_cast<unsigned char>(byte) < 0x20 && byte != '\t') || byte == 0x7f)
                return words("--header: a header must not have control characters in it");
        }
        for (const std::string_view ours : {"content-length:", "transfer-encoding:", "connection:"}) {
            if (starts_ignoring_case(each, ours)) {
                return words(fmt::format(
                    "--header \"{}\": this one is naru's to write (see --body and --close)", each));
            }
        }
        has_host = has_host || starts_ignoring_case(each, "host:");
        fields += each + "\r\n";
    }
    std::string text = fmt::format("{} {} HTTP/1.1\r\n", settings.method, where.target);
    if (!has_host) text += fmt::format("Host: {}\r\n", where.authority);
    text += fields;
    if (settings.close) text += "Connection: close\r\n";
    const bool wants_body =
        settings.method == "POST" || settings.method == "PUT" || settings.method == "PATCH";
    if (settings.body || wants_body)
        text += fmt::format("Content-Length: {}\r\n", settings.body ? settings.body->size() : 0);
    text += "\r\n";
    if (settings.body) text += *settings.body;
    return text;
}

namespace {

or_words<address> parse_source(std::string_view text, const address& target) {
    const bool six = text.find(':') != std::string_view::npos;
    const auto parsed = address::parse(six ? fmt::format("[{}]:0", text) : fmt::format("{}:0", text));
    if (!parsed || text.empty())
        return words(fmt::format("--source {}: want addresses, as in 127.0.0.2-127.0.0.9", text));
    if (parsed->family() != target.family())
        return words(fmt::format("--source {}: the target has an address of another family", text));
    const auto trial = stream_socket_for(*parsed);
    const int error = trial ? bind_source(trial->get(), *parsed) : 0;
    if (error == EADDRNOTAVAIL)
        return words(fmt::format("--source {}: this machine does not have this address", text));
    if (error != 0) return words(fmt::format("--source {}: {}", text, errno_category().message(error)));
    return *parsed;
}

std::optional<std::uint32_t> to_number(std::string_view text) {
    in_addr four{};
    if (inet_pton(AF_INET, std::string(text).c_str(), &four) != 1) return std::nullopt;
    return ntohl(four.s_addr);
}

std::string to_text(std::uint32_t number) {
    return fmt::format("{}.{}.{}.{}", number >> 24, (number >> 16) & 255, (number >> 8) & 255, number & 255);
}

}  // namespace

or_words<std::vector<address>> parse_sources(std::string_view text, const address& target) {
    std::vector<address> made;
    while (true) {
        const std::size_t comma = text.find(',');
        const std::string_view item = text.substr(0, comma);
        const std::size_t dash = item.find('-');
        std::vector<std::string> names;
        if (dash == std::string_view::npos) {
            names.emplace_back(item);
        } else {
            const auto first = to_number(item.substr(0, dash));
            const auto last = to_number(item.substr(dash + 1));
            if (!first || !last || *last < *first || *last - *first >= limits::source_addresses)
                return words(fmt::format("--source {}: want a range as in 127.0.0.2-127.0.0.9", item));
            for (std::uint32_t each = *first; each <= *last; ++each)
                names.push_back(to_text(each));
        }
        for (const std::string& each : names) {
            const auto parsed = parse_source(each, target);
            if (!parsed) return words(parsed.error());
            made.push_back(*parsed);
        }
        if (made.size() > limits::source_addresses)
            return words(fmt::format("--source: more than {} addresses", limits::source_addresses));
        if (comma == std::string_view::npos) return made;
        text.remove_prefix(comma + 1);
    }
}

std::vector<address> loopback_sources(std::uint64_t connections) {
    std::vector<address> made;
    const std::uint64_t wanted = (connections + connections_per_source - 1) / connections_per_source;
    for (std::uint32_t each = 0; each < wanted; ++each) {
        if (const auto parsed = address::parse(to_text(0x7f000002 + each) + ":0")) made.push_back(*parsed);
    }
    return made;
}

}  // namespace naru::load
