// The opening handshake (RFC 6455, section 4) as functions over fields: no socket, no server.
#pragma once

#include <naru/http/websocket/deflate.hpp>
#include <naru/http/websocket/options.hpp>

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace naru::websocket {

/// SHA-1 (RFC 3174), which the handshake is made with. Not for anything that has to be secret or safe.
std::array<std::byte, 20> sha1(bytes_view message) noexcept;
std::string base64(bytes_view bytes);

/// The value of Sec-WebSocket-Accept for one of Sec-WebSocket-Key.
std::string accept_value(std::string_view key);
/// Whether a Sec-WebSocket-Key is what it has to be: 16 bytes in base64.
bool is_key(std::string_view key) noexcept;

/// The fields of a head that the handshake looks at. What is repeated is joined, as lists are.
struct handshake_fields {
    std::string upgrade;
    std::string connection;
    std::string key;      ///< Sec-WebSocket-Key
    std::string version;  ///< Sec-WebSocket-Version
    std::string protocols;
    std::string extensions;
    std::string accept;  ///< Sec-WebSocket-Accept
    std::string origin;
    bool by_stream = false;  ///< of HTTP/2: there is neither key nor accept (RFC 8441, section 5)

    /// Takes any field of a head, in any spelling of its name; others than these are passed over.
    void add(std::string_view name, std::string_view value);
};

/// What both sides go by from then on.
struct agreement {
    std::string protocol;  ///< the subprotocol; empty: none
    std::optional<deflate_parameters> deflate;
};

/// Of an answer's head.
struct answer_field {
    std::string_view name;
    std::string value;
};

/// A handshake that a server accepts.
struct acceptance : agreement {
    std::vector<answer_field> fields;  ///< of the 101 answer, but for Upgrade and Connection
};

/// Why not: what to answer with. An answer with 426 has `Upgrade: websocket` and `Connection: Upgrade`, too.
struct refusal {
    std::uint16_t status = 400;
    const char* reason = "";
    std::vector<answer_field> fields;
};

/// The fields as lines of a head, with `Upgrade: websocket` and `Connection: Upgrade` in front.
std::string upgrade_lines(const std::vector<answer_field>& fields);

/// A server's side. `get` says whether the method is GET, `http_1_1` whether the version is at least 1.1.
/// Host is the HTTP parser's business. 400 for what is no handshake, 426 for another version or none at all,
/// 403 for an origin that may not.
std::expected<acceptance, refusal> accept_request(bool get, bool http_1_1, const handshake_fields& fields,
                                                  const options& with);

/// A client's side.
struct client_request {
    std::string head;  ///< to be sent
    std::string key;
};
/// `host` is the Host field's value. `key_bytes` are 16 random ones.
client_request make_request(std::string_view host, std::string_view target, const options& with,
                            const std::array<std::byte, 16>& key_bytes);
/// What a server's 101 answer has agreed to; or a sentence that says what is wrong with it.
std::expected<agreement, const char*> check_answer(std::string_view key, const handshake_fields& fields,
                                                   const options& with);

}  // namespace naru::websocket
