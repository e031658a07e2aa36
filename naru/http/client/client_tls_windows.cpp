// There is no TLS on Windows.
#include <naru/http/client/client.hpp>

#include <cerrno>

namespace naru::http {

struct client::tls_state {};

task<client_result<void>> client::secure(const request_record& record, const http::url& /*at*/,
                                         tcp_stream& /*stream*/) {
    co_return record.failure(client_step::tls, EPROTONOSUPPORT,
                             "https is not built into this client; use http");
}

std::error_code tls_failure(loop& /*on*/, handle /*connection*/) noexcept { return {}; }

bool client::chose_http2(handle /*connection*/) const noexcept { return false; }
void client::keep_session(const http::url& /*at*/, handle /*connection*/) {}

}  // namespace naru::http
