// The server over TLS, on every engine: what runs on a connection is the same, and so is what is heard of it.
#include "fixture.hpp"

#include <tls/pair.hpp>

#include <atomic>
#include <cstring>
#include <optional>
#include <thread>

namespace naru::testing {
namespace {

/// A TLS client on a socket, which blocks.
class tls_client {
 public:
    tls_client(const address& where, const tls_context& context, std::string_view name = "localhost",
               const tls_session& resumed = {}, int receive_buffer = 0, std::string_view first = {})
        : over_(where, receive_buffer) {
        over_.send(first);
        if (!side_.engine.connect(context, name, resumed)) throw std::runtime_error("no TLS client");
        step();
        while (!*side_.established && take()) {
        }
    }
    const tls_engine& engine() const { return side_.engine; }
    bool established() const { return side_.established && *side_.established; }

    void send(std::string_view text) {
        side_.write(text);
        over_.send(std::exchange(side_.sent, {}));
    }
    response read(bool to_head = false) {
        response got;
        while (!take_response(side_.received, got, to_head)) {
            if (!take())
                throw std::runtime_error("the connection ended instead of an answer, after: " +
                                         side_.received.substr(0, 300));
        }
        return got;
    }
    response ask(std::string_view request, bool to_head = false) {
        send(request);
        return read(to_head);
    }
    /// Everything to the end, and whether that was told by close_notify.
    std::string read_to_end() {
        while (take()) {
        }
        return std::exchange(side_.received, {});
    }
    std::string read_some(std::size_t least) {
        while (side_.received.size() < least && take()) {
        }
        return std::exchange(side_.received, {});
    }
    bool is_whole() const { return side_.read_error == errc::end_of_stream; }
    void end() {
        (void)side_.engine.end();
        over_.send(side_.output());
    }
    client& beneath() { return over_; }

 private:
    void step() {
        side_.step();
        if (!side_.established)
            throw std::runtime_error("no handshake: " + side_.established.error().message());
        over_.send(side_.output());
    }
    /// False at the end.
    bool take() {
        if (side_.read_error) return false;
        side_.arrived += over_.read_some(64 * 1024);
        if (side_.arrived.empty()) return false;
        step();
        return true;
    }

    tls_side side_;
    client over_;
};

class ServerTls : public http_server_test {
 protected:
    void SetUp() override {
        (void)localhost_certificate();
        http_server_test::SetUp();
        if (IsSkipped()) return;
        credentials_ = std::make_shared<http::tls_credentials>(
            server_context([](tls_server_options& how) { how.protocols = {"http/1.1"}; }));
        options_.listen[0].tls = credentials_;
    }
    static const tls_context& trusting() {
        static const tls_context one =
            client_context([](tls_client_options& how) { how.protocols = {"http/1.1"}; });
        return one;
    }
    tls_client connect_by_tls(const tls_session& resumed = {}, int receive_buffer = 0) {
        return {server_->local_address(), trusting(), "localhost", resumed, receive_buffer};
    }

    static std::string_view hello_text() { return hello; }

