// https: a client on each backend against the server over TLS, which runs on a thread of its own.
#include "client_fixture.hpp"

#include <naru/http/server/server.hpp>

#include <tls/pair.hpp>

#include <memory>
#include <string>

namespace naru::testing {
namespace {

using http::client_step;

class ClientTls : public client_conformance {
 protected:
    void SetUp() override {
        client_conformance::SetUp();
        if (loop_ == nullptr) return;
        options_.tls.ca_file = common_authority().root_file();
        http::site site;
        site.get("/", [](http::exchange& x) noexcept { x.respond(200, "text/plain", "over TLS"); })
            .get("/large", [](http::exchange& x) noexcept { x.respond(200, "text/plain", pattern(300'000)); })
            .get("/close",
                 [](http::exchange& x) -> task<> {
                     (void)co_await x.write("until the end");
                     co_await until_reset(x);
                 })
            .post("/echo", [](http::exchange& x) -> task<> {
                auto body = co_await x.read_all();
                if (body) x.respond(200, "text/plain", std::move(*body));
            });
        http::server_options how;
        how.engine = engine::poll;
        how.report = [](std::string_view) {};
        credentials_ = std::make_shared<http::tls_credentials>(
            server_context([](tls_server_options& change) { change.protocols = {"http/1.1"}; }));
        server_ = std::make_unique<http::server>(
            std::move(site),
            std::vector<http::endpoint>{{.listen = "127.0.0.1:0", .tls = credentials_},
                                        {.listen = "127.0.0.1:0"}},
            std::move(how));
        server_->start();
    }
    void TearDown() override {
        end_client();
        // A connection that is still there the server would wait for.
        if (loop_ != nullptr) (void)run_until([this] { return loop().in_flight() == 0; }, 60s);
        server_.reset();
        client_conformance::TearDown();
    }
    /// A handler that leaves its answer unfinished, so that its connection is reset.
    static task<> until_reset(http::exchange&) { co_return; }

    std::string url(std::string_view target = "/", std::string_view host = "localhost",
                    std::size_t which = 0) {
        // The name is resolved to where the server is, whatever it is.
        options_.resolve = [where = server_->addresses()[which]](const std::string&, std::uint16_t) {
            return result<std::vector<address>>({where});
        };
        return "https://" + std::string(host) + ":" + std::to_string(server_->addresses()[which].port()) +
               std::string(target);
    }

    std::shared_ptr<http::tls_credentials> credentials_;
    std::unique_ptr<http::server> server_;
};
NARU_ON_EVERY_BACKEND_OF_THE_SYSTEM(ClientTls);

TEST_P(ClientTls, AsksVerifiedServers) {
    EXPECT_EQ(get(url()).text(), "200 over TLS");
    EXPECT_EQ(get(url("/", "127.0.0.1")).text(), "200 over TLS");
    EXPECT_TRUE(get(url("/large")).body == pattern(300'000));
    http::client_request post("POST", url("/echo"));
    post.body(pattern(500'000));
    EXPECT_TRUE(send(std::move(post)).body == pattern(500'000));
    EXPECT_EQ(client().open_connections(), 2u) << "one for each origin";
}

TEST_P(ClientTls, RefusesWhomItDoesNotKnow) {
    const auto other = get(url("/", "other.example"));
    ASSERT_TRUE(other.failed);
    EXPECT_EQ(other.error.step, client_step::tls);
    EXPECT_EQ(other.error.error, tls_errc::certificate_refused) << other.text();
    EXPECT_FALSE(other.error.maybe_processed);
    end_client();
    options_.tls.ca_file.clear();  // the system's roots, which do not vouch for it
    const auto unknown = get(url());
    ASSERT_TRUE(unknown.failed);
    EXPECT_EQ(unknown.error.step, client_step::tls) << unknown.text();
    end_client();
    options_.tls.verify = false;
    EXPECT_EQ(get(url("/", "other.example")).text(), "200 over TLS");
    end_client();
    options_.tls = tls_client_options();
    options_.tls.ca_file = "/none/such";
    const auto unreadable = get(url());
    EXPECT_NE(unreadable.text().find("/none/such"), std::string::npos) << unreadable.text();
}

TEST_P(ClientTls, SessionsAreResumed) {
    options_.idle_time = duration(0);  // a connection for each request
    for (int each = 0; each < 4; ++each)
        EXPECT_EQ(get(url()).text(), "200 over TLS");
    // What the server has resumed it does not tell; that a connection was begun each time it does.
    EXPECT_EQ(client().kept_connections(), 0u);
}

TEST_P(ClientTls, HalfAnAnswerIsNoAnswer) {
    const auto cut = get(url("/close"));
    ASSERT_TRUE(cut.failed) << cut.text();
    EXPECT_EQ(cut.error.step, client_step::body) << cut.text();
}

TEST_P(ClientTls, ClearTextIsNoTls) {
    const auto wrong = get(url("/", "localhost", 1));
    ASSERT_TRUE(wrong.failed);
    EXPECT_EQ(wrong.error.step, client_step::tls) << wrong.text();
    EXPECT_EQ(wrong.error.error, tls_errc::protocol) << wrong.text();
}

}  // namespace
}  // namespace naru::testing
