#include "sim/campaign/secure.hpp"

#include <utility>

namespace naru::campaign {

struct secrets::state {};
void secrets::prepare() {}
secrets::secrets() = default;
secrets::~secrets() = default;
std::shared_ptr<http::tls_credentials> secrets::of_server() const { return nullptr; }
std::shared_ptr<http::tls_credentials> secrets::of_proxy() const { return nullptr; }
tls_client_options secrets::of_client() const { return {}; }
const tls_context* secrets::http1() const noexcept { return nullptr; }
const tls_context* secrets::http2() const noexcept { return nullptr; }

task<result<tcp_stream>> reach(loop& on, std::string where, const tls_context* /*with*/) {
    auto connected = co_await tcp_stream::connect(on, where);
    co_return std::move(connected);
}

}  // namespace naru::campaign
