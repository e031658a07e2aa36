// A WebSocket out of a connection, without an HTTP server: reads the head, makes the handshake.
#pragma once

#include <naru/http/h1/parse.hpp>
#include <naru/http/websocket/handshake.hpp>
#include <naru/http/websocket/peer.hpp>
#include <naru/stream/tcp_stream.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace naru::testing {

inline websocket::handshake_fields fields_of(std::string_view head) {
    websocket::handshake_fields fields;
    std::size_t line = head.find("\r\n");
    while (line != std::string_view::npos) {
        const std::size_t begin = line + 2;
        line = head.find("\r\n", begin);
        const std::string_view text = head.substr(begin, line - begin);
        const std::size_t colon = text.find(':');
        if (colon != std::string_view::npos)
            fields.add(text.substr(0, colon), http::trimmed(text.substr(colon + 1)));
    }
    return fields;
}

/// No peer if the client asked for something else, or has gone; it has its answer then.
inline task<websocket::peer> accept_websocket(tcp_stream stream,
                                              std::shared_ptr<const websocket::options> with) {
    std::string input;
    http::request_parser parser;
    for (;;) {
        auto came = co_await stream.receive();
        if (!came) co_return websocket::peer();
        input += came->text();
        came->reset();
        const http::parse_status status = parser.parse(input);
        if (status == http::parse_status::need_more) continue;
        if (status == http::parse_status::refused) {
            const std::string answer =
                "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            (void)co_await stream.send(answer);
            co_return websocket::peer();
        }
        break;
    }
    const std::string_view head = std::string_view(input).substr(0, parser.head().size);
    const auto accepted = websocket::accept_request(parser.head().method == http::method::get,
                                                    parser.head().minor_version >= 1, fields_of(head), *with);
    if (!accepted) {
        const std::string answer = "HTTP/1.1 " + std::to_string(accepted.error().status) + " Refused\r\n" +
                                   websocket::upgrade_lines(accepted.error().fields) +
                                   "Content-Length: 0\r\n\r\n";
        (void)co_await stream.send(answer);
        (void)stream.shutdown_send();
        co_return websocket::peer();
    }
    const std::string answer =
        "HTTP/1.1 101 Switching Protocols\r\n" + websocket::upgrade_lines(accepted->fields) + "\r\n";
    if (!co_await stream.send(answer)) co_return websocket::peer();
    co_return websocket::peer(std::move(stream), std::string_view(input).substr(parser.head().size),
                              websocket::role::server, std::move(with), *accepted);
}

inline constexpr auto echo_messages = [](websocket::peer peer) -> task<> {
    while (auto message = co_await peer.receive()) {
        if (!co_await peer.send(*message)) break;
    }
};

}  // namespace naru::testing
