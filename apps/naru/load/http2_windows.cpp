// There is no nghttp2 for the Windows build.
#include <load/http2.hpp>

namespace naru::load {

or_words<http2_request> make_http2_request(std::string_view /*text*/, bool /*secure*/) {
    return std::unexpected("HTTP/2 is no part of naru on Windows");
}

http2_session::~http2_session() = default;
std::unique_ptr<http2_session> http2_session::make(const http2_request& /*request*/, unsigned /*streams*/,
                                                   listener& /*owner*/) noexcept {
    return nullptr;
}
bool http2_session::ask(unsigned /*place*/) noexcept { return false; }
void http2_session::move(unsigned /*from*/, unsigned /*to*/) noexcept {}
void http2_session::cancel(unsigned /*place*/) noexcept {}
std::string_view http2_session::output() noexcept { return {}; }
bool http2_session::take(std::string_view /*bytes*/) noexcept { return false; }
unsigned http2_session::most_streams() const noexcept { return 0; }

}  // namespace naru::load
