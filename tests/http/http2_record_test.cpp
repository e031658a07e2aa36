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
