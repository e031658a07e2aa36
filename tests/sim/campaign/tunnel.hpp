// A WebSocket on a stream of HTTP/2 (RFC 8441), by hand, beside whatever else its connection carries.
#pragma once

#include "sim/campaign/plain_http2.hpp"
#include "sim/campaign/websocket_talk.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>

namespace naru::campaign {

class tunnel {
 public:
    /// Asks for it. `crashes`: of the server, when the connection was begun.
    tunnel(ledger& book, const errand& of, std::uint64_t crashes, plain_http2& by, dice& from);
    tunnel(const tunnel&) = delete;
    tunnel& operator=(const tunnel&) = delete;

    /// With what has come, and into what room there is.
    void advance(plain_http2& by);
    /// Its connection has ended.
    void is_cut(std::error_code why);
    bool has_ended() const { return ended_; }

 private:
    void begin(plain_http2& by);
    bool read(plain_http2& by);
    void write(plain_http2& by);
    void ends_with(unsigned code, const std::string& why);

    websocket_talk talk_;
    frames_talk frames_;
    dice from_;
    std::uint32_t stream_ = 0;
    std::string unsent_;
    bool has_begun_ = false;
    bool waits_ = false;     // with its frames until the answer has come
    bool thinks_ = false;    // better of it, in the middle
    bool closing_ = false;   // our close frame is written
    bool we_ended_ = false;  // our side of the stream
    bool ended_ = false;
};

}  // namespace naru::campaign
