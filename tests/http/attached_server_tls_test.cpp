// A server that is attached to a loop of the test's, over TLS: by HTTP/1.1 and by HTTP/2, on every engine, to
// clients on the same loop.
#include "attached_fixture.hpp"

#include <naru/coro/group.hpp>
#include <naru/coro/run.hpp>
#include <naru/coro/sync.hpp>

#include <tls/pair.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace naru::testing {
namespace {

using http::attached_server;
using http::exchange;

class AttachedServerTls : public attached_fixture {
 protected:
    void SetUp() override {
        attached_fixture::SetUp();
        credentials_ = std::make_shared<http::tls_credentials>(
            server_context([](tls_server_options& change) { change.protocols = {"h2", "http/1.1"}; }));
    }

    http::site site() {
        http::site made;
        made.get("/how",
                 [](exchange& x) noexcept {
                     x.respond(200, "text/plain",
                               std::string(x.is_secure() ? "TLS, " : "clear, ") +
                                   (x.is_http2() ? "HTTP/2" : "HTTP/1.1"));
                 })
            .post("/back",
                  [](exchange& x) -> task<> {
                      auto body = co_await x.read_all();
                      if (body) x.respond(200, "text/plain", std::move(*body));
                  })
            .get("/wait", [this](exchange& x) -> task<> {
                begun_.set();
                const auto waited = co_await go_on_.wait();
                if (waited) x.respond(200, "text/plain", "at last");
            });
        return made;
    }
    std::unique_ptr<attached_server> make() {
        return std::make_unique<attached_server>(
            *loop_, site(),
            std::vector<http::endpoint>{{.listen = "127.0.0.1:0", .tls = credentials_},
                                        {.listen = "127.0.0.1:0"}},
            options_);
    }
    static http::client_options client_options(bool http2) {
        http::client_options made;
        made.http2 = http2;
        made.tls.ca_file = common_authority().root_file();
        return made;
    }
    static std::string url(const attached_server& of, std::string_view path) {
        return "https://" + of.addresses()[0].text() + std::string(path);
    }
    static std::string over_tls(bool http2) { return http2 ? "200 TLS, HTTP/2" : "200 TLS, HTTP/1.1"; }
    static task<> note(task<std::string> what, std::string& into) { into = co_await std::move(what); }

    async_event begun_;
    async_event go_on_;
    std::shared_ptr<http::tls_credentials> credentials_;
};
NARU_ON_EVERY_ENGINE(AttachedServerTls);

TEST_P(AttachedServerTls, ServesBothProtocolsBesideItsClients) {
    auto server = make();
    EXPECT_TRUE(server->is_secure(0));
    EXPECT_FALSE(server->is_secure(1));
    const std::string large = pattern(700'000);
    auto body = [&]() -> task<> {
        for (const bool http2 : {true, false}) {
            http::client client(*loop_, client_options(http2));
            const std::string clear = "http://" + server->addresses()[1].text() + "/how";
            EXPECT_EQ(co_await text_of(client, url(*server, "/how")), over_tls(http2));
            EXPECT_EQ(co_await text_of(client, clear), "200 clear, HTTP/1.1");
            std::vector<std::string> got(30);
            auto asking = [&](task_group& all) -> task<> {
                for (std::string& each : got)
                    all.spawn(note(text_of(client, url(*server, "/how")), each));
                co_return;
            };
            (void)co_await with_group(asking);
            for (const std::string& each : got)
                EXPECT_EQ(each, over_tls(http2));
            auto answer = co_await client.post(url(*server, "/back"), large, "text/plain");
            EXPECT_TRUE(answer.has_value()) << answer.error().text();
            if (!answer) co_return;
            auto back = co_await answer->text();
            EXPECT_TRUE(back && *back == large);
            EXPECT_TRUE(!http2 || client.open_connections() == 2) << "one for each port";
            EXPECT_EQ(server->metrics().http2_connections, 1u);
        }
        co_await server->drained();
    };
    run(*loop_, body());
    EXPECT_TRUE(server->has_ended());
}

// A client by each protocol has a request under way, and a connection that it keeps.
TEST_P(AttachedServerTls, DrainsBehindRequestsAndStopsThem) {
    for (const bool drains : {true, false}) {
        auto server = make();
        begun_.reset();
        go_on_.reset();
        auto body = [&]() -> task<> {
            for (const bool http2 : {true, false}) {
                http::client client(*loop_, client_options(http2));
                EXPECT_EQ(co_await text_of(client, url(*server, "/how")), over_tls(http2));
                std::string got;
                auto both = [&](task_group& all) -> task<> {
                    all.spawn(note(text_of(client, url(*server, "/wait")), got));
                    (void)co_await begun_.wait();
                    if (drains) {
                        server->drain();
                        go_on_.set();
                        co_await server->drained();
                    } else {
                        co_await server->stopped();
                    }
                };
                (void)co_await with_group(both);
                EXPECT_TRUE(drains ? got == "200 at last" : got.starts_with("no answer: ")) << got;
                begun_.reset();
                go_on_.reset();
                server = make();
            }
        };
        run(*loop_, body());
        server.reset();
    }
}

// Its client, which keeps a connection, ends behind it, and the loop behind both.
TEST_P(AttachedServerTls, EndsBeneathConnectionsThatAreKept) {
    for (const bool http2 : {true, false}) {
        auto server = make();
        auto client = std::make_unique<http::client>(*loop_, client_options(http2));
        EXPECT_EQ(run(*loop_, text_of(*client, url(*server, "/how"))), over_tls(http2));
        server.reset();
        client.reset();
    }
    loop_.reset();
}

}  // namespace
}  // namespace naru::testing
