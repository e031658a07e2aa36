#include "sim/campaign/secure.hpp"

#include "sim/campaign/questions.hpp"
#include "tls/certificates.hpp"

#include <naru/core/check.hpp>
#include <naru/sim/sim.hpp>
#include <naru/stream/tls/tls_entropy.hpp>
#include <naru/stream/tls/tls_layer.hpp>

#include <chrono>
#include <ctime>
#include <optional>
#include <string>
#include <utility>

namespace naru::campaign {

namespace {

thread_local bool certificates_are_made = false;

/// When certificates are made: shortly before a world begins.
constexpr std::time_t time_of_certificates = 3'000'000;

/// The same in each process, since their length is seen on the wire.
struct issued {
    issued() {
        const sim::world of_a_fixed_seed;
        const tls_entropy_of_environment seeded;
        certificates_are_made = true;
        by.emplace();
        certificate.emplace(by->issue({"server", "IP:10.0.0.1"}));
        of_proxy.emplace(by->issue({"server", "IP:10.0.0.7"}));
        certificates_are_made = false;
    }
    std::optional<testing::authority> by;
    std::optional<tls_certificate> certificate;
    std::optional<tls_certificate> of_proxy;
};

const issued& certificates() {
    static const issued made;
    return made;
}

/// What time(2) is to say instead of the system's time; nothing: that.
std::optional<std::time_t> pretended_time() noexcept {
    if (certificates_are_made) return time_of_certificates;
    if (sim::world* const here = sim::world::current()) return here->unix_seconds();
    return std::nullopt;
}

}  // namespace

struct secrets::state {
    tls_entropy_of_environment entropy;
    tls_context http1;
    tls_context http2;
};

namespace {

tls_context context_for(std::string protocol) {
    tls_client_options how;
    how.ca_file = certificates().by->root_file();
    how.protocols = {std::move(protocol)};
    auto made = tls_context::client(how);
    if (!made) fatal(made.error().c_str());
    return *std::move(made);
}

}  // namespace

void secrets::prepare() { (void)certificates(); }

secrets::secrets() : state_(new state{{}, context_for("http/1.1"), context_for("h2")}) {}
secrets::~secrets() = default;

namespace {

std::shared_ptr<http::tls_credentials> credentials_of(const tls_certificate& from) {
    tls_server_options how(from);
    how.protocols = {"h2", "http/1.1"};
    auto made = tls_context::server(how);
    if (!made) fatal(made.error().c_str());
    return std::make_shared<http::tls_credentials>(*std::move(made));
}

}  // namespace

std::shared_ptr<http::tls_credentials> secrets::of_server() const {
    return credentials_of(*certificates().certificate);
}
std::shared_ptr<http::tls_credentials> secrets::of_proxy() const {
    return credentials_of(*certificates().of_proxy);
}

tls_client_options secrets::of_client() const {
    tls_client_options how;
    how.ca_file = certificates().by->root_file();
    return how;
}

const tls_context* secrets::http1() const noexcept { return &state_->http1; }
const tls_context* secrets::http2() const noexcept { return &state_->http2; }

task<result<tcp_stream>> reach(loop& on, std::string where, const tls_context* with) {
    auto connected = co_await tcp_stream::connect(on, where);
    if (!connected || with == nullptr) co_return std::move(connected);
    const auto layered = tls_layer::connect(on, connected->native(), *with, "server");
    if (!layered) co_return fail(layered.error());
    (void)connected->give_handle();
    tcp_stream secured(on, *layered);
    auto done = co_await secured.writable();
    if (done) co_return std::move(secured);
    const std::error_code why = tls_layer::find(on, *layered)->failure();
    co_return fail(why ? why : done.error());
}

}  // namespace naru::campaign

// Found by the libraries before the system's: OpenSSL writes down in sessions and tickets when they were
// made.
extern "C" std::time_t time(std::time_t* into) noexcept {
    std::time_t now = 0;
    if (const auto pretended = naru::campaign::pretended_time()) {
        now = *pretended;
    } else {
        timespec real{};
        ::clock_gettime(CLOCK_REALTIME_COARSE, &real);
        now = real.tv_sec;
    }
    if (into != nullptr) *into = now;
    return now;
}
