// What trusted proxies say of a request's client, stream by stream, on every engine.
#include "fixture.hpp"
#include "http2_client.hpp"

#include <naru/http/http.hpp>

namespace naru::testing {
namespace {

class http2_proxy_test : public http_server_test {};
NARU_ON_EVERY_ENGINE(http2_proxy_test);

TEST_P(http2_proxy_test, each_stream_has_its_own_client) {
    const std::string_view from[] = {"127.0.0.0/8"};
    options_.h2c = true;
    options_.trusted_proxies = std::make_shared<const http::trusted_proxies>(from);
    http::site site;
    site.get("/facts", [](http::exchange& x) noexcept {
        const auto client = x.client();
        x.respond(200, "text/plain",
                  (client ? client->host_text() : "nobody") + (x.is_secure() ? " secure" : " clear"));
    });
    start(std::move(site));
    http2_client one(server_->local_address(), 65'535, false);
    EXPECT_EQ(one.ask("GET", "/facts", {{"x-forwarded-for", "6.6.6.6, 192.0.2.1"}}).body, "192.0.2.1 clear");
    EXPECT_EQ(
        one.ask("GET", "/facts", {{"x-forwarded-for", "192.0.2.2"}, {"x-forwarded-proto", "https"}}).body,
        "192.0.2.2 secure");
    EXPECT_EQ(one.ask("GET", "/facts").body, "127.0.0.1 clear");
}

}  // namespace
}  // namespace naru::testing
