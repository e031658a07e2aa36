// A WebSocket client's side (RFC 6455) as one would write it on paper: no extension, and what a server must
// never send is malformed. Shares no code with what it checks.
#pragma once

#include "sim/campaign/questions.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace naru::campaign {

class plain_websocket {
 public:
    static std::string handshake(std::string_view target);
    /// A frame of ours, masked.
    static std::string frame(unsigned opcode, bool last, std::string_view payload, dice& from);
    static std::string close_frame(unsigned code, dice& from);

    /// The handshake was another protocol's affair.
    void begin() { status_ = 101; }
    void take(std::string_view bytes);
    /// The handshake's status, as soon as its answer has come.
    unsigned status() const { return status_; }
    struct message {
        bool is_text;
        std::string payload;
    };
    std::optional<message> next();
    /// The payloads of pongs, in their order.
    std::deque<std::string>& pongs() { return pongs_; }
    /// The code of the server's close frame: 1005 if it has none; 0: it has not come.
    unsigned close_code() const { return close_code_; }
    bool malformed() const { return malformed_; }

 private:
    bool read_head();
    bool read_frame();
    void control(unsigned opcode, std::string_view payload);

    std::string text_;
    unsigned status_ = 0;
    unsigned opcode_ = 0;  // of the message that is under way; 0: none
    std::string message_;
    std::deque<message> messages_;
    std::deque<std::string> pongs_;
    unsigned close_code_ = 0;
    bool malformed_ = false;
};

}  // namespace naru::campaign
