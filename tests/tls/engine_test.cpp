// The engine alone: handshakes, records, and what goes wrong, byte by byte.
#include "tls/pair.hpp"

#include <naru/core/limits.hpp>

#include <openssl/ssl.h>

#include <string>

namespace naru::testing {
namespace {

std::string text_of_size(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t each = 0; each < size; ++each)
        text[each] = static_cast<char>(each * 31 + each / 251);
    return text;
}

TEST(TlsEngine, BothSidesTalkAfterTheHandshake) {
    tls_pair both(server_context(), client_context());
    both.run();
    ASSERT_TRUE(both.established());
    EXPECT_EQ(both.client.engine.version(), "TLSv1.3");
    EXPECT_EQ(both.server.engine.server_name(), "localhost");
    EXPECT_EQ(both.server.engine.protocol(), "");
    EXPECT_FALSE(both.client.engine.resumed());
    EXPECT_EQ(both.client.engine.peer_subject(), "CN=localhost");
    EXPECT_EQ(both.server.engine.peer_subject(), std::nullopt);
    both.client.write("question");
    both.server.write("answer");
    both.run();
    EXPECT_EQ(both.server.received, "question");
    EXPECT_EQ(both.client.received, "answer");
}

TEST(TlsEngine, PiecesOfEverySizeMakeTheSameStream) {
    for (const std::size_t piece : {1u, 2u, 3u, 5u, 7u, 100u, 1'000u, 16'384u, 16'401u}) {
        tls_pair both(server_context(), client_context());
        both.run(piece);
        ASSERT_TRUE(both.established()) << piece;
        const std::string text = text_of_size(piece < 10 ? 40'000 : 300'000);
        both.client.write(text);
        both.run(piece);
        EXPECT_TRUE(both.server.received == text) << piece;
        both.server.write(text);
        both.run(piece);
        EXPECT_TRUE(both.client.received == text) << piece;
    }
}

TEST(TlsEngine, AnEndIsToldOnceAndTheOtherDirectionGoesOn) {
    tls_pair both(server_context(), client_context());
    both.run();
    both.client.write("all");
    both.run();
    ASSERT_TRUE(both.client.engine.end());
    ASSERT_TRUE(both.client.engine.end());
    both.run();
    EXPECT_EQ(both.server.received, "all");
    EXPECT_EQ(both.server.read_error, errc::end_of_stream);
    EXPECT_TRUE(both.server.engine.may_read());
    std::array<std::byte, 10> room;
    EXPECT_EQ(both.server.engine.read(room).error(), errc::end_of_stream);
    both.server.write("late answer");
    both.run();
    EXPECT_EQ(both.client.received, "late answer");
    EXPECT_FALSE(both.client.read_error);
}

TEST(TlsEngine, GarbageIsRefusedAndTheAlertTellsIt) {
    tls_side server;
    const tls_context context = server_context();
    ASSERT_TRUE(server.engine.accept(context));
    server.arrived = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    server.step();
    ASSERT_FALSE(server.established);
    EXPECT_EQ(server.established.error(), tls_errc::protocol);
    EXPECT_NE(server.established.error().message().find("http request"), std::string::npos)
        << server.established.error().message();
    // Every later call says the same.
    EXPECT_EQ(server.engine.handshake().error(), server.established.error());
    EXPECT_EQ(server.engine.end().error(), server.established.error());
}

TEST(TlsEngine, AChangedByteInARecordIsAnError) {
    tls_pair both(server_context(), client_context());
    both.run();
    both.client.write("something");
    both.client.sent[both.client.sent.size() - 3] ^= 1;
    both.run();
    EXPECT_EQ(both.server.received, "");
    EXPECT_EQ(both.server.read_error, tls_errc::protocol) << both.server.read_error.message();
    EXPECT_EQ(both.client.read_error, tls_errc::alert) << both.client.read_error.message();
}

// A hostile or broken peer stops anywhere, or a byte is turned: never a crash, never an established
// connection.
TEST(TlsEngine, AHandshakeThatIsCutOrChangedAnywhereEndsInOrder) {
    const tls_context server_side = server_context();
    const tls_context client_side = client_context();
    std::string hello;
    {
        tls_side client;
        ASSERT_TRUE(client.engine.connect(client_side, "localhost"));
        client.step();
        hello = client.output();
    }
    for (std::size_t cut = 0; cut < hello.size(); ++cut) {
        tls_side server;
        ASSERT_TRUE(server.engine.accept(server_side));
        server.arrived = hello.substr(0, cut);
        server.step();
        ASSERT_TRUE(server.established) << cut;
        EXPECT_FALSE(*server.established);
        tls_side changed;
        ASSERT_TRUE(changed.engine.accept(server_side));
        changed.arrived = hello;
        changed.arrived[cut] = static_cast<char>(changed.arrived[cut] ^ 0x55);
        changed.step();
        EXPECT_FALSE(changed.established && *changed.established);
        EXPECT_LE(changed.output().size(), limits::tls_output_pending);
    }
}

// Each flight of a whole handshake, cut after each of its bytes: both sides go on waiting, and hold on to
// nothing that the rest would not complete.
TEST(TlsEngine, EachFlightMayBeCutAnywhereAndCompleted) {
    const tls_context server_side = server_context();
    const tls_context client_side = client_context();
    std::size_t flights[2] = {1, 1};  // bytes that the server and the client send; known after the first
    for (int which = 0; which < 2; ++which) {
        for (std::size_t cut = 0; cut < flights[which]; cut += cut < 600 ? 1 : 7) {
            tls_pair both(server_side, client_side);
            both.client.step();
            both.server.arrived = both.client.output();
            both.server.step();
            const std::string from_server = both.server.output();
            flights[0] = from_server.size();
            both.client.arrived = from_server;
            if (which == 0) {
                both.client.step(cut);
                ASSERT_TRUE(both.client.established) << cut;
                EXPECT_FALSE(*both.client.established && cut < 100) << cut;
            }
            both.client.step();
            ASSERT_TRUE(both.client.established && *both.client.established) << cut;
            both.server.arrived = both.client.output();
            flights[1] = both.server.arrived.size();
            if (which == 1) {
                both.server.step(cut);
                ASSERT_TRUE(both.server.established && !*both.server.established) << cut;
            }
            both.server.step();
            ASSERT_TRUE(both.server.established && *both.server.established) << cut;
        }
    }
}

TEST(TlsEngine, AWrongNameIsRefusedByTheClientAndToldTheServer) {
    tls_pair both(server_context(), client_context(), "elsewhere.example");
    both.run();
    ASSERT_FALSE(both.client.established);
    EXPECT_EQ(both.client.established.error(), tls_errc::certificate_refused);
    EXPECT_NE(both.client.established.error().message().find("hostname mismatch"), std::string::npos)
        << both.client.established.error().message();
    const std::error_code told =
        both.server.established ? both.server.read_error : both.server.established.error();
    EXPECT_EQ(told, tls_errc::alert) << told.message();
}

TEST(TlsEngine, AnAddressIsAName) {
    tls_pair good(server_context(), client_context(), "127.0.0.1");
    good.run();
    EXPECT_TRUE(good.established());
    EXPECT_EQ(good.server.engine.server_name(), "");  // RFC 6066: no addresses there
    tls_pair wrong(server_context(), client_context(), "127.0.0.2");
    wrong.run();
    ASSERT_FALSE(wrong.client.established);
    EXPECT_EQ(wrong.client.established.error(), tls_errc::certificate_refused);
}

TEST(TlsEngine, AnUnknownIssuerIsRefusedUnlessNothingIsVerified) {
    const tls_context system = client_context([](tls_client_options& how) { how.ca_file.clear(); });
    tls_pair unknown(server_context(), system);
    unknown.run();
    ASSERT_FALSE(unknown.client.established);
    EXPECT_EQ(unknown.client.established.error(), tls_errc::certificate_refused);
    const tls_context careless = client_context([](tls_client_options& how) { how.verify = false; });
    tls_pair trusting(server_context(), careless, "elsewhere.example");
    trusting.run();
    EXPECT_TRUE(trusting.established());
}

TEST(TlsEngine, NamesThatCannotBeAreRefused) {
    const tls_context context = client_context();
    for (const std::string& host : {std::string(), std::string(300, 'a'), std::string("a\0b", 3)}) {
        tls_engine engine;
        const auto begun = engine.connect(context, host);
        ASSERT_FALSE(begun);
        EXPECT_EQ(begun.error(), std::errc::invalid_argument);
    }
}

TEST(TlsEngine, AProtocolIsAgreedUponInTheServersOrder) {
    const auto speaks = [](std::vector<std::string> names) {
        return [names](auto& how) { how.protocols = names; };
    };
    const tls_context server_side = server_context(speaks({"h2", "http/1.1"}));
    tls_pair both(server_side, client_context(speaks({"http/1.1", "h2"})));
    both.run();
    ASSERT_TRUE(both.established());
    EXPECT_EQ(both.server.engine.protocol(), "h2");
    EXPECT_EQ(both.client.engine.protocol(), "h2");
    tls_pair silent(server_side, client_context());
    silent.run();
    ASSERT_TRUE(silent.established());
    EXPECT_EQ(silent.server.engine.protocol(), "");
    tls_pair apart(server_side, client_context(speaks({"spdy/1"})));
    apart.run();
    ASSERT_FALSE(apart.client.established);
    EXPECT_EQ(apart.client.established.error(), tls_errc::alert);
    EXPECT_NE(apart.client.established.error().message().find("no application protocol"), std::string::npos)
        << apart.client.established.error().message();
}

}  // namespace
}  // namespace naru::testing
