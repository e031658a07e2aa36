// Listening in the UNIX domain, on every engine.
#include "fixture.hpp"

#include <naru/http/http.hpp>
#include <naru/os/unix_socket.hpp>

#include <sys/socket.h>
#include <sys/stat.h>

namespace naru::testing {
namespace {

class local_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        path_ = (files_.path() / "naru.sock").string();
        options_.listen = {{"unix:" + path_}};
    }
    static client connect_at(std::string_view where) {
        const unix_address at = unix_address::parse(where).value();
        unique_descriptor socket = unix_stream_socket().value();
        if (::connect(socket.get(), static_cast<const sockaddr*>(at.data()), at.size()) != 0)
            throw std::system_error(errno, std::generic_category(), "connect");
        return client(std::move(socket));
    }
    bool is_there() const {
        struct stat about{};
        return ::lstat(path_.c_str(), &about) == 0;
    }
    std::string refusal() {
        try {
            start();
            return "";
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    }
    std::string path_;
};
NARU_ON_EVERY_ENGINE(local_test);

TEST_P(local_test, serves_and_is_removed_at_the_end) {
    files_.write("large.bin", pattern(400'000, 3));
    options_.access_log = (files_.path() / "access.log").string();
    options_.listen.front().mode = 0600;
    start();
    ASSERT_NE(server_->local_endpoints().front().local(), nullptr);
    EXPECT_EQ(server_->local_endpoints().front().text(), path_);
    struct stat about{};
    ASSERT_EQ(::stat(path_.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u);
    client one = connect_at(path_);
    EXPECT_EQ(one.ask(get("/hello.txt")).body, hello);
    EXPECT_TRUE(one.ask(get("/large.bin")).body == pattern(400'000, 3));
    stop();
    EXPECT_FALSE(is_there());
    std::ifstream log(*options_.access_log);
    std::string line;
    ASSERT_TRUE(std::getline(log, line));
    EXPECT_TRUE(line.starts_with("- - - [")) << line;
}

TEST_P(local_test, beside_tcp_and_by_several_loops) {
    options_.threads = 3;
    options_.listen = {{"unix:" + path_}, {"127.0.0.1:0"}};
    start();
    EXPECT_EQ(client(server_->addresses()[1]).ask(get("/hello.txt")).body, hello);
    for (int each = 0; each < 12; ++each)
        EXPECT_EQ(connect_at(path_).ask(get("/hello.txt")).body, hello);
    stop();
    EXPECT_FALSE(is_there());
}

TEST_P(local_test, one_listener_for_several_loops) {
    options_.threads = 2;
    options_.shared_listener = true;
    start();
    for (int each = 0; each < 6; ++each)
        EXPECT_EQ(connect_at(path_).ask(get("/hello.txt")).body, hello);
}

#if defined(__linux__)
TEST_P(local_test, an_abstract_name) {
    const std::string name = "@naru-test-" + files_.path().filename().string();
    options_.listen = {{"unix:" + name}};
    start();
    EXPECT_EQ(connect_at(name).ask(get("/hello.txt")).body, hello);
    EXPECT_EQ(server_->local_endpoints().front().text(), name);
}
#endif

TEST_P(local_test, what_a_dead_server_has_left_is_replaced) {
    auto dead = listen_on(unix_address::path(path_).value());
    ASSERT_TRUE(dead);
    EXPECT_NE(refusal().find("another server listens there"), std::string::npos) << "it is not dead yet";
    EXPECT_TRUE(is_there()) << "the other's";
    dead->reset();
    start();
    EXPECT_EQ(connect_at(path_).ask(get("/hello.txt")).body, hello);
}

TEST_P(local_test, what_is_no_socket_is_left_alone) {
    files_.write("naru.sock", "a file");
    EXPECT_NE(refusal().find("cannot listen on unix:" + path_), std::string::npos);
    EXPECT_TRUE(is_there());
    options_.listen = {{"unix:" + (files_.path() / "none" / "naru.sock").string()}};
    EXPECT_NE(refusal().find("there is no such directory"), std::string::npos);
    EXPECT_THROW(http::endpoint_address("unix:"), std::invalid_argument);
    EXPECT_THROW(http::endpoint_address("unix:" + std::string(200, 'a')), std::invalid_argument);
}

TEST_P(local_test, a_server_that_cannot_start_leaves_nothing) {
    options_.listen = {{"unix:" + path_}, {"192.0.2.1:0"}};
    EXPECT_NE(refusal(), "");
    EXPECT_FALSE(is_there());
}

TEST_P(local_test, another_ones_file_in_its_place_stays) {
    start();
    std::filesystem::remove(path_);
    const auto other = listen_on(unix_address::path(path_).value());
    ASSERT_TRUE(other);
    stop();
    EXPECT_TRUE(is_there());
}

TEST_P(local_test, a_proxy_there_is_trusted_by_its_own_name) {
    http::site site;
    site.get("/facts", [](http::exchange& x) noexcept {
        const auto client = x.client();
        x.respond(200, "text/plain", client ? client->host_text() : "nobody");
    });
    const std::string_view from[] = {"unix"};
    options_.trusted_proxies = std::make_shared<const http::trusted_proxies>(from);
    options_.listen.push_back({"unix:" + path_ + "2"});
    options_.listen.back().proxy_protocol = true;
    start(std::move(site));
    client one = connect_at(path_);
    EXPECT_EQ(one.ask(get("/facts", "X-Forwarded-For: 192.0.2.9\r\n")).body, "192.0.2.9");
    EXPECT_EQ(one.ask(get("/facts")).body, "nobody");
    EXPECT_EQ(connect_at(path_ + "2").ask("PROXY TCP4 192.0.2.1 1.1.1.1 1 1\r\n" + get("/facts")).body,
              "192.0.2.1");
}

}  // namespace
}  // namespace naru::testing
