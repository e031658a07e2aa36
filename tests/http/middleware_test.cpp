// What stands before handlers.
#include <naru/http/http.hpp>
#include <naru/testing/http.hpp>

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace naru::testing {
namespace {

using http::exchange;

http::site hello_site() {
    http::site made;
    made.get("/hello", [](exchange& x) noexcept { x.respond(200, "text/plain", "Hello!"); });
    return made;
}

TEST(Middleware, OriginsThatMayRead) {
    http::site made = hello_site();
    http::cors_options options;
    options.origins = {"https://a.example"};
    options.fields = "X-A";
    options.credentials = true;
    http::cors(options).add_to(made);
    http::test site(std::move(made));
    const auto preflight = site.ask("OPTIONS", "/hello", "",
                                    "Origin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n");
    EXPECT_EQ(preflight.status, 204u);
    EXPECT_EQ(preflight.field("Access-Control-Allow-Origin"), "https://a.example");
    EXPECT_EQ(preflight.field("Access-Control-Allow-Headers"), "X-A");
    EXPECT_EQ(preflight.field("Access-Control-Max-Age"), "600");
    const auto good = site.ask("GET", "/hello", "", "Origin: https://a.example\r\n");
    EXPECT_EQ(good.field("Access-Control-Allow-Origin"), "https://a.example");
    EXPECT_EQ(good.field("Access-Control-Allow-Credentials"), "true");
    EXPECT_EQ(good.field("Vary"), "Origin");
    for (const char* const other : {"Origin: https://b.example\r\n", "Origin: null\r\n", ""})
        EXPECT_EQ(site.ask("GET", "/hello", "", other).field("Access-Control-Allow-Origin"), "") << other;
    const auto refused = site.ask("OPTIONS", "/hello", "",
                                  "Origin: https://b.example\r\nAccess-Control-Request-Method: PUT\r\n");
    EXPECT_EQ(refused.field("Access-Control-Allow-Methods"), "");
    options.origins = {"*"};
    EXPECT_THROW(http::cors{options}, std::invalid_argument);
}

TEST(Middleware, FieldsOfAnswers) {
    http::site made = hello_site();
    made.get("/own",
             [](exchange& x) noexcept {
                 x.add("Cache-Control", "no-store")
                     .add("X-Frame-Options", "DENY")
                     .respond(200, "text/plain", "own");
             })
        .on_head(http::cache_control({{"/hello", "max-age=60"}, {"/", "no-cache"}}))
        .on_head(http::security_headers());
    http::test site(std::move(made));
    const auto hello = site.ask("GET", "/hello");
    EXPECT_EQ(hello.field("Cache-Control"), "max-age=60");
    EXPECT_EQ(hello.field("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(hello.field("X-Frame-Options"), "SAMEORIGIN");
    EXPECT_EQ(site.ask("GET", "/own").field("Cache-Control"), "no-store");
    EXPECT_EQ(site.ask("GET", "/own").field("X-Frame-Options"), "DENY");
    EXPECT_EQ(site.ask("GET", "/missing").field("Cache-Control"), "");
    EXPECT_EQ(site.ask("GET", "/missing").field("X-Content-Type-Options"), "nosniff");
}

TEST(Middleware, ANameAndAPassword) {
    http::site made = hello_site();
    made.get("/secret/name",
             [](exchange& x) noexcept { x.respond(200, "text/plain", x.value<http::authenticated>().name); })
        .before(http::basic_auth(
            "vault",
            [](std::string_view name, std::string_view password) {
                return name == "Aladdin" && http::same_secret(password, "open sesame");
            },
            "/secret/"));
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/hello").status, 200u);
    const auto asked = site.ask("GET", "/secret/name");
    EXPECT_EQ(asked.status, 401u);
    EXPECT_EQ(asked.field("WWW-Authenticate"), "Basic realm=\"vault\", charset=\"UTF-8\"");
    EXPECT_EQ(
        site.ask("GET", "/secret/name", "", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n").body,
        "Aladdin");
    EXPECT_EQ(
        site.ask("GET", "/secret/../secret/name", "", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==\r\n")
            .status,
        200u)
        << "bits behind the end do not matter";
    for (const char* const wrong :
         {"Basic", "Basic !", "Basic QWxhZGRpbg==", "Basic QWxhZGRpbjp4", "Bearer x"})
        EXPECT_EQ(site.ask("GET", "/secret/name", "", "Authorization: " + std::string(wrong) + "\r\n").status,
                  401u)
            << wrong;
}

TEST(Middleware, Base64) {
    EXPECT_EQ(http::decode_base64("").value(), "");
    EXPECT_EQ(http::decode_base64("Zg==").value(), "f");
    EXPECT_EQ(http::decode_base64("Zm8=").value(), "fo");
    EXPECT_EQ(http::decode_base64("Zm9vYg==").value(), "foob");
    for (const char* const wrong : {"Z", "Zg", "Zg=", "Zg=a", "=Zg=", "Z===", "Zm9v!A=="})
        EXPECT_FALSE(http::decode_base64(wrong)) << wrong;
}

TEST(Middleware, Cookies) {
    http::site made;
    made.get("/good",
             [](exchange& x) noexcept {
                 http::cookie_options options;
                 options.max_age = std::chrono::seconds(60);
                 http::set_cookie(x, "id", "a1", options);
                 x.respond(204);
             })
        .get("/bad", [](exchange& x) noexcept {
            http::set_cookie(x, "id", "a; Domain=b");
            x.respond(204);
        });
    http::test site(std::move(made));
    EXPECT_EQ(site.ask("GET", "/good").field("Set-Cookie"),
              "id=a1; Path=/; Max-Age=60; SameSite=Lax; Secure; HttpOnly");
    EXPECT_EQ(site.ask("GET", "/bad").status, 500u);
}

TEST(Middleware, WhoHasItAlready) {
    http::site made;
    made.get("/page", [](exchange& x) noexcept { http::respond_if_changed(x, "text/plain", "the page"); });
    http::test site(std::move(made));
    const auto first = site.ask("GET", "/page");
    EXPECT_EQ(first.body, "the page");
    const std::string tag(first.field("ETag"));
    const auto again = site.ask("GET", "/page", "", "If-None-Match: \"x\", W/" + tag + "\r\n");
    EXPECT_EQ(again.status, 304u);
    EXPECT_EQ(again.field("ETag"), tag);
    EXPECT_EQ(site.ask("GET", "/page", "", "If-None-Match: \"x\"\r\n").status, 200u);
}

}  // namespace
}  // namespace naru::testing
