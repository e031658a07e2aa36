// Names and passwords whose hashes stand in a file.
#include <naru/http/http.hpp>
#include <naru/http/middleware/password_auth.hpp>
#include <naru/testing/http.hpp>

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace naru::testing {
namespace {

constexpr std::string_view hashes =
    "# made with little work, so that tests are quick\n"
    "Aladdin:$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy\r\n"
    "\n"
    "sha512:$6$rounds=1000$ferrysalt$0EEFBOsVPugJ/X/"
    "Ei2373i.W/163xAfx/hfdw9fYQO28g5eGxyLuETFQ7A9e3Ns6TSJ3ZPeVoz4tcjq7OQGBI1:19000:0\n"
    "sha256:$5$rounds=1000$ferrysalt$T0/rSKL8o0LfqP/PdhmWduHyhn/Rc0Vz.FTulNG2mh4\n"
    "yes:$y$j75$ferrysalt1$eCO55GONE9g9.58BtKravu5Mx/Ip8AOAY5QGiXvSO6/";

http::password_file passwords() { return http::password_file::parse(hashes, "passwords"); }

constexpr std::string_view right = "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
constexpr std::string_view wrong =
    "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQo=\r\n";                              // a line feed more
constexpr std::string_view nobody = "Authorization: Basic bm9ib2R5Om9wZW4gc2VzYW1l\r\n";  // the same password

http::site guarded(http::password_options options = {}) {
    http::site made;
    made.before(http::password_auth(passwords(), std::move(options)))
        .get("/{name}",
             [](http::exchange& x) noexcept {
                 x.respond(200, "text/plain", x.value<http::authenticated>().name);
             })
        .post("/{name}", [](http::exchange& x) -> task<> {
            auto body = co_await x.read_all();
            if (body) x.respond(200, "text/plain", *body);
        });
    return made;
}

TEST(Passwords, EachKindOfHash) {
    const http::password_file file = passwords();
    EXPECT_TRUE(file.matches("Aladdin", "open sesame"));
    EXPECT_TRUE(file.matches("sha512", "open sesame"));
    EXPECT_TRUE(file.matches("sha256", "sechs"));
    EXPECT_TRUE(file.matches("yes", "y"));
    EXPECT_FALSE(file.matches("Aladdin", "open sesame "));
    EXPECT_FALSE(file.matches("Aladdin", ""));
    EXPECT_FALSE(file.matches("Aladdin", std::string_view("open sesame\0x", 13)));
    EXPECT_FALSE(file.matches("aladdin", "open sesame"));
    EXPECT_FALSE(file.matches("", "open sesame"));
    EXPECT_FALSE(file.matches("sha256", "open sesame"));
}

// What mkpasswd makes with its greatest cost.
TEST(Passwords, HashesOfTheGreatestCostAreTaken) {
    EXPECT_NO_THROW(
        (void)http::password_file::parse("a:$y$jFT$k2XAnEHBqQ1Ct2aMXFKNa/$x\n"
                                         "b:$7$GU..../....k2XAnEHBqQ1Ct2aMXFKNa/$x\n"
                                         "c:$6$rounds=10000000$ferrysalt$x\n",
                                         "f"));
}

TEST(Passwords, WhatIsWrongIsSaidWithItsLine) {
    const std::pair<std::string_view, std::string_view> bad[] = {
        {"", "there is no name"},
        {"# nobody\n", "there is no name"},
        {"a\n", "f:1: want NAME:HASH"},
        {":x\n", "f:1: want NAME:HASH"},
        {"# x\n\na:plain\n", "f:3: this hash cannot be checked"},
        {"a:$2b$31$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy\n", "f:1: this hash takes too long"},
        {"a:$6$rounds=999999999$ferrysalt$0EEFBOsVPugJ\n", "f:1: this hash takes too long"},
        {"a:$5$rounds=99999999999999999999999$ferrysalt$T0\n", "f:1: this hash"},
        {"a:$y$jGT$k2XAnEHBqQ1Ct2aMXFKNa/$x\n", "f:1: this hash takes too long"},    // N twice that of 11
        {"a:$y$jFU$k2XAnEHBqQ1Ct2aMXFKNa/$x\n", "f:1: this hash takes too long"},    // r of 33
        {"a:$y$jz.T$k2XAnEHBqQ1Ct2aMXFKNa/$x\n", "f:1: this hash takes too long"},   // a number of two digits
        {"a:$y$j9T2.$k2XAnEHBqQ1Ct2aMXFKNa/$x\n", "f:1: this hash takes too long"},  // and more numbers
        {"a:$7$HU..../....k2XAnEHBqQ1Ct2aMXFKNa/$x\n", "f:1: this hash takes too long"},
        {"a:$7$CU..../.../k2XAnEHBqQ1Ct2aMXFKNa/$x\n", "f:1: this hash takes too long"},
        {"a:$apr1$salt$hash\n", "htpasswd -nB"},
        {"a:{SHA}abc\n", "f:1: this hash"},
        {"a:$2y$05$short\n", "f:1: this hash"},
        {"a:abJnggxhB/yWI\n", "f:1: this hash"},
    };
    for (const auto& [text, says] : bad) {
        try {
            (void)http::password_file::parse(text, "f");
            ADD_FAILURE() << text;
        } catch (const std::runtime_error& error) {
            EXPECT_NE(std::string_view(error.what()).find(says), std::string_view::npos) << error.what();
        }
    }
    const std::string twice = std::string(hashes) + "\n" + std::string(hashes);
    EXPECT_THROW((void)http::password_file::parse(twice, "f"), std::runtime_error);
    EXPECT_THROW((void)http::password_file::read("/nonexistent/passwords"), std::runtime_error);
}

TEST(Passwords, AreAskedFor) {
    http::test site(guarded());
    const auto asked = site.ask("GET", "/a");
    EXPECT_EQ(asked.status, 401u);
    EXPECT_EQ(asked.field("WWW-Authenticate"), "Basic realm=\"naru\", charset=\"UTF-8\"");
    EXPECT_EQ(site.ask("GET", "/a", "", right).body, "Aladdin");
    EXPECT_EQ(site.ask("GET", "/a", "", wrong).status, 401u);
    EXPECT_EQ(site.ask("GET", "/a", "", nobody).status, 401u);
    EXPECT_EQ(site.ask("POST", "/a", "a body", right).body, "a body");
    EXPECT_EQ(site.ask("POST", "/a", "a body", wrong).status, 401u);
    for (const char* const none : {"Basic", "Basic !", "Basic QWxhZGRpbg==", "Bearer x"})
        EXPECT_EQ(site.ask("GET", "/a", "", "Authorization: " + std::string(none) + "\r\n").status, 401u)
            << none;
}

TEST(Passwords, ThePrefixAlone) {
    http::password_options options;
    options.prefix = "/secret";
    options.realm = "vault";
    http::test site(guarded(options));
    EXPECT_EQ(site.ask("GET", "/public").status, 200u);
    EXPECT_EQ(site.ask("GET", "/secret").field("WWW-Authenticate"),
              "Basic realm=\"vault\", charset=\"UTF-8\"");
}

TEST(Passwords, RightOnesAreRememberedAndGuessesAreCounted) {
    http::password_options options;
    options.attempts = {0.001, 2};
    http::test site(guarded(options));
    for (int each = 0; each < 5; ++each)
        EXPECT_EQ(site.ask("GET", "/a", "", right).body, "Aladdin") << "hashed once";
    EXPECT_EQ(site.ask("GET", "/a", "", wrong).status, 401u);
    const auto refused = site.ask("GET", "/a", "", wrong);
    EXPECT_EQ(refused.status, 429u);
    EXPECT_NE(refused.field("Retry-After"), "");
    EXPECT_EQ(site.ask("GET", "/a", "", right).body, "Aladdin") << "who is remembered does not guess";
    EXPECT_EQ(site.ask("GET", "/a").status, 401u) << "nor does who says nothing";
}

TEST(Passwords, AreForgottenAfterTheirTime) {
    http::password_options options;
    options.remembered = std::chrono::seconds(0);
    options.attempts = {0.001, 2};
    http::test site(guarded(options));
    EXPECT_EQ(site.ask("GET", "/a", "", right).status, 200u);
    EXPECT_EQ(site.ask("GET", "/a", "", right).status, 200u);
    EXPECT_EQ(site.ask("GET", "/a", "", right).status, 429u);
}

}  // namespace
}  // namespace naru::testing
