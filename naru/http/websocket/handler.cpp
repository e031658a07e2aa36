#include <naru/http/websocket/handler.hpp>

namespace naru::http::detail {

std::optional<naru::websocket::agreement> accept_websocket(exchange& x, const websocket_options& with) {
    naru::websocket::handshake_fields fields;
    fields.by_stream = x.is_http2();
    for (const auto& each : x.fields())
        fields.add(each.name, each.value);
    auto accepted = naru::websocket::accept_request(x.method() == method::get, true, fields, with);
    if (accepted) {
        for (const auto& each : accepted->fields)
            x.add(each.name, each.value);
        return std::move(*accepted);
    }
    const naru::websocket::refusal& why = accepted.error();
    for (const auto& each : why.fields)
        x.add(each.name, each.value);
    if (why.status == 426) x.add("Upgrade", "websocket");
    x.respond(why.status, "text/plain; charset=utf-8", std::string(why.reason) + "\n");
    return std::nullopt;
}

void refuse_websocket(exchange& x) noexcept {
    if (!x.answered()) x.respond(400, "text/plain; charset=utf-8", "this is no request for a WebSocket\n");
}

naru::websocket::peer peer_of(upgraded_stream&& stream, std::shared_ptr<const websocket_options> with,
                              const naru::websocket::agreement& agreed) noexcept {
    return {std::move(stream.connection()), stream.ahead(), naru::websocket::role::server, std::move(with),
            agreed};
}

}  // namespace naru::http::detail
