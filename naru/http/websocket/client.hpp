// A WebSocket to a server.
#pragma once

#include <naru/http/websocket/peer.hpp>
#include <naru/os/address.hpp>

#include <memory>
#include <string>

namespace naru::websocket {

/// The handshake on a connection that is there. `host` is the Host field ("example.org:8080"), `target` the
/// path with its query ("/chat?room=1"). Errors: errc::no_upgrade (another status than 101), errc::bad_answer
/// (a 101 that is not for this handshake, or an answer that is no HTTP or longer than limits::answer_bytes),
/// EINVAL for a host or target that cannot stand in a request, timed_out after options::handshake_timeout,
/// and the connection's.
task<result<peer>> shake_hands(tcp_stream stream, std::string host, std::string target,
                               std::shared_ptr<const options> with);

/// Connects (TCP, in clear text) and shakes hands, both within options::handshake_timeout. Without options:
/// the defaults. Errors: those of tcp_stream::connect and shake_hands.
task<result<peer>> connect(loop& on, address server, std::string host, std::string target,
                           std::shared_ptr<const options> with = nullptr);

/// The status of a head that ends with an empty line, and its fields. 0 if it is no HTTP/1.1 response's.
unsigned parse_answer(std::string_view head, handshake_fields& fields);

}  // namespace naru::websocket
