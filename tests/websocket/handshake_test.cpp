// The opening handshake, both sides of it, without a socket.
#include <naru/http/websocket/client.hpp>
#include <naru/http/websocket/handshake.hpp>

#include <gtest/gtest.h>

#include <string>

namespace naru::websocket {
namespace {

std::string hex(bytes_view bytes) {
    std::string text;
    for (const std::byte each : bytes) {
        constexpr std::string_view digits = "0123456789abcdef";
        text += digits[std::to_integer<unsigned>(each) >> 4];
        text += digits[std::to_integer<unsigned>(each) & 15u];
    }
    return text;
}

TEST(WebsocketHandshake, Sha1OfKnownTexts) {
    EXPECT_EQ(hex(sha1(as_bytes(""))), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    EXPECT_EQ(hex(sha1(as_bytes("abc"))), "a9993e364706816aba3e25717850c26c9cd0d89d");
    EXPECT_EQ(hex(sha1(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
              "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    EXPECT_EQ(hex(sha1(as_bytes(std::string(1'000'000, 'a')))), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    for (const std::size_t size : {55u, 56u, 63u, 64u, 65u, 119u, 120u})  // the padding's borders
        EXPECT_NE(hex(sha1(as_bytes(std::string(size, 'a')))),
                  hex(sha1(as_bytes(std::string(size + 1, 'a')))));
    EXPECT_EQ(hex(sha1(as_bytes(std::string(64, 'a')))), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
    EXPECT_EQ(base64(as_bytes("")), "");
    EXPECT_EQ(base64(as_bytes("f")), "Zg==");
    EXPECT_EQ(base64(as_bytes("fo")), "Zm8=");
    EXPECT_EQ(base64(as_bytes("foobar")), "Zm9vYmFy");
    EXPECT_EQ(accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455, 1.3
}

handshake_fields good() {
    handshake_fields fields;
    fields.add("Upgrade", "websocket");
    fields.add("Connection", "Upgrade");
    fields.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    fields.add("Sec-WebSocket-Version", "13");
    fields.add("Accept", "text/html");
    return fields;
}
unsigned status_of(const handshake_fields& fields, const options& with = {}, bool get = true,
                   bool version = true) {
    const auto accepted = accept_request(get, version, fields, with);
    return accepted ? 101 : accepted.error().status;
}
template <class Change>
handshake_fields changed(Change change) {
    handshake_fields fields = good();
    change(fields);
    return fields;
}

TEST(WebsocketHandshake, AServerTakesWhatIsRightAndNothingElse) {
    EXPECT_EQ(status_of(good()), 101u);
    EXPECT_NE(upgrade_lines(accept_request(true, true, good(), {})->fields)
                  .find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
              std::string::npos);
    EXPECT_EQ(status_of(changed([](auto& of) { of.upgrade = "WebSocket"; })), 101u);
    EXPECT_EQ(status_of(changed([](auto& of) { of.connection = "keep-alive, upgrade"; })), 101u);
    EXPECT_EQ(status_of(changed([](auto& of) { of.upgrade = ""; })), 426u);
    EXPECT_EQ(status_of(changed([](auto& of) { of.upgrade = "h2c"; })), 426u);
    EXPECT_EQ(status_of(changed([](auto& of) { of.connection = "keep-alive"; })), 400u);
    EXPECT_EQ(status_of(good(), {}, false), 400u);
    EXPECT_EQ(status_of(good(), {}, true, false), 400u);
    for (const char* version : {"", "8", "14", "13, 8", "abc", "013"}) {
        const auto refused = accept_request(true, true, changed([&](auto& of) { of.version = version; }), {});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().status, 426u);
        EXPECT_NE(upgrade_lines(refused.error().fields).find("Sec-WebSocket-Version: 13\r\n"),
                  std::string::npos);
    }
    for (const char* key : {"", "dGhlIHNhbXBsZSBub25jZQ", "!!!!!!!!!!!!!!!!!!!!!!==", "eHh4eHh4eHh4eHh4eHh4",
                            "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="})
        EXPECT_EQ(status_of(changed([&](auto& of) { of.key = key; })), 400u) << key;
}

TEST(WebsocketHandshake, SubprotocolsAndOrigins) {
    options with;
    with.protocols = {"superchat", "chat"};
    const auto answer = [&](const char* offered) {
        handshake_fields fields = good();
        if (*offered != '\0') fields.add("Sec-WebSocket-Protocol", offered);
        return accept_request(true, true, fields, with).value();
    };
    EXPECT_EQ(answer("chat, superchat").protocol, "superchat");
    EXPECT_EQ(answer("chat").protocol, "chat");
    EXPECT_NE(upgrade_lines(answer("chat").fields).find("Sec-WebSocket-Protocol: chat\r\n"),
              std::string::npos);
    for (const char* offered : {"", "other", "CHAT"}) {
        EXPECT_EQ(answer(offered).protocol, "");
        EXPECT_EQ(upgrade_lines(answer(offered).fields).find("Protocol"), std::string::npos);
    }
    with.origins = {"https://example.org"};
    EXPECT_EQ(status_of(good(), with), 101u);  // no browser
    EXPECT_EQ(status_of(changed([](auto& of) { of.origin = "https://example.org"; }), with), 101u);
    EXPECT_EQ(status_of(changed([](auto& of) { of.origin = "https://evil.example"; }), with), 403u);
}

TEST(WebsocketHandshake, AClientIsAnsweredByTheServer) {
    options with;
    with.protocols = {"chat"};
    with.deflate.enabled = deflate_available();
    const client_request request = make_request("example.org", "/x?y=1", with, {});
    EXPECT_TRUE(request.head.starts_with("GET /x?y=1 HTTP/1.1\r\nHost: example.org\r\n"));
    EXPECT_TRUE(request.head.ends_with("\r\n\r\n"));
    handshake_fields asked;
    EXPECT_EQ(parse_answer("HTTP/1.1 200 \r\n" + request.head.substr(request.head.find("Host")), asked),
              200u);
    const auto accepted = accept_request(true, true, asked, with);
    ASSERT_TRUE(accepted) << accepted.error().reason;
    handshake_fields answered;
    EXPECT_EQ(parse_answer("HTTP/1.1 101 Switching Protocols\r\n" + upgrade_lines(accepted->fields) + "\r\n",
                           answered),
              101u);
    const auto agreed = check_answer(request.key, answered, with);
    ASSERT_TRUE(agreed) << agreed.error();
    EXPECT_EQ(agreed->protocol, "chat");
    EXPECT_EQ(agreed->deflate.has_value(), deflate_available());

    const auto wrong = [&](auto change) {
        handshake_fields fields = answered;
        change(fields);
        return !check_answer(request.key, fields, with);
    };
    EXPECT_TRUE(wrong([](auto& of) { of.accept.back() = 'A'; }));
    EXPECT_TRUE(wrong([](auto& of) { of.upgrade = "h2c"; }));
    EXPECT_TRUE(wrong([](auto& of) { of.connection = ""; }));
    EXPECT_TRUE(wrong([](auto& of) { of.protocols = "other"; }));
    EXPECT_TRUE(wrong([](auto& of) { of.extensions = "x-other"; }));
    EXPECT_FALSE(wrong([](auto& of) { of.extensions = ""; }));
}

TEST(WebsocketHandshake, AnswersThatAreNoHttp) {
    handshake_fields fields;
    EXPECT_EQ(parse_answer("HTTP/1.1 101\r\n\r\n", fields), 101u);
    EXPECT_EQ(parse_answer("HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n", fields), 404u);
    for (const char* head :
         {"HTTP/1.0 101 x\r\n\r\n", "HTTP/1.1 1x1 x\r\n\r\n", "HTTP/1.1 1010 x\r\n\r\n", "nonsense\r\n\r\n",
          "HTTP/1.1 101 x\r\nno colon\r\n\r\n", "HTTP/1.1 101 x\r\nA: b\r\n folded: c\r\n\r\n",
          "HTTP/1.1 101 x\r\nA : b\r\n\r\n", "HTTP/1.1 101 x\r\nA: \x01\r\n\r\n", "HTTP/1.1 101 x\r\n"})
        EXPECT_EQ(parse_answer(head, fields), 0u) << head;
}

}  // namespace
}  // namespace naru::websocket
