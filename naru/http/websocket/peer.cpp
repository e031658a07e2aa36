#include <naru/http/websocket/peer.hpp>

namespace naru::websocket::detail {

task<> end_of(connection& attended, bool thrown) {
    const bool stopped = (co_await current_scope())->stopped();
    const std::uint16_t code = thrown    ? close_code::internal_error
                               : stopped ? close_code::going_away
                                         : close_code::normal;
    close_websocket_request close(attended, code, std::string());
    (void)co_await shielded(attended.settings().close_timeout, std::move(close));
    attended.finish({ECANCELED, errno_category()});
}

}  // namespace naru::websocket::detail
