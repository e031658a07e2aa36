#include <naru/http/client/client_error.hpp>

#include <array>
#include <cstdio>

namespace naru::http {

namespace {

const char* doing(client_step step) noexcept {
    switch (step) {
        case client_step::request:
            return "the request";
        case client_step::resolve:
            return "looking the name up";
        case client_step::wait:
            return "waiting for a connection";
        case client_step::connect:
            return "connecting";
        case client_step::tls:
            return "the TLS handshake";
        case client_step::send:
            return "sending the request";
        case client_step::head:
            return "waiting for the answer";
        case client_step::body:
            return "reading the answer's body";
        case client_step::redirect:
            return "following a redirect";
    }
    return "";
}

}  // namespace

std::string client_error::text() const {
    std::string line = url.empty() ? std::string() : url + ": ";
    line += doing(step);
    if (!peer.empty()) line += step == client_step::connect ? " to " + peer : " (" + peer + ")";
    line += ": ";
    line += detail.empty() ? error.message() : detail;
    std::array<char, 48> span{};
    const double milliseconds = std::chrono::duration<double, std::milli>(after).count();
    std::snprintf(span.data(), span.size(), ", after %.*f ms", milliseconds < 10 ? 1 : 0, milliseconds);
    line += span.data();
    if (maybe_processed) line += "; the server may have acted on it";
    return line;
}

}  // namespace naru::http
