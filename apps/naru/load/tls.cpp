#include <load/tls.hpp>

#include <naru/stream/tls/tls_layer.hpp>

#include <new>
#include <utility>
#include <vector>

namespace naru::load {

namespace {

constexpr std::size_t most_sessions = 4096;

}  // namespace

struct tls_beginnings::sessions {
    std::vector<tls_session> left;
};

or_words<tls_options> make_tls_options(const url& where, bool verify, const std::string& ca_file, bool resume,
                                       bool http2) {
    tls_client_options how;
    how.verify = verify;
    how.ca_file = ca_file;
    how.protocols = {http2 ? "h2" : "http/1.1"};
    auto made = tls_context::client(how);
    if (!made) return std::unexpected(made.error());
    tls_options options;
    options.context = std::move(*made);
    options.host = where.host;
    options.resume = resume;
    options.http2 = http2;
    return options;
}

result<handle> tls_beginnings::begin(loop& on, handle socket, const tls_options& with) noexcept {
    tls_session resumed;
    if (sessions_ != nullptr && !sessions_->left.empty()) {
        resumed = std::move(sessions_->left.back());
        sessions_->left.pop_back();
    }
    return tls_layer::connect(on, socket, *with.context, with.host, resumed);
}

void tls_beginnings::answered(loop& on, handle connection, const tls_options& with) noexcept try {
    if (!with.resume) return;
    const tls_layer* const layer = tls_layer::find(on, connection);
    if (layer == nullptr) return;
    if (sessions_ == nullptr) sessions_ = std::make_shared<sessions>();
    if (sessions_->left.size() >= most_sessions) return;
    if (tls_session fresh = layer->engine().session()) sessions_->left.push_back(std::move(fresh));
} catch (const std::bad_alloc&) {  // the next connection makes a whole handshake
}

const char* tls_beginnings::lacks(loop& on, handle connection, const tls_options& with) noexcept {
    const tls_layer* const layer = tls_layer::find(on, connection);
    if (!with.http2 || (layer != nullptr && layer->engine().protocol() == "h2")) return nullptr;
    return "the server does not speak HTTP/2: it has not chosen h2 (ALPN)";
}

std::string tls_beginnings::why(loop& on, handle connection) {
    const tls_layer* const layer = tls_layer::find(on, connection);
    return layer != nullptr && layer->failure() ? layer->failure().message() : std::string();
}

}  // namespace naru::load
