#include <naru/http/websocket/errors.hpp>

#include <string>

namespace naru::websocket {
namespace {

class websocket_category final : public std::error_category {
 public:
    const char* name() const noexcept override { return "websocket"; }
    std::string message(int code) const override {
        switch (static_cast<errc>(code)) {
            case errc::no_close_frame:
                return "the connection ended without a close frame";
            case errc::protocol_error:
                return "the peer has broken the WebSocket protocol";
            case errc::invalid_data:
                return "the peer has sent a text that is no UTF-8, or bad compressed data";
            case errc::message_too_big:
                return "the peer has sent a message that is longer than the limit";
            case errc::too_slow:
                return "the peer does not take what is sent to it";
            case errc::queue_full:
                return "as many bytes wait for the peer as may";
            case errc::no_upgrade:
                return "the server did not answer the handshake with 101";
            case errc::bad_answer:
                return "the server's answer to the handshake is not valid";
        }
        return "unknown";
    }
};

}  // namespace

const std::error_category& category() noexcept {
    static const websocket_category one;
    return one;
}

}  // namespace naru::websocket
