// Answers encoded in pieces, on every engine: what the client can decode while the handler still waits, files
// in them, clients that leave, and more of them than there are encoders.
#include "decode.hpp"
#include "fixture.hpp"

#include <naru/coro/deadline.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/coro/sync.hpp>
#include <naru/http/coding/encoder.hpp>
#include <naru/http/http.hpp>

#include <fcntl.h>

#include <semaphore>

namespace naru::testing {
namespace {

using http::exchange;

class encode_test : public http_server_test {
 protected:
    void SetUp() override {
        if (!http::can_encode(http::coding::gzip)) GTEST_SKIP() << "no zlib";
        http_server_test::SetUp();
    }

    static std::string ask_gzip(std::string_view target) { return get(target, "Accept-Encoding: gzip\r\n"); }

    /// Reads until what has come of a chunked answer says `want`, decoded; "" for its end.
    static std::string read_until(client& from, std::string& bytes, std::string_view want) {
        while (true) {
            const std::size_t head = bytes.find("\r\n\r\n");
            if (head != std::string::npos) {
                bool ended = false;
                const std::string body = without_chunks(std::string_view(bytes).substr(head + 4), ended);
                const std::string text = decoded("gzip", body, ended);
                if (ended || (!want.empty() && text.ends_with(want))) return text;
            }
            const std::string more = from.read_some(1'000'000);
            if (more.empty())
                throw std::runtime_error("the connection has ended, after: " + bytes.substr(0, 300));
            bytes += more;
        }
    }
};
NARU_ON_EVERY_ENGINE(encode_test);

struct gate {
    async_event open;
};

TEST_P(encode_test, each_event_can_be_read_when_it_comes) {
    http::site site;
    site.encode()
        .per_loop([](loop&) { return std::make_unique<gate>(); })
        .get("/events",
             [](exchange& x) -> task<> {
                 http::event_stream stream(x);
                 if (!co_await stream.send(http::event("first", "1"))) co_return;
                 (void)co_await x.local<std::unique_ptr<gate>>()->open.wait();
                 if (!co_await stream.send(http::event("second", "2"))) co_return;
                 (void)co_await stream.end();
             })
        .get("/open", [](exchange& x) noexcept {
            x.local<std::unique_ptr<gate>>()->open.set();
            x.respond(204);
        });
    start(std::move(site));
    client one = connect();
    one.send(ask_gzip("/events"));
    std::string bytes;
    EXPECT_EQ(read_until(one, bytes, "data: first\n\n"), "id: 1\ndata: first\n\n");
    EXPECT_EQ(ask(get("/open")).status, 204);
    EXPECT_EQ(read_until(one, bytes, ""), "id: 1\ndata: first\n\nid: 2\ndata: second\n\n");
}

TEST_P(encode_test, an_empty_piece_sends_what_was_kept_back) {
    http::site site;
    site.encode().get("/text", [](exchange& x) -> task<> {
        x.add("Content-Type", "text/plain");
        (void)co_await x.write("some text");
        (void)co_await x.write("");
        (void)co_await sleep_for(1h);
    });
    start(std::move(site));
    client one = connect();
    one.send(ask_gzip("/text"));
    std::string bytes;
    EXPECT_EQ(read_until(one, bytes, "some text"), "some text");
}

TEST_P(encode_test, files_within_an_answer) {
#if !defined(_WIN32)
    std::string content;
    for (int each = 0; content.size() < 300'000; ++each)
        content += std::to_string(each * 7919) + ",";
    files_.write("table.csv", content);
    const unique_descriptor file(::open((files_.path() / "table.csv").c_str(), O_RDONLY | O_CLOEXEC));
    http::site site;
    const lent_descriptor descriptor = file;
    const std::uint64_t size = content.size();
    site.encode()
        .get("/table",
             [descriptor, size](exchange& x) -> task<> {
                 x.add("Content-Type", "text/csv");
                 if (!co_await x.write("before\n")) co_return;
                 if (!co_await x.write_file(descriptor, 5, size - 5)) co_return;
                 if (!co_await x.write("\nbehind")) co_return;
                 (void)co_await x.end();
             })
        .get("/short", [descriptor, size](exchange& x) -> task<> {
            x.add("Content-Type", "text/csv");
            auto wrote = co_await x.write_file(descriptor, 0, size + 1);
            EXPECT_FALSE(wrote);
            auto ended = co_await x.end();
            EXPECT_FALSE(ended);
        });
    start(std::move(site));
    client one = connect();
    for (int each = 0; each < 3; ++each) {
        one.send(ask_gzip("/table"));
        std::string bytes;
        EXPECT_TRUE(read_until(one, bytes, "") == "before\n" + content.substr(5) + "\nbehind");
    }
    client other = connect();
    other.send(ask_gzip("/short"));
    (void)other.read_to_end();
    EXPECT_TRUE(other.was_reset());  // half an answer never looks whole
#endif
}

TEST_P(encode_test, files_without_a_precompressed_sibling) {
    std::string text;
    for (int each = 0; text.size() < 200'000; ++each)
        text += "<p>Line " + std::to_string(each * 7919) + "</p>\n";
    const std::string small = text.substr(0, 20'000);
    files_.write("large.html", text);
    files_.write("small.html", small);
    files_.write("by-hand.html", small);
    files_.write("by-hand.html.gz", "by hand");
    files_.write("picture.png", small);
    files_.write("tiny.html", "tiny");
    http::site site;
    site.mount("/", http::files(files_.path().string(), {.encode = true}));
    start(std::move(site));
    client one = connect();
    for (const auto& [name, content] :
         {std::pair<std::string, const std::string&>("/large.html", text), {"/small.html", small}}) {
        const response plain = one.ask(get(name));
        EXPECT_EQ(plain.body, content);
        EXPECT_EQ(plain["Vary"], "Accept-Encoding");
        for (int each = 0; each < 2; ++each) {
            const response coded = one.ask(ask_gzip(name));
            EXPECT_EQ(coded["Content-Encoding"], "gzip");
            EXPECT_EQ(coded["Vary"], "Accept-Encoding");
            EXPECT_NE(coded["ETag"], plain["ETag"]);
            EXPECT_EQ(coded["Last-Modified"], plain["Last-Modified"]);
            EXPECT_EQ(decoded("gzip", coded.body), content);
            const std::string has_it = "Accept-Encoding: gzip\r\nIf-None-Match: " + coded["ETag"] + "\r\n";
            EXPECT_EQ(one.ask(get(name, has_it)).status, 304);
            const std::string part = "Accept-Encoding: gzip\r\nRange: bytes=10-29\r\n";
            EXPECT_EQ(one.ask(get(name, part)).body, coded.body.substr(10, 20));
            const response head = one.ask(request("HEAD", name, "Accept-Encoding: gzip\r\n"), true);
            EXPECT_EQ(head["Content-Length"], coded["Content-Length"]);
        }
    }
    EXPECT_EQ(one.ask(ask_gzip("/by-hand.html")).body, "by hand");
    EXPECT_EQ(one.ask(ask_gzip("/picture.png")).body, small);
    EXPECT_EQ(one.ask(ask_gzip("/tiny.html")).body, "tiny");
    // What is written there counts, be it the file or a sibling.
    files_.write("small.html.gz", "sibling");
    EXPECT_TRUE(eventually([&] { return one.ask(ask_gzip("/small.html")).body == "sibling"; }));
    files_.write("large.html", text.substr(5));
    EXPECT_TRUE(
        eventually([&] { return decoded("gzip", one.ask(ask_gzip("/large.html")).body) == text.substr(5); }));
}

TEST_P(encode_test, listings) {
    for (int each = 0; each < 300; ++each)
        files_.write("many/file-" + std::to_string(each) + ".txt", "x");
    http::site site;
    site.mount("/encoded", http::files(files_.path().string(), {.listings = true, .encode = true}))
        .mount("/plain", http::files(files_.path().string(), {.listings = true}));
    start(std::move(site));
    client one = connect();
    const response plain = one.ask(get("/encoded/many/"));
    EXPECT_EQ(plain.status, 200);
    EXPECT_EQ(plain["Vary"], "Accept-Encoding");
    EXPECT_EQ(plain["Content-Encoding"], "");
    EXPECT_NE(plain.body.find("file-299.txt"), std::string::npos);
    const response coded = one.ask(ask_gzip("/encoded/many/"));
    EXPECT_EQ(coded["Vary"], "Accept-Encoding");
    EXPECT_EQ(coded["Content-Encoding"], "gzip");
    EXPECT_LT(coded.body.size() * 4, plain.body.size());
    EXPECT_EQ(decoded("gzip", coded.body), plain.body);
    const response head = one.ask(request("HEAD", "/encoded/many/", "Accept-Encoding: gzip\r\n"), true);
    EXPECT_EQ(head["Content-Length"], coded["Content-Length"]);
    EXPECT_EQ(one.ask(get("/encoded/many/", "Accept-Encoding: gzip;q=0\r\n")).body, plain.body);
    const response as_it_is = one.ask(ask_gzip("/plain/many/"));
    EXPECT_EQ(as_it_is["Vary"], "");
    EXPECT_EQ(as_it_is["Content-Encoding"], "");
    EXPECT_NE(as_it_is.body.find("file-299.txt"), std::string::npos);
}

TEST_P(encode_test, pages_of_errors) {
    for (const bool fits : {true, false}) {  // into the buffer of answers
        std::string page;
        while (page.size() < (fits ? 8'000u : 400'000u))
            page += std::to_string(page.size() * 7919) + '\n';
        http::site site;
        site.encode().error_page(
            [page](unsigned status, std::string_view) { return std::to_string(status) + page; });
        start(std::move(site));
        client one = connect();
        const response plain = one.ask(get("/missing"));
        EXPECT_EQ(plain.status, 404);
        EXPECT_EQ(plain["Vary"], "Accept-Encoding");
        EXPECT_EQ(plain["Content-Encoding"], "");
        EXPECT_EQ(plain.body, "404" + page);
        const response coded = one.ask(ask_gzip("/missing"));
        EXPECT_EQ(coded.status, 404);
        EXPECT_EQ(coded["Vary"], "Accept-Encoding");
        EXPECT_EQ(coded["Content-Encoding"], "gzip");
        EXPECT_EQ(decoded("gzip", coded.body), plain.body);
        EXPECT_EQ(one.ask(get("/missing")).body, plain.body);
        stop();
    }
}

TEST_P(encode_test, clients_that_leave_and_clients_that_are_slow) {
    std::counting_semaphore<> ended(0);
    http::site site;
    site.encode().get("/endless", [&ended](exchange& x) -> task<> {
        x.add("Content-Type", "text/plain");
        std::uint32_t random = 1;
        std::string piece(100'000, 'x');
        while (true) {
            for (char& each : piece)
                each = static_cast<char>((random = random * 1664525u + 1013904223u) >> 24);
            if (!co_await x.write(piece)) break;
        }
        ended.release();
    });
    start(std::move(site));
    constexpr int clients = 2 * http::limits::encoders;  // each gives its encoder back
    for (int each = 0; each < clients; ++each) {
        client one = connect(4096);
        one.send(ask_gzip("/endless"));
        std::string bytes;
        while (bytes.find("\r\n\r\n") == std::string::npos)
            bytes += one.read_some(1000);
        EXPECT_NE(bytes.find("Content-Encoding: gzip"), std::string::npos) << each;
        one.reset();
        ended.acquire();
    }
    stop();
}

TEST_P(encode_test, more_than_there_are_encoders) {
    http::site site;
    site.encode().get("/wait", [](exchange& x) -> task<> {
        http::event_stream stream(x);
        if (!co_await stream.send(http::event("text"))) co_return;
        (void)co_await sleep_for(1h);
    });
    start(std::move(site));
    std::vector<client> waiting;
    for (std::size_t each = 0; each < http::limits::encoders + 3; ++each) {
        waiting.push_back(connect());
        waiting.back().send(ask_gzip("/wait"));
        std::string bytes;
        while (bytes.find("\r\n\r\n") == std::string::npos)
            bytes += waiting.back().read_some(10'000);
        const bool is_encoded = bytes.find("Content-Encoding: gzip") != std::string::npos;
        EXPECT_EQ(is_encoded, each < http::limits::encoders) << each;
        EXPECT_NE(bytes.find("Vary: Accept-Encoding"), std::string::npos);
        if (is_encoded) continue;
        while (bytes.find("data: text\n\n") == std::string::npos)
            bytes += waiting.back().read_some(10'000);
    }
}

TEST_P(encode_test, a_cancelled_piece_ends_the_answer) {
    http::site site;
    site.encode().get("/two", [](exchange& x) -> task<> {
        x.add("Content-Type", "text/plain");
        const std::string much(30'000'000, 'x');
        std::string noise = much;
        std::uint32_t random = 1;
        for (char& each : noise)
            each = static_cast<char>((random = random * 1664525u + 1013904223u) >> 24);
        auto wrote = co_await with_deadline(10ms, x.write(noise));  // nobody reads
        EXPECT_FALSE(wrote);
        auto more = co_await x.write("more");
        EXPECT_FALSE(more);
        (void)co_await x.end();
    });
    start(std::move(site));
    client one = connect(4096);
    one.send(ask_gzip("/two"));
    EXPECT_TRUE(one.has_bytes_within(patience));
    (void)one.read_to_end();
}

}  // namespace
}  // namespace naru::testing
