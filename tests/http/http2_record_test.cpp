// What the log and the counts tell of HTTP/2, on every engine.
#include "fixture.hpp"
#include "http2_client.hpp"

#include <naru/coro/sleep.hpp>
#include <naru/http/http.hpp>

#include <latch>

namespace naru::testing {
namespace {

using http::exchange;

class http2_record_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.h2c = true;
        options_.threads = 1;
        options_.access_log = (logs_.path() / "access.log").string();
        options_.log_format = http::log_format::json;
    }
    http2_client speak() { return http2_client(server_->local_address(), 65'535, false); }
    std::vector<std::string> lines() const {
        std::ifstream file(*options_.access_log);
        std::vector<std::string> all;
        for (std::string line; std::getline(file, line);)
            all.push_back(line);
        return all;
    }
    temporary_directory logs_;
};
NARU_ON_EVERY_ENGINE(http2_record_test);

TEST_P(http2_record_test, streams_have_lines_and_are_counted) {
    files_.write("large.bin", std::string(300'000, 'l'));
    http::site site;
    site.get("/c",
             [](exchange& x) -> task<> {
                 (void)co_await x.write("abc");
                 co_await yield();
                 (void)co_await x.write("defg");
                 (void)co_await x.end();
             })
        .mount("/", http::files(files_.path().string()));
    start(std::move(site));
    http2_client one = speak();
    EXPECT_EQ(one.ask("GET", "/hello.txt", {{"user-agent", "ferry"}, {"x-request-id", "its-own"}}).body,
              hello);
    EXPECT_EQ(one.ask("GET", "/c").body, "abcdefg");
    EXPECT_EQ(one.ask("GET", "/large.bin").body.size(), 300'000u);
    ASSERT_TRUE(eventually([this] { return lines().size() == 3; }));
    const std::vector<std::string> got = lines();
    EXPECT_TRUE(got[0].contains(R"("id":"its-own","host":")")) << got[0];
    EXPECT_TRUE(got[0].contains(
        R"("request":"GET /hello.txt HTTP/2.0","route":"/","user_agent":"ferry","status":200,"bytes":14,)"))
        << got[0];
    EXPECT_TRUE(got[1].contains(R"("route":"/c","status":200,"bytes":7,)")) << got[1];
    EXPECT_TRUE(got[2].contains(R"("status":200,"bytes":300000,)")) << got[2];
    for (const std::string& each : got)
        EXPECT_FALSE(each.contains("\"cut\"")) << each;
    const http::server_metrics of = server_->metrics(20'000ms);
    EXPECT_EQ(of.http2_connections, 1u);
    EXPECT_EQ(of.http2_streams, 3u);
    EXPECT_EQ(of.protocols[2], 3u);
    EXPECT_EQ(of.open_http2, 1u);
    EXPECT_GT(of.bytes_out, 300'000u);
}

TEST_P(http2_record_test, the_host_of_a_stream_says_which_log) {
    const std::string own = (logs_.path() / "own.log").string();
    http::site site = options_.site();
    site.host("own.test").access_log(own).mount("/", http::files(options_.root));
    start(std::move(site));
    http2_client one = speak();
    const std::int32_t first = one.begin("GET", "/hello.txt", {{":authority", "own.test"}});
    EXPECT_EQ(one.ask("GET", "/hello.txt").body, hello);
    EXPECT_EQ(one.wait(first).body, hello);
    EXPECT_EQ(one.ask("GET", "/none", {{":authority", "own.test:80"}}).status, 404);
    stop();
    EXPECT_EQ(lines().size(), 1u);
    options_.access_log = own;
    EXPECT_EQ(lines().size(), 2u);
}

TEST_P(http2_record_test, a_websocket_has_its_line_when_it_ends) {
    http::site site;
    site.get("/echo", http::websocket([](http::websocket_peer peer) -> task<> {
                 while (auto message = co_await peer.receive())
                     if (!co_await peer.send(std::move(*message))) break;
             }));
    start(std::move(site));
    http2_client one = speak();
    const std::int32_t id = one.begin_tunnel("websocket", "/echo", {{"sec-websocket-version", "13"}});
    const std::string hi = std::string("\x81\x82") + std::string(4, '\0') + "hi";
    one.add_body(id, hi, false);
    ASSERT_TRUE(one.until([&] { return one.at(id).body.size() >= 4; }));
    EXPECT_EQ(one.ask("GET", "/none").status, 404);
    ASSERT_TRUE(eventually([this] { return lines().size() == 1; }));
    EXPECT_TRUE(lines()[0].contains("/none")) << lines()[0];
    const std::string close = std::string("\x88\x82") + std::string(4, '\0') + "\x03\xe8";
    one.add_body(id, close, true);
    const std::size_t sent = one.wait(id).body.size();
    ASSERT_TRUE(eventually([this] { return lines().size() == 2; }));
    const std::string counts = R"("status":200,"bytes":)" + std::to_string(sent) + R"(,"sent":)" +
                               std::to_string(sent) + R"(,"received":)" +
                               std::to_string(hi.size() + close.size()) + ",";
    EXPECT_TRUE(lines()[1].contains(R"("route":"/echo",)" + counts)) << lines()[1] << counts;
}

TEST_P(http2_record_test, a_client_that_leaves) {
    std::latch begun(1);
    http::site site;
    site.get("/wait", [&begun](exchange&) -> task<> {
        begun.count_down();
        (void)co_await sleep_for(1h);
    });
    start(std::move(site));
    {
        http2_client one = speak();
        (void)one.begin("GET", "/wait");
        EXPECT_TRUE(one.round_trip());
        begun.wait();
    }
    ASSERT_TRUE(eventually([this] { return lines().size() == 1; }));
    EXPECT_TRUE(lines()[0].contains(R"("client":"127.0.0.1")")) << lines()[0];
    EXPECT_TRUE(
        lines()[0].contains(R"("request":"GET /wait HTTP/2.0","route":"/wait","status":499,"bytes":0)"))
        << lines()[0];
    EXPECT_TRUE(lines()[0].contains(R"("cut":"the client left")")) << lines()[0];
}

}  // namespace
}  // namespace naru::testing
