// There is no nghttp2 for the Windows build, and no TLS that would choose HTTP/2.
#include <naru/http/client/http2_link.hpp>
#include <naru/http/client/http2_stream.hpp>

#include <naru/core/check.hpp>

#include <cerrno>

namespace naru::http {

http2_link& http2_link::make(tcp_stream /*over*/, const address& /*peer*/, duration /*idle_time*/,
                             void* /*owner*/, ended_function /*on_end*/) {
    fatal("bug: HTTP/2 was chosen where there is none");
}
void http2_link::retire() noexcept {}

result<handle> http2_stream::open(http2_link& /*on*/) noexcept { return fail_errno(ENOTSUP); }
http2_stream* http2_stream::find(loop& /*on*/, handle /*of*/) noexcept { return nullptr; }
std::string words_of(const http2_stream& /*ended*/, std::error_code /*end*/) { return {}; }

}  // namespace naru::http
