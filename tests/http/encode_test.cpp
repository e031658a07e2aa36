// Content codings on the fly: encoders, and sites that encode what handlers answer.
#include "decode.hpp"

#include <naru/http/coding/encoder.hpp>
#include <naru/http/handlers/document.hpp>
#include <naru/http/http.hpp>
#include <naru/testing/http.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

using http::coding;
using http::encoder;
using http::exchange;

constexpr std::array codings = {coding::gzip, coding::brotli, coding::zstd};

/// Text that gets smaller, and does not repeat itself entirely.
std::string prose(std::size_t bytes) {
    std::string made;
    for (unsigned each = 0; made.size() < bytes; ++each)
        made += "Line " + std::to_string(each * 2654435761u) + " of a ferry's log.\n";
    made.resize(bytes);
    return made;
}

/// Encodes `text` in pieces, into room of a size.
std::string encoded(encoder& with, std::string_view text, std::size_t piece, std::size_t room, bool flushes) {
    std::string made;
    std::string block(room, '\0');
    const auto put = [&](std::string_view input, encoder::until how) {
        for (unsigned rounds = 0;; ++rounds) {
            std::size_t got = 0;
            const auto told = with.encode(input, block, got, how);
            made.append(block, 0, got);
            ASSERT_NE(told, encoder::outcome::failed);
            ASSERT_LT(rounds, 1'000'000u);
            if (told == encoder::outcome::done) break;
        }
        ASSERT_TRUE(input.empty());
    };
    for (std::size_t at = 0; at < text.size(); at += piece)
        put(text.substr(at, piece), flushes ? encoder::until::flush : encoder::until::more);
    put({}, encoder::until::end);
    return made;
}