    std::shared_ptr<http::tls_credentials> credentials_;
};
NARU_ON_EVERY_ENGINE(ServerTls);

TEST_P(ServerTls, FilesOnAKeptConnection) {
    const std::string large = [] {
        std::string made;
        for (int each = 0; made.size() < 700'000; ++each)
            made += std::to_string(each) + "\n";
        return made;
    }();
    files_.write("large.txt", large);
    start();
    EXPECT_TRUE(server_->is_secure(0));
    tls_client one = connect_by_tls();
    EXPECT_EQ(one.engine().protocol(), "http/1.1");
    for (int each = 0; each < 3; ++each)
        EXPECT_EQ(one.ask(get("/hello.txt")).body, hello);
    EXPECT_TRUE(one.ask(get("/large.txt")).body == large);
    EXPECT_EQ(one.ask(get("/large.txt", "Range: bytes=300000-300009\r\n")).body, large.substr(300'000, 10));
    const response parts = one.ask(get("/large.txt", "Range: bytes=0-9,200000-200019,-5\r\n"));
    EXPECT_EQ(parts.status, 206);
    EXPECT_NE(parts.body.find(large.substr(200'000, 20)), std::string::npos);
    EXPECT_EQ(one.ask(request("HEAD", "/large.txt"), true).status, 200);
    EXPECT_EQ(one.ask(get("/none")).status, 404);
    std::string many;
    for (int each = 0; each < 50; ++each)
        many += get("/hello.txt");
    one.send(many);
    for (int each = 0; each < 50; ++each)
        EXPECT_EQ(one.read().body, hello);
    EXPECT_EQ(
        one.ask(request("POST", "/hello.txt", "Content-Length: 30000\r\n") + std::string(30'000, 'x')).status,
        405);
    one.send(get("/hello.txt", "Connection: close\r\n"));
    EXPECT_EQ(one.read().body, hello);
    EXPECT_EQ(one.read_to_end(), "");
    EXPECT_TRUE(one.is_whole());
}

TEST_P(ServerTls, AClientEndsByCloseNotify) {
    start();
    tls_client one = connect_by_tls();
    EXPECT_EQ(one.ask(get("/hello.txt")).body, hello);
    one.end();
    EXPECT_EQ(one.read_to_end(), "");
    EXPECT_TRUE(one.is_whole());
}

task<> echo(http::exchange& x) {
    x.status(200).add("Content-Length", std::to_string(x.content_length().value_or(0)));
    while (auto piece = co_await x.read()) {
        if (!co_await x.write(piece->bytes())) co_return;
    }
    (void)co_await x.end();
}
task<> facts(http::exchange& x) {
    x.respond(200, "text/plain",
              std::string(x.is_secure() ? "secure " : "clear ") + std::string(x.tls_name()) +
                  (x.from().tls && x.from().peer ? " with facts" : ""));
    co_return;
}
task<> upgrade(http::exchange& x) {
    (void)x.upgrade("shout", [](http::upgraded_stream stream) -> task<> {
        while (true) {
            auto got = co_await stream.receive();
            if (!got) break;
            std::string text(got->text());
            for (char& each : text)
                each = static_cast<char>(std::toupper(static_cast<unsigned char>(each)));
            if (!co_await stream.send(text)) co_return;
        }
        (void)co_await stream.close();
    });
    co_return;
}
task<> awaited_upgrade(http::exchange& x) {
    auto stream = co_await x.upgrade("shout");
    if (!stream || !x.is_secure() || x.tls_name() != "localhost") co_return;
    while (auto got = co_await stream->receive()) {
        std::string text(got->text());
        for (char& each : text)
            each = static_cast<char>(std::toupper(static_cast<unsigned char>(each)));
        auto sent = co_await stream->send(text);
        if (!sent) co_return;
    }
    (void)co_await stream->close();
}
http::site handlers() {
    http::site site;
    site.post("/echo", &echo, {.body_limit = 1u << 24})
        .get("/facts", &facts)
        .get("/shout", &upgrade)
        .get("/shout/awaited", &awaited_upgrade)
        .get("/quick", [](http::exchange& x) noexcept {
            x.respond(200, "text/plain", x.is_secure() ? "secure" : "clear");
        });
    return site;
}

TEST_P(ServerTls, HandlersAndBodies) {
    start(handlers());
    tls_client one = connect_by_tls();
    EXPECT_EQ(one.ask(get("/quick")).body, "secure");
    EXPECT_EQ(one.ask(get("/facts")).body, "secure localhost with facts");
    const std::string body = [] {
        std::string made;
        for (int each = 0; made.size() < 400'000; ++each)
            made += std::to_string(each) + ",";
        return made;
    }();
    const std::string head =
        request("POST", "/echo", "Content-Length: " + std::to_string(body.size()) + "\r\n");
    one.send(head);
    std::string back;
    for (std::size_t at = 0; at < body.size(); at += 50'000)
        one.send(std::string_view(body).substr(at, 50'000));
    const response got = one.read();
    EXPECT_TRUE(got.body == body);
}

TEST_P(ServerTls, BothKindsOfUpgrade) {
    const temporary_directory logs;
    const std::string log = (logs.path() / "access.log").string();
    options_.access_log = log;
    options_.log_format = http::log_format::json;
    start(handlers());
    for (const std::string_view target : {"/shout", "/shout/awaited"}) {
        tls_client one = connect_by_tls();
        one.send(get(target, "Connection: Upgrade\r\nUpgrade: shout\r\n") + "ahead");
        std::string text;
        while (text.find("AHEAD") == std::string::npos)
            text += one.read_some(1);
        EXPECT_TRUE(text.starts_with("HTTP/1.1 101 "));
        one.send("and more");
        EXPECT_EQ(one.read_some(8), "AND MORE");
        one.end();
        EXPECT_EQ(one.read_to_end(), "");
        EXPECT_TRUE(one.is_whole());
    }
    stop();
    std::ifstream file(log);
    unsigned lines = 0;
    for (std::string line; std::getline(file, line); ++lines) {
        EXPECT_TRUE(line.contains(R"("tls":"TLSv1.3")") && line.contains(R"("route":"/shout)")) << line;
        EXPECT_TRUE(line.contains(R"("status":101,"bytes":13,)") && line.contains(R"("received":13,)"))
            << line << ": without TLS's own";
    }
    EXPECT_EQ(lines, 2u);
}

TEST_P(ServerTls, ClearTextBesideIt) {
    options_.listen.push_back({"127.0.0.1:0"});
    start(handlers());
    EXPECT_FALSE(server_->is_secure(1));
    client plain(server_->addresses()[1]);
    EXPECT_EQ(plain.ask(get("/facts")).body, "clear ");
    EXPECT_EQ(connect_by_tls().ask(get("/quick")).body, "secure");
}

TEST_P(ServerTls, BehindAProxyThatSaysForWhom) {
    const std::string_view from[] = {"127.0.0.0/8"};
    options_.trusted_proxies = std::make_shared<const http::trusted_proxies>(from);
    options_.listen[0].proxy_protocol = true;
    http::site site;
    site.get("/facts", [](http::exchange& x) noexcept {
        const auto client = x.client();
        x.respond(200, "text/plain",
                  (client ? client->host_text() : "nobody") + (x.is_secure() ? " tls" : ""));
    });
    start(std::move(site));
    tls_client one(server_->local_address(), trusting(), "localhost", {}, 0,
                   "PROXY TCP4 192.0.2.1 127.0.0.1 4711 443\r\n");
    EXPECT_EQ(one.ask(get("/facts")).body, "192.0.2.1 tls");
    EXPECT_EQ(one.ask(get("/facts", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: http\r\n")).body,
              "192.0.2.1 tls")
        << "that client is no proxy";
}

// Clear text, garbage, and those who stop in the middle cost nothing that lasts.
TEST_P(ServerTls, WhoSpeaksNoTls) {
    start();
    for (int each = 0; each < 20; ++each) {
        client wrong = connect();
        wrong.send(get("/hello.txt"));
        (void)wrong.read_to_end();
        EXPECT_TRUE(wrong.has_ended());
        client half = connect();
        half.send(std::string("\x16\x03\x01\x01\x00\x01", 6));
        half.close();
        client reset = connect();
        reset.send(std::string("\x16\x03\x01\x01\x00\x01", 6));
        reset.reset();
    }
    EXPECT_EQ(connect_by_tls().ask(get("/hello.txt")).body, hello);
}

TEST_P(ServerTls, SessionsAreResumedAndCertificatesReplaced) {
    const auto keys = std::make_shared<tls_ticket_keys>();
    const auto with_keys = [&keys](tls_server_options& how) { how.ticket_keys = keys; };
    credentials_->replace(server_context(with_keys));
    start();
    std::optional<tls_session> session;
    {
        tls_client first = connect_by_tls();
        EXPECT_EQ(first.ask(get("/hello.txt")).body, hello);
        EXPECT_FALSE(first.engine().resumed());
        session = first.engine().session();
        tls_client again = connect_by_tls(*session);
        EXPECT_EQ(again.ask(get("/hello.txt")).body, hello);
        EXPECT_TRUE(again.engine().resumed());
        session = again.engine().session();
        credentials_->replace(server_context(with_keys));
        EXPECT_EQ(first.ask(get("/hello.txt")).body, hello);
    }
    tls_client across = connect_by_tls(*session);
    EXPECT_EQ(across.ask(get("/hello.txt")).body, hello);
    EXPECT_TRUE(across.engine().resumed());
}

// Whoever connects while they change is shown one of them, and whoever has connected goes on.
TEST_P(ServerTls, CertificatesChangeUnderLoadAndNobodyIsLost) {
    const tls_context both[] = {
        or_throw(tls_context::server(tls_server_options(common_authority().issue({"localhost"})))),
        or_throw(tls_context::server(tls_server_options(common_authority().issue({"localhost", "other"}))))};
    start();
    tls_client kept = connect_by_tls();
    std::atomic<bool> enough = false;
    std::atomic<unsigned> changes = 0;
    std::thread changing([&] {
        while (!enough) {
            credentials_->replace(both[changes++ % 2]);
            std::this_thread::sleep_for(200us);  // both have the processor
        }
    });
    for (int each = 0; each < 10; ++each) {
        const unsigned before = changes;
        EXPECT_EQ(connect_by_tls().ask(get("/hello.txt")).body, hello);
        EXPECT_EQ(kept.ask(get("/hello.txt")).body, hello);
        EXPECT_TRUE(eventually([&] { return changes > before; }));
    }
    enough = true;
    changing.join();
}

// Many who begin a handshake and do not go on, in whatever step: the honest one is served beside them.
TEST_P(ServerTls, HalfHandshakesDoNotHoldTheOthersUp) {
    start();
    tls_side shaking;
    ASSERT_TRUE(shaking.engine.connect(trusting(), "localhost"));
    shaking.step();
    const std::string hello = shaking.output();
    std::vector<client> halves;
    for (int each = 0; each < 60; ++each) {
        halves.push_back(connect());
        halves.back().send(std::string_view(hello).substr(0, each % 3 == 0   ? 0
                                                             : each % 3 == 1 ? 40
                                                                             : hello.size()));
    }
    for (int each = 0; each < 3; ++each)
        EXPECT_EQ(connect_by_tls().ask(get("/hello.txt")).body, hello_text());
    halves.clear();
    EXPECT_EQ(connect_by_tls().ask(get("/hello.txt")).body, hello_text());
}

// A request over a connection that was made for a host of another policy is refused, in both directions.
TEST_P(ServerTls, HostsWithClientCertificates) {
    tls_server_options how(common_authority().issue({"localhost", "secret.example"}));
    how.hosts.emplace_back("secret.example", common_authority().root_file());
    credentials_->replace(or_throw(tls_context::server(how)));
    http::site site;
    site.post("/body",
              [](http::exchange& x) -> task<> {
                  const auto body = co_await x.read_all();
                  x.respond(200, "text/plain", body ? "read" : "");
              })
        .mount("/", http::files(files_.path().string()));
    start(std::move(site));
    const auto asked = [](tls_client& over, std::string_view host) {
        return over.ask("GET /hello.txt HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").status;
    };
    tls_client plain = connect_by_tls();
    EXPECT_EQ(asked(plain, "localhost"), 200);
    EXPECT_EQ(asked(plain, "other.example"), 200) << "which is treated as all others";
    EXPECT_EQ(asked(plain, "Secret.Example:443"), 421);
    EXPECT_EQ(asked(plain, "localhost"), 200);
    // A body that nobody has read is no request.
    tls_client with_body = connect_by_tls();
    EXPECT_EQ(with_body
                  .ask("POST /body HTTP/1.1\r\nHost: secret.example\r\nContent-Length: 50\r\n\r\n" +
                       get("/hello.txt"))
                  .status,
              421);
    EXPECT_EQ(with_body.read_to_end(), "") << "the connection ends";
    EXPECT_FALSE(plain.engine().session()) << "nothing is resumed where some are asked for certificates";
    const tls_context known = client_context([](tls_client_options& change) {
        change.certificate.push_back(common_authority().issue({"a client"}));
    });
    tls_client secret(server_->local_address(), known, "secret.example");
    EXPECT_EQ(asked(secret, "secret.example"), 200);
    EXPECT_EQ(asked(secret, "localhost"), 421);
    // Who shows none is let in nowhere.
    EXPECT_THROW(
        {
            tls_client none(server_->local_address(), client_context(), "secret.example");
            (void)asked(none, "secret.example");
        },
        std::runtime_error);
}

TEST_P(ServerTls, DrainsWithAWord) {
    start();
    tls_client one = connect_by_tls();
    EXPECT_EQ(one.ask(get("/hello.txt")).body, hello);
    server_->drain();
    EXPECT_EQ(one.read_to_end(), "");
    EXPECT_TRUE(one.is_whole());
    server_->wait();
}

// To the client its handshake may have ended before the server has got all of it. It is waited for, for so
// long; who was not running for that long tries again.
TEST_P(ServerTls, AFirstRequestBehindADrainIsAnswered) {
    for (bool answered = false; !answered;) {
        start();
        tls_client one = connect_by_tls();
        const auto begun = std::chrono::steady_clock::now();
        server_->drain();
        try {
            EXPECT_EQ(one.ask(get("/hello.txt")).body, hello);
            EXPECT_EQ(one.read_to_end(), "");
            EXPECT_TRUE(one.is_whole());
            answered = true;
        } catch (const std::exception& failure) {
            ASSERT_GE(std::chrono::steady_clock::now() - begun, http::limits::first_request_wait)
                << failure.what();
        }
        stop();
    }
}

TEST_P(ServerTls, OnSeveralThreads) {
    for (const bool shared : {false, true}) {
        options_.threads = 2;
        options_.shared_listener = shared;
        start();
        for (int each = 0; each < 6; ++each)
            EXPECT_EQ(connect_by_tls().ask(get("/hello.txt")).body, hello);
        stop();
    }
}

// A refusal whose client still sends is read before the connection ends (RFC 9112, section 9.6).
TEST_P(ServerTls, LingersBehindARefusal) {
    start();
    tls_client one = connect_by_tls();
    one.send(request("POST", "/hello.txt", "Content-Length: 99999999\r\n"));
    one.send(std::string(100'000, 'x'));
    EXPECT_EQ(one.read().status, 413);
    EXPECT_EQ(one.read_to_end(), "");
    EXPECT_TRUE(one.is_whole());
}

}  // namespace
}  // namespace naru::testing
