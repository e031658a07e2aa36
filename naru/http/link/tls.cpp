// TLS before a connection's socket: a layer of the loop's, so that the connection is the same with it.
#include <naru/http/server/worker.hpp>

#include <naru/stream/tls/tls_layer.hpp>

#include <new>

namespace naru::http {

/// Of one worker.
struct tls_service {
    tls_service(loop& on, worker_pool& workers) noexcept : handshakes(on, &workers) {}
    tls_handshakes handshakes;
};

void worker::tls_end::operator()(tls_service* each) const noexcept { delete each; }

naru::result<handle> worker::begin_tls(handle accepted, const tls_credentials& by) noexcept {
    if (!tls_) {
        tls_.reset(new (std::nothrow) tls_service(loop_, threads_.handshakes));
        if (!tls_) return fail_errno(ENOMEM);
    }
    return tls_layer::accept(loop_, accepted, by.current(), tls_->handshakes);
}

void worker::measure_handshakes(server_metrics& into) const noexcept {
    if (!tls_) return;
    const tls_handshakes& of = tls_->handshakes;
    into.handshakes = of.under_way();
    into.handshakes_done = of.done();
    into.handshakes_resumed = of.resumed();
    into.handshakes_failed = of.failed();
}

bool connection::is_secure() const noexcept { return worker_.loop_.layer_of(socket()) != nullptr; }

/// What is being sent says how much of it has gone.
void connection::show_progress() const noexcept {
    if (tls_layer* const tls = tls_layer::find(worker_.loop_, socket())) tls->show_progress();
}

std::string_view connection::negotiated_protocol() const noexcept {
    const tls_layer* const tls = tls_layer::find(worker_.loop_, socket());
    return tls != nullptr && tls->established() ? tls->engine().protocol() : std::string_view();
}

/// Whether the request is for a host whose clients are asked for other certificates than the handshake was
/// (RFC 9110, section 15.5.20).
bool connection::is_misdirected(std::string_view authority) const noexcept try {
    const tls_layer* const tls = tls_layer::find(worker_.loop_, socket());
    if (tls == nullptr || !tls->context().has_host_policies()) return false;
    const std::size_t colon = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0);
    return tls->context().policy_of(authority.substr(0, colon)) !=
           tls->context().policy_of(tls->engine().server_name());
} catch (const std::bad_alloc&) {
    return true;
}

bool connection::is_shaking_hands() const noexcept {
    const tls_layer* const tls = tls_layer::find(worker_.loop_, socket());
    return tls != nullptr && !tls->established();
}

std::string_view connection::tls_version() const noexcept {
    const tls_layer* const tls = tls_layer::find(worker_.loop_, socket());
    return tls != nullptr && tls->established() ? tls->engine().version() : std::string_view();
}

std::string_view connection::negotiated_name() const noexcept {
    const tls_layer* const tls = tls_layer::find(worker_.loop_, socket());
    return tls != nullptr && tls->established() ? tls->engine().server_name() : std::string_view();
}

}  // namespace naru::http