TEST(Encoder, AnyPiecesIntoAnyRoom) {
    http::encoder_pool pool;
    const std::string text = prose(100'000);
    for (const coding which : codings) {
        if (!http::can_encode(which)) continue;
        for (const std::size_t piece : {std::size_t{1'000}, std::size_t{65'536}, text.size()}) {
            for (const std::size_t room : {std::size_t{16}, std::size_t{1'000}, std::size_t{200'000}}) {
                for (const bool flushes : {false, true}) {
                    encoder* const with = pool.take(which, 4);
                    ASSERT_NE(with, nullptr);
                    const std::string made = encoded(*with, text, piece, room, flushes);
                    pool.give_back(*with);
                    EXPECT_LT(made.size(), text.size());
                    EXPECT_EQ(decoded(http::name_of(which), made), text);
                }
            }
        }
        encoder* const with = pool.take(which, 4);
        EXPECT_EQ(decoded(http::name_of(which), encoded(*with, "", 1, 100, false)), "");
        pool.give_back(*with);
    }
}

TEST(Encoder, WhatWasFlushedCanBeDecoded) {
    for (const coding which : codings) {
        const auto with = http::make_encoder(which);
        if (!with) continue;
        ASSERT_TRUE(with->begin(5));
        std::string made;
        std::string all;
        for (int each = 0; each < 20; ++each) {
            std::string_view piece = each % 3 == 0 ? "" : "data: something happened\n\n";
            all += piece;
            std::array<char, 1000> block;
            std::size_t got = 0;
            EXPECT_EQ(with->encode(piece, block, got, encoder::until::flush), encoder::outcome::done);
            made.append(block.data(), got);
            EXPECT_EQ(decoded(http::name_of(which), made, false), all);
        }
    }
}

TEST(Encoder, NoMoreThanSoMany) {
    http::encoder_pool pool;
    std::vector<encoder*> taken;
    const coding which = http::can_encode(coding::gzip) ? coding::gzip : coding::identity;
    if (which == coding::identity) GTEST_SKIP() << "nothing is encoded in this build";
    while (encoder* const one = pool.take(which, 1))
        taken.push_back(one);
    EXPECT_EQ(taken.size(), http::limits::encoders);
    for (encoder* const each : taken)
        pool.give_back(*each);
    EXPECT_EQ(pool.in_use(), 0u);
}

// ---------------------------------------------------------------------------------------- sites

const std::string& page() {
    static const std::string text = prose(20'000);
    return text;
}

http::site pages() {
    http::site made;
    made.encode()
        .get("/page", [](exchange& x) noexcept { x.respond(200, "text/html; charset=utf-8", page()); })
        .get("/owned", [](exchange& x) noexcept { x.respond(200, "text/html", std::string(page())); })
        .get("/small", [](exchange& x) noexcept { x.respond(200, "text/html", "small"); })
        .get("/picture", [](exchange& x) noexcept { x.respond(200, "image/png", page()); })
        .get("/tagged",
             [](exchange& x) noexcept {
                 x.add("ETag", "\"one\"").add("Vary", "Origin").add("Accept-Ranges", "bytes");
                 x.respond(200, "text/html", page());
             })
        .get(
            "/coded",
            [](exchange& x) noexcept { x.add("Content-Encoding", "gzip").respond(200, "text/html", page()); })
        .get("/as-it-is",
             [](exchange& x) noexcept {
                 x.add("Cache-Control", "public, no-transform").respond(200, "text/html", page());
             })
        .get("/part",
             [](exchange& x) noexcept {
                 x.add("Content-Range", "bytes 0-19999/30000").respond(206, "text/html", page());
             })
        .get("/large", [](exchange& x) noexcept { x.respond(200, "text/html", std::string(2'000'000, 'x')); })
        .get("/blocking", http::blocking([](const http::request_view&, std::stop_token) {
                 return http::answer(404, "application/problem+json", page());
             }))
        .get("/pieces",
             [](exchange& x) -> task<> {
                 x.add("Content-Type", "text/plain");
                 for (int each = 0; each < 10; ++each) {
                     if (!co_await x.write(page())) co_return;
                 }
                 x.add("X-Sum", "10");
                 (void)co_await x.end();
             })
        .get("/counted",
             [](exchange& x) -> task<> {
                 x.add("Content-Type", "text/plain").add("Content-Length", std::to_string(page().size()));
                 (void)co_await x.write(page());
                 (void)co_await x.end();
             })
        .get("/empty", [](exchange& x) -> task<> {
            x.add("Content-Type", "text/plain");
            (void)co_await x.end();
        });
    return made;
}

std::string accepts(std::string_view what) { return "Accept-Encoding: " + std::string(what) + "\r\n"; }

TEST(Encode, AsTheClientLikesBest) {
    http::test site(pages());
    const auto named = [](coding which) {
        return http::can_encode(which) ? std::string(http::name_of(which)) : std::string();
    };
    const std::string gzip = named(coding::gzip);
    const std::string br = named(coding::brotli);
    const std::string zstd = named(coding::zstd);
    const std::string best = !zstd.empty() ? zstd : !br.empty() ? br : gzip;
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"gzip", gzip},
        {"x-gzip", gzip},
        {"br", br},
        {"zstd", zstd},
        {"gzip, deflate, br, zstd", best},
        {"gzip;q=1, br;q=0.5, zstd;q=0.5", gzip},
        {"zstd;q=0, br;q=0.1", br},
        {"gzip;q=0", ""},
        {"*", best},
        {"*;q=0", ""},
        {"identity, gzip;q=0.5", ""},
        {"compress", ""},
        {"gzip;q=bad", ""},
        {"", ""},
    };
    for (const auto& [accept, coding] : cases) {
        for (const char* const path : {"/page", "/owned", "/pieces"}) {
            const auto got = site.ask("GET", path, "", accepts(accept));
            EXPECT_EQ(got.field("Content-Encoding"), coding) << path << " " << accept;
            EXPECT_EQ(got.field("Vary"), "Accept-Encoding") << path << " " << accept;
            std::string all;
            for (int each = 0; each < (std::string_view(path) == "/pieces" ? 10 : 1); ++each)
                all += page();
            EXPECT_TRUE(decoded(coding, got.body) == all) << path << " " << accept;
            EXPECT_TRUE(coding.empty() || got.body.size() < all.size() / 2);
        }
    }
    EXPECT_EQ(site.ask("GET", "/page").field("Content-Encoding"), "");
    EXPECT_EQ(site.ask("GET", "/page").field("Vary"), "Accept-Encoding");
}

