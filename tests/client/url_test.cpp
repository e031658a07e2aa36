// URLs, and what the client says of its errors.
#include <naru/http/client/client_error.hpp>
#include <naru/http/client/client_request.hpp>
#include <naru/http/client/url.hpp>

#include <gtest/gtest.h>

#include <string>

namespace naru::http {
namespace {

std::string parsed(std::string_view text) {
    const auto made = url::parse(text);
    return made ? made->text() : std::string("error: ") + made.error();
}
std::string resolved(std::string_view base, std::string_view reference) {
    const auto made = url::parse(base).value().resolve(reference);
    return made ? made->text() : std::string("error: ") + made.error();
}

TEST(Url, IsTakenApart) {
    const url one = url::parse("HTTP://Example.ORG:8080/Path/x?q=1#part").value();
    EXPECT_EQ(one.host(), "example.org");
    EXPECT_EQ(one.port(), 8080);
    EXPECT_EQ(one.target(), "/Path/x?q=1");
    EXPECT_EQ(one.authority(), "example.org:8080");
    EXPECT_EQ(one.origin(), "http://example.org:8080");
    EXPECT_FALSE(one.secure());
    const url six = url::parse("https://[2001:DB8::1]").value();
    EXPECT_EQ(six.host(), "2001:db8::1");
    EXPECT_EQ(six.port(), 443);
    EXPECT_EQ(six.authority(), "[2001:db8::1]");
    EXPECT_EQ(six.target(), "/");
    EXPECT_TRUE(six.secure());
    EXPECT_EQ(parsed("http://[::1]:81?q"), "http://[::1]:81/?q");
    EXPECT_EQ(parsed("http://a:80"), "http://a/");
    EXPECT_EQ(parsed("http://a:/x"), "http://a/x");
    EXPECT_EQ(parsed("https://a:80/"), "https://a:80/");
    EXPECT_EQ(parsed("http://a/../b/./c/.."), "http://a/b/");
    EXPECT_EQ(parsed("http://a/b\\c\"<>"), "http://a/b%5Cc%22%3C%3E");
    EXPECT_EQ(parsed("http://a/%41%zz"), "http://a/%41%zz");
    EXPECT_TRUE(url::parse("http://a/x").value().same_origin(url::parse("http://A:80/y").value()));
    EXPECT_FALSE(url::parse("http://a/x").value().same_origin(url::parse("https://a:80/x").value()));
}

TEST(Url, ThatIsNoneIsRefused) {
    for (const char* const wrong : {"",
                                    "a",
                                    "/x",
                                    "//a/",
                                    "http",
                                    "http:",
                                    "http:/a",
                                    "http://",
                                    "http://:80/",
                                    "http://?q",
                                    "file:///x",
                                    "http://a@b/",
                                    "http://a:b@c/",
                                    "http://a\\@b/",
                                    "http://a b/",
                                    "http://a/\n",
                                    "http://a/\x7f",
                                    "http://a:99999/",
                                    "http://a:-1/",
                                    "http://a:8x/",
                                    "http://[a]/",
                                    "http://[::1/",
                                    "http://::1/",
                                    "http://b\xc3\xbc/",
                                    " http://a/"}) {
        EXPECT_TRUE(parsed(wrong).starts_with("error: ")) << wrong << ": " << parsed(wrong);
    }
    EXPECT_TRUE(parsed("http://a/" + std::string(10'000, 'x')).starts_with("error: "));
}

// RFC 3986, section 5.4, as far as it is about http and leaves fragments away.
TEST(Url, ReferencesAreResolved) {
    const char* const base = "http://a/b/c/d;p?q";
    const char* const cases[][2] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {"g#s", "http://a/b/c/g"},
        {";x", "http://a/b/c/;x"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/../h", "http://a/b/c/h"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"https://x/y", "https://x/y"},
        {"g:h", "error: the URL does not begin with http:// or https://"},
    };
    for (const auto& [reference, expected] : cases)
        EXPECT_EQ(resolved(base, reference), expected) << reference;
    EXPECT_EQ(resolved("https://a:1/x", "//b/y"), "https://b/y");
}

TEST(ClientError, IsOneLine) {
    client_error error;
    error.step = client_step::connect;
    error.error = std::make_error_code(std::errc::connection_refused);
    error.url = "http://a/";
    error.peer = "127.0.0.1:80";
    error.after = std::chrono::microseconds(1'500);
    EXPECT_EQ(error.text(), "http://a/: connecting to 127.0.0.1:80: Connection refused, after 1.5 ms");
    error.step = client_step::head;
    error.detail = "no more";
    error.after = std::chrono::seconds(2);
    error.maybe_processed = true;
    EXPECT_EQ(error.text(),
              "http://a/: waiting for the answer (127.0.0.1:80): no more, after 2000 ms; the server may have "
              "acted on it");
}

// What a redirect makes of a request (RFC 9110, section 15.4).
TEST(ClientRequestText, AfterARedirect) {
    const url to = url::parse("http://a/").value();
    const auto head_after = [&](const char* method, unsigned status) {
        client_request what(method, "http://a/");
        what.body("x", "text/plain");
        what.follow(status);
        return what.head_text(to, "", false);
    };
    EXPECT_EQ(head_after("POST", 303), "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n");
    EXPECT_EQ(head_after("DELETE", 303), "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n");
    EXPECT_EQ(head_after("POST", 301), head_after("POST", 302));
    EXPECT_TRUE(head_after("POST", 302).starts_with("GET / "));
    EXPECT_TRUE(head_after("PATCH", 302).starts_with("PATCH / "));
    EXPECT_TRUE(head_after("POST", 307).ends_with("Content-Type: text/plain\r\nContent-Length: 1\r\n\r\n"));
}

}  // namespace
}  // namespace naru::http
