// Who asks: honest clients whose every answer is checked, and hostile ones.
#pragma once

#include "sim/campaign/secure.hpp"
#include "sim/campaign/service.hpp"

#include <naru/http/client/client.hpp>
#include <naru/naru.hpp>

#include <cstdint>
#include <string>

namespace naru::campaign {

/// Where and how much a client asks.
struct errand {
    loop* on;
    std::string where;  ///< "10.0.0.1:80"
    std::uint64_t seed;
    std::uint64_t requests;
    /// Nothing of the world's may harm it: it gets every answer, unless the server's host crashes.
    bool spared;
    const tls_context* tls = nullptr;  ///< for who speaks by hand; nullptr: clear text
    route by = route::direct;
    bool tunnels = false;  ///< whether there are WebSockets among what is asked for by HTTP/2
};

/// Streams made by hand: many requests at once, in pieces of any size, against the plain reader.
task<> ask_by_hand(ledger& book, errand of);
/// The same of HTTP/2: with prior knowledge, or by TLS.
task<> ask_by_http2(ledger& book, errand of);
/// naru's client, one request after another: HTTP/1.1, or over TLS what the server chooses. `scheme`: "http"
/// or "https".
task<> ask_by_client(ledger& book, http::client& by, std::string scheme, errand of);
/// Frames made by hand, cut up and mixed with pings; each message of the server's is checked.
task<> talk_by_hand(ledger& book, errand of);
/// naru's WebSocket client.
task<> talk_by_client(ledger& book, errand of);
/// Bodies whose next piece is sent when the one before has come to the other side, up and down.
task<> ask_step_by_step(ledger& book, errand of);
/// Questions in datagrams, asked again until there is an answer.
task<> ask_by_datagrams(ledger& book, errand of);
/// Everything that one should not do to a server; only that its answers are answers is checked.
task<> be_hostile(ledger& book, errand of);
/// The same with HTTP/2 or WebSocket, and with TLS.
task<> be_hostile_in_frames(ledger& book, bool http2, errand of);

/// The longest that an honest client may wait for an answer.
inline constexpr duration bound = std::chrono::seconds(60);

}  // namespace naru::campaign
