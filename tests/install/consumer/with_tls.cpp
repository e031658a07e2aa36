// A certificate that is not there: OpenSSL is linked, and asked.
#include <naru/naru.hpp>
#include <naru/stream/tls/tls_stream.hpp>

#include <cstdio>

int main() {
    const auto context = naru::tls_context::server(naru::tls_server_options({"/none.pem", "/none.key"}));
    const bool works = !context;
    std::puts(works ? "tls works" : "tls does not work");
    return works ? 0 : 1;
}