TEST(Encode, WhatGoesAsItIs) {
    http::test site(pages());
    for (const char* const path : {"/small", "/picture", "/as-it-is", "/part", "/large", "/counted"}) {
        const auto got = site.ask("GET", path, "", accepts("gzip"));
        EXPECT_EQ(got.field("Content-Encoding"), "") << path;
        EXPECT_EQ(got.field("Content-Length"), std::to_string(got.body.size())) << path;
    }
    EXPECT_EQ(site.ask("GET", "/picture", "", accepts("gzip")).field("Vary"), "");
    EXPECT_EQ(site.ask("GET", "/small", "", accepts("gzip")).field("Vary"), "Accept-Encoding");
    EXPECT_EQ(site.ask("GET", "/coded", "", accepts("gzip")).body, page());
}

TEST(Encode, TagsGetWeak) {
    if (!http::can_encode(coding::gzip)) GTEST_SKIP() << "no zlib";
    http::test site(pages());
    const auto coded = site.ask("GET", "/tagged", "", accepts("gzip"));
    EXPECT_EQ(coded.field("ETag"), "W/\"one\"");
    EXPECT_EQ(coded.field("Accept-Ranges"), "");
    EXPECT_EQ(std::ranges::count_if(coded.fields, [](const auto& each) { return each.first == "Vary"; }), 2);
    const auto plain = site.ask("GET", "/tagged");
    EXPECT_EQ(plain.field("ETag"), "\"one\"");
    EXPECT_EQ(plain.field("Accept-Ranges"), "bytes");
}

TEST(Encode, HeadSaysWhatGetSays) {
    http::test site(pages());
    for (const char* const path : {"/page", "/pieces", "/small", "/blocking"}) {
        const auto get = site.ask("GET", path, "", accepts("gzip"));
        const auto head = site.ask("HEAD", path, "", accepts("gzip"));
        EXPECT_EQ(head.body, "");
        for (const char* const name :
             {"Content-Encoding", "Content-Length", "Content-Type", "Vary", "Transfer-Encoding"})
            EXPECT_EQ(head.field(name), get.field(name)) << path << " " << name;
    }
}

