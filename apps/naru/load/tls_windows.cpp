// There is no TLS on Windows.
#include <load/tls.hpp>

namespace naru::load {

struct tls_beginnings::sessions {};

or_words<tls_options> make_tls_options(const url& /*where*/, bool /*verify*/, const std::string& /*ca_file*/,
                                       bool /*resume*/, bool /*http2*/) {
    return std::unexpected("https is no part of naru on Windows: give an http:// URL");
}

result<handle> tls_beginnings::begin(loop& /*on*/, handle /*socket*/, const tls_options& /*with*/) noexcept {
    return fail_errno(ENOTSUP);
}
void tls_beginnings::answered(loop& /*on*/, handle /*connection*/, const tls_options& /*with*/) noexcept {}
const char* tls_beginnings::lacks(loop& /*on*/, handle /*connection*/, const tls_options& /*with*/) noexcept {
    return nullptr;
}
std::string tls_beginnings::why(loop& /*on*/, handle /*connection*/) { return {}; }

}  // namespace naru::load
