// TLS is left out there: no endpoint has credentials, which nobody can make.
#include <naru/http/server/worker.hpp>

namespace naru::http {

struct tls_service {};

void worker::tls_end::operator()(tls_service* each) const noexcept { delete each; }

naru::result<handle> worker::begin_tls(handle /*accepted*/, const tls_credentials& /*by*/) noexcept {
    return fail_errno(ENOTSUP);
}

void worker::measure_handshakes(server_metrics& /*into*/) const noexcept {}

bool connection::is_secure() const noexcept { return false; }
void connection::show_progress() const noexcept {}
bool connection::is_misdirected(std::string_view /*authority*/) const noexcept { return false; }
std::string_view connection::negotiated_protocol() const noexcept { return {}; }
std::string_view connection::tls_version() const noexcept { return {}; }
std::string_view connection::negotiated_name() const noexcept { return {}; }
bool connection::is_shaking_hands() const noexcept { return false; }

}  // namespace naru::http