TEST(Encode, AnswersOfAllKinds) {
    if (!http::can_encode(coding::gzip)) GTEST_SKIP() << "no zlib";
    http::test site(pages());
    const auto blocking = site.ask("GET", "/blocking", "", accepts("gzip"));
    EXPECT_EQ(blocking.status, 404u);
    EXPECT_EQ(blocking.field("Content-Encoding"), "gzip");
    EXPECT_EQ(decoded("gzip", blocking.body), page());
    const auto empty = site.ask("GET", "/empty", "", accepts("gzip"));
    EXPECT_EQ(decoded(empty.field("Content-Encoding"), empty.body), "");
    // Without chunks: until the connection's end.
    const std::string old = site.exchange_bytes("GET /pieces HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
    const std::size_t body = old.find("\r\n\r\n") + 4;
    EXPECT_NE(old.find("Content-Encoding: gzip\r\n"), std::string::npos);
    EXPECT_EQ(decoded("gzip", std::string_view(old).substr(body)).size(), 10 * page().size());
}

TEST(Encode, HostsHaveTheirOwn) {
    if (!http::can_encode(coding::gzip)) GTEST_SKIP() << "no zlib";
    const auto hello = [](exchange& x) noexcept { x.respond(200, "text/plain", page()); };
    http::site made;
    http::encode_options none;
    none.types.clear();
    made.encode().get("/", hello);
    made.host("same.example").get("/", hello);
    made.host("none.example").encode(none).get("/", hello);
    http::test site(std::move(made));
    const auto asked = [&](const std::string& host) {
        return site.exchange_bytes("GET / HTTP/1.1\r\nHost: " + host +
                                   "\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n");
    };
    EXPECT_NE(asked("a.example").find("Content-Encoding: gzip"), std::string::npos);
    EXPECT_NE(asked("same.example").find("Content-Encoding: gzip"), std::string::npos);
    EXPECT_EQ(asked("none.example").find("Content-Encoding: gzip"), std::string::npos);
}

// ---------------------------------------------------------------------------------------- prepared answers

TEST(Encode, PreparedAnswersAreEncodedOnce) {
    http::prepared whole(200, "text/html", page(),
                         "ETag: \"one\"\r\nVary: Origin\r\nAccept-Ranges: bytes\r\n");
    whole.encode();
    const http::prepared copy = whole;
    http::site made;
    made.get("/", [&whole](exchange& x) noexcept { x.respond(whole); })
        .get("/copy", [&copy](exchange& x) -> task<> {
            x.add("X-More", "yes");
            x.respond(copy);
            co_return;
        });
    http::test site(std::move(made));
    for (const char* const path : {"/", "/copy"}) {
        for (const coding which : codings) {
            if (!http::can_encode(which)) continue;
            const std::string name(http::name_of(which));
            const auto got = site.ask("GET", path, "", accepts(name));
            EXPECT_EQ(got.field("Content-Encoding"), name);
            EXPECT_EQ(got.field("Content-Type"), "text/html");
            EXPECT_EQ(got.field("Content-Length"), std::to_string(got.body.size()));
            EXPECT_EQ(got.field("ETag"), "W/\"one\"");
            EXPECT_EQ(got.field("Accept-Ranges"), "");
            EXPECT_EQ(got.field("X-More"), std::string_view(path) == "/" ? "" : "yes");
            EXPECT_LT(got.body.size(), page().size());
            EXPECT_TRUE(decoded(name, got.body) == page());
            const auto head = site.ask("HEAD", path, "", accepts(name));
            EXPECT_EQ(head.field("Content-Length"), got.field("Content-Length"));
        }
        const auto plain = site.ask("GET", path, "", accepts("gzip;q=0"));
        EXPECT_TRUE(plain.body == page());
        EXPECT_EQ(plain.field("Content-Encoding"), "");
        EXPECT_EQ(plain.field("ETag"), "\"one\"");
        EXPECT_EQ(plain.field("Accept-Ranges"), "bytes");
        if (http::can_encode(coding::gzip)) {
            EXPECT_EQ(
                std::ranges::count_if(plain.fields, [](const auto& each) { return each.first == "Vary"; }),
                2);
        }
    }
}

TEST(Encode, PreparedAnswersThatStayAsTheyAre) {
    http::prepared small(200, "text/html", "small");
    http::prepared picture(200, "image/png", page());
    http::prepared kept(200, "text/html", page(), "Cache-Control: no-transform\r\n");
    http::prepared coded(200, "text/html", page(), "Content-Encoding: x-own\r\n");
    http::prepared nothing(204, "", "");
    for (http::prepared* const each : {&small, &picture, &kept, &coded, &nothing}) {
        const unsigned status = each->status();
        const std::string body(each->body());
        each->encode();
        EXPECT_EQ(each->status(), status);
        EXPECT_TRUE(each->body() == body);
        http::site made;
        made.get("/", [each](exchange& x) noexcept { x.respond(*each); });
        http::test site(std::move(made));
        const auto got = site.ask("GET", "/", "", accepts("gzip, br, zstd"));
        EXPECT_EQ(got.field("Content-Encoding"), each == &coded ? "x-own" : "");
        EXPECT_EQ(got.field("Vary"), "");
        EXPECT_TRUE(got.body == body);
    }
}

}  // namespace
}  // namespace naru::testing
