// The client's gzip bodies: decoded whatever pieces they come in, bounded, and never taken for whole when
// cut.
#include "client_fixture.hpp"

namespace naru::testing {
namespace {

using http::client_request;
using http::client_step;
using namespace std::string_view_literals;

constexpr std::string_view plain =
    "The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the lazy dog. The quick "
    "brown "
    "fox jumps over the lazy dog. End.";
// gzip -9n of it; of nothing; and of 10 MB of zeros, gzipped twice.
constexpr std::string_view zipped(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x0b\xc9\x48\x55\x28\x2c\xcd\x4c\xce\x56\x48\x2a"
    "\xca\x2f\xcf\x53\x48\xcb\xaf\x50\xc8\x2a\xcd\x2d\x28\x56\xc8\x2f\x4b\x2d\x52\x28\x01\x4a"
    "\xe7\x24\x56\x55\x2a\xa4\xe4\xa7\xeb\x29\x84\xd0\x4c\xb1\x6b\x5e\x8a\x1e\x00\xc7\x2a\x78"
    "\xc8\x8b\x00\x00\x00",
    71);
constexpr std::string_view zipped_nothing(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
constexpr std::string_view zipped_bomb(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xd8\xbd\x09\xc2\x40\x00\x80\xd1\x4b\xa2\x10"
    "\x2c\x74\x04\xdd\x43\x08\x56\xc1\xd2\xc6\x21\x6c\x5c\xc1\x03\x4b\x41\xac\xc4\x05\x52\x3b"
    "\x83\xb5\x03\x88\x85\x1b\x88\x1b\xf8\x77\x6b\x1c\xef\x55\xdf\x0c\xdf\x78\x57\x87\xa4\xac"
    "\x9e\x97\xa2\xf8\x47\x3c\x7c\xce\xaf\x7a\x10\x00\x00\x00\x80\xcc\xc5\xfb\xb6\x4a\x33\x20"
    "\x4c\xbe\xb7\x76\xb1\x04\x00\x00\x00\x72\xb7\x1a\x0d\xe7\xe9\x05\xf4\xde\x9b\xc7\x7e\xd6"
    "\x77\x47\x00\x72\xb3\x2e\xaf\xdd\xb4\x89\xc7\x53\xf8\x01\x6b\xc9\x47\x1c\x16\x26\x00\x00",
    132);

class ClientGzip : public client_conformance {
 protected:
    void SetUp() override {
        if (!http::gunzip::available()) GTEST_SKIP() << "this build has no zlib";
        client_conformance::SetUp();
    }
    void TearDown() override {
        if (http::gunzip::available()) client_conformance::TearDown();
    }
};
NARU_ON_EVERY_BACKEND(ClientGzip);

std::string gzip_answer(std::string_view body) { return answer_of(body, "Content-Encoding: GZip\r\n"); }

TEST_P(ClientGzip, AtEverySplit) {
    std::string answer;
    std::size_t split = 0;
    scripted_server server(loop(), [&](served& peer) -> task<> {
        while (auto request = co_await peer.request()) {
            const std::string now = answer;
            const std::size_t at = std::min(split, now.size());
            EXPECT_TRUE(request.has("Accept-Encoding: gzip\r\n"));
            if (!co_await peer.say(now.substr(0, at))) co_return;
            co_await peer.yields(2);
            if (!co_await peer.say(now.substr(at))) co_return;
        }
    });
    answer = gzip_answer(zipped);
    for (split = 1; split <= answer.size(); ++split)
        ASSERT_EQ(get(server.url()).text(), "200 " + std::string(plain)) << split;
    std::string chunks = "HTTP/1.1 200 OK\r\nContent-Encoding: x-gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const char byte : zipped)
        chunks += std::string("1\r\n") + byte + "\r\n";
    answer = chunks + "0\r\n\r\n";
    split = 1;
    EXPECT_EQ(get(server.url()).text(), "200 " + std::string(plain));
    answer = gzip_answer(std::string(zipped).append(zipped_nothing).append(zipped));  // members in a row
    EXPECT_EQ(get(server.url()).text(), "200 " + std::string(plain) + std::string(plain));
    answer = gzip_answer(zipped_nothing);
    EXPECT_EQ(get(server.url()).text(), "200 ");
    answer = gzip_answer("");
    EXPECT_EQ(get(server.url()).text(), "200 ");
    answer = answer_of("as it is", "Content-Encoding: br\r\n");
    EXPECT_EQ(get(server.url()).text(), "200 as it is");
    EXPECT_EQ(server.connections(), 1u);
}

TEST_P(ClientGzip, ThatIsCutOrNoneIsAnError) {
    std::string body;
    scripted_server server(loop(), [&](served& peer) -> task<> {
        while (co_await peer.request())
            if (!co_await peer.say(gzip_answer(body))) co_return;
    });
    const auto fails = [&](std::string_view wrong) {
        body = wrong;
        const auto got = get(server.url());
        EXPECT_TRUE(got.failed) << got.text();
        EXPECT_EQ(got.error.step, client_step::body);
        EXPECT_EQ(got.error.error, std::errc::bad_message) << got.text();
    };
    for (std::size_t size = 1; size < zipped.size(); ++size)
        fails(zipped.substr(0, size));
    fails("this is no gzip at all");
    fails(std::string(zipped) + "rubbish");
    std::string damaged(zipped);
    damaged[damaged.size() - 6] ^= 1;  // its checksum
    fails(damaged);
}

TEST_P(ClientGzip, ABombStopsAtTheLimit) {
    scripted_server server(loop(), [&](served& peer) -> task<> {
        while (co_await peer.request())
            if (!co_await peer.say(gzip_answer(zipped_bomb))) co_return;
    });
    auto look = [](http::client& of, std::string url,
                   std::size_t limit) -> task<http::client_result<std::size_t>> {
        auto answer = co_await of.get(std::move(url));
        if (!answer) co_return std::unexpected(answer.error());
        EXPECT_TRUE(answer->decoded());
        auto text = co_await answer->text(limit);
        if (!text) co_return std::unexpected(text.error());
        co_return text->size();
    };
    const auto got = run_task(loop(), look(client(), server.url(), 5000));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().error, std::errc::message_size);
    auto pieces = [](http::client& of, std::string url) -> task<std::size_t> {
        auto answer = co_await of.get(std::move(url));
        std::size_t largest = 0;
        if (!answer) co_return largest;
        auto whole =
            co_await answer->for_each([&](bytes_view piece) { largest = std::max(largest, piece.size()); });
        co_return whole ? largest : 0;
    };
    const std::size_t largest = run_task(loop(), pieces(client(), server.url()));
    EXPECT_GT(largest, 0u);
    EXPECT_LE(largest, http::limits::decoded_piece_bytes);
}

TEST_P(ClientGzip, IsLeftAloneForWhoAsksForItHimself) {
    scripted_server server(loop(), [&](served& peer) -> task<> {
        while (auto request = co_await peer.request()) {
            std::string answer = answer_of("plain");
            if (request.has("gzip")) answer = gzip_answer(zipped);
            if (!co_await peer.say(answer)) co_return;
        }
    });
    EXPECT_EQ(send(client_request("GET", server.url()).add("Accept-Encoding", "gzip")).body, zipped);
    end_client();
    options_.decompress = false;
    EXPECT_EQ(get(server.url()).body, "plain");
}

}  // namespace
}  // namespace naru::testing
