#include <naru/http/message/fields.hpp>
#include <naru/http/websocket/handshake.hpp>

#include <algorithm>
#include <bit>
#include <cstring>

namespace naru::websocket {
namespace {

using http::equals_lower;
using http::for_each_element;
using http::list_has;

constexpr std::string_view identifier = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, section 1.3
constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void one_block(std::array<std::uint32_t, 5>& hash, const std::byte* block) noexcept {
    std::array<std::uint32_t, 80> words;
    for (std::size_t index = 0; index < 16; ++index) {
        words[index] = 0;
        for (std::size_t byte = 0; byte < 4; ++byte)
            words[index] = words[index] << 8 | std::to_integer<std::uint32_t>(block[index * 4 + byte]);
    }
    for (std::size_t index = 16; index < words.size(); ++index)
        words[index] =
            std::rotl(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1);
    auto [a, b, c, d, e] = hash;
    for (std::size_t index = 0; index < words.size(); ++index) {
        std::uint32_t mixed = 0;
        if (index < 20) {
            mixed = ((b & c) | (~b & d)) + 0x5a827999u;
        } else if (index < 40) {
            mixed = (b ^ c ^ d) + 0x6ed9eba1u;
        } else if (index < 60) {
            mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcu;
        } else {
            mixed = (b ^ c ^ d) + 0xca62c1d6u;
        }
        const std::uint32_t next = std::rotl(a, 5) + mixed + e + words[index];
        e = d;
        d = c;
        c = std::rotl(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

void join(std::string& list, std::string_view value) {
    if (!list.empty()) list += ", ";
    list += value;
}

refusal refuse(std::uint16_t status, const char* reason) { return {status, reason, {}}; }

/// The first of ours that the client offers.
std::string choose_protocol(std::string_view offered, const options& with) {
    for (const std::string& ours : with.protocols) {
        bool found = false;
        for_each_element(offered, [&](std::string_view each) {
            found = each == ours;
            return !found;
        });
        if (found) return ours;
    }
    return {};
}

}  // namespace

std::array<std::byte, 20> sha1(bytes_view message) noexcept {
    std::array<std::uint32_t, 5> hash{0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};
    bytes_view rest = message;
    for (; rest.size() >= 64; rest = rest.subspan(64))
        one_block(hash, rest.data());
    std::array<std::byte, 128> last{};
    if (!rest.empty()) std::memcpy(last.data(), rest.data(), rest.size());
    last[rest.size()] = std::byte{0x80};
    const std::size_t end = rest.size() < 56 ? 64 : 128;
    const std::uint64_t bits = std::uint64_t{message.size()} * 8;
    for (std::size_t byte = 0; byte < 8; ++byte)
        last[end - 1 - byte] = static_cast<std::byte>(bits >> (byte * 8));
    one_block(hash, last.data());
    if (end == 128) one_block(hash, last.data() + 64);
    std::array<std::byte, 20> digest;
    for (std::size_t index = 0; index < digest.size(); ++index)
        digest[index] = static_cast<std::byte>(hash[index / 4] >> (24 - index % 4 * 8));
    return digest;
}

std::string base64(bytes_view bytes) {
    std::string text;
    for (std::size_t index = 0; index < bytes.size(); index += 3) {
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - index);
        std::uint32_t group = 0;
        for (std::size_t byte = 0; byte < 3; ++byte)
            group = group << 8 | (byte < count ? std::to_integer<std::uint32_t>(bytes[index + byte]) : 0);
        for (std::size_t digit = 0; digit < 4; ++digit)
            text += digit <= count ? base64_digits[group >> (18 - digit * 6) & 63u] : '=';
    }
    return text;
}

std::string accept_value(std::string_view key) {
    std::string text(key);
    text += identifier;
    return base64(sha1(as_bytes(text)));
}

bool is_key(std::string_view key) noexcept {
    return key.size() == 24 && key.ends_with("==") &&
           key.substr(0, 22).find_first_not_of(base64_digits) == std::string_view::npos;
}

void handshake_fields::add(std::string_view name, std::string_view value) {
    if (equals_lower(name, "upgrade")) join(upgrade, value);
    if (equals_lower(name, "connection")) join(connection, value);
    if (equals_lower(name, "origin")) join(origin, value);
    if (name.size() < 17 || !equals_lower(name.substr(0, 14), "sec-websocket-")) return;
    name.remove_prefix(14);
    if (equals_lower(name, "key")) join(key, value);
    if (equals_lower(name, "version")) join(version, value);
    if (equals_lower(name, "protocol")) join(protocols, value);
    if (equals_lower(name, "extensions")) join(extensions, value);
    if (equals_lower(name, "accept")) join(accept, value);
}

std::expected<acceptance, refusal> accept_request(bool get, bool http_1_1, const handshake_fields& fields,
                                                  const options& with) {
    const auto no = [](refusal why) { return std::unexpected(std::move(why)); };
    if (!list_has(fields.upgrade, "websocket")) return no(refuse(426, "this is a WebSocket"));
    if (!get) return no(refuse(400, "a WebSocket's handshake is a GET"));
    if (!http_1_1) return no(refuse(400, "a WebSocket's handshake needs HTTP/1.1"));
    if (!list_has(fields.connection, "upgrade")) return no(refuse(400, "Connection does not say Upgrade"));
    if (fields.version != "13") {
        refusal why = refuse(fields.by_stream ? 400 : 426, "only version 13 of WebSocket is spoken here");
        why.fields.push_back({"Sec-WebSocket-Version", "13"});
        return no(std::move(why));
    }
    if (!fields.by_stream && !is_key(fields.key))
        return no(refuse(400, "Sec-WebSocket-Key is not 16 bytes in base64"));
    if (!with.origins.empty() && !fields.origin.empty() &&
        std::find(with.origins.begin(), with.origins.end(), fields.origin) == with.origins.end())
        return no(refuse(403, "this origin may not connect here"));

    acceptance yes;
    if (!fields.by_stream) yes.fields.push_back({"Sec-WebSocket-Accept", accept_value(fields.key)});
    yes.protocol = choose_protocol(fields.protocols, with);
    if (!yes.protocol.empty()) yes.fields.push_back({"Sec-WebSocket-Protocol", yes.protocol});
    std::string answer;
    yes.deflate = choose_deflate(fields.extensions, with.deflate, answer);
    if (yes.deflate) yes.fields.push_back({"Sec-WebSocket-Extensions", std::move(answer)});
    return yes;
}

std::string upgrade_lines(const std::vector<answer_field>& fields) {
    std::string lines = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    for (const answer_field& each : fields)
        lines.append(each.name).append(": ").append(each.value).append("\r\n");
    return lines;
}

client_request make_request(std::string_view host, std::string_view target, const options& with,
                            const std::array<std::byte, 16>& key_bytes) {
    client_request made;
    made.key = base64(key_bytes);
    made.head = "GET ";
    made.head += target;
    made.head += " HTTP/1.1\r\nHost: ";
    made.head += host;
    made.head +=
        "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ";
    made.head += made.key;
    made.head += "\r\n";
    std::string offered;
    for (const std::string& each : with.protocols)
        join(offered, each);
    if (!offered.empty()) made.head += "Sec-WebSocket-Protocol: " + offered + "\r\n";
    if (with.deflate.enabled && deflate_available())
        made.head += "Sec-WebSocket-Extensions: " + offer_deflate(with.deflate) + "\r\n";
    made.head += "\r\n";
    return made;
}

std::expected<agreement, const char*> check_answer(std::string_view key, const handshake_fields& fields,
                                                   const options& with) {
    const auto no = [](const char* why) { return std::unexpected(why); };
    if (!equals_lower(fields.upgrade, "websocket")) return no("the answer's Upgrade is not websocket");
    if (!list_has(fields.connection, "upgrade")) return no("the answer's Connection does not say Upgrade");
    if (fields.accept != accept_value(key)) return no("the answer's Sec-WebSocket-Accept is not this key's");
    agreement agreed;
    agreed.protocol = fields.protocols;
    if (!agreed.protocol.empty() &&
        std::find(with.protocols.begin(), with.protocols.end(), agreed.protocol) == with.protocols.end())
        return no("the server has chosen a subprotocol that was not offered");
    if (!fields.extensions.empty()) {
        if (!with.deflate.enabled || !deflate_available())
            return no("the server has chosen an extension that was not offered");
        agreed.deflate = check_deflate_answer(fields.extensions, with.deflate);
        if (!agreed.deflate)
            return no("the server's answer to the extensions is not one that the offer allows");
    }
    return agreed;
}

}  // namespace naru::websocket
