// The ways round a document root that Windows' own names would open. On other systems they are names like any
// other, of files that are not there: nothing of the secret may be seen anywhere.
#include "fixture.hpp"

namespace naru::testing {
namespace {

class windows_path_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        outside_.write("secret.txt", "SECRET");
        files_.write("page.html", "page");
        files_.write("a long directory/inner.txt", "inner");
    }

    void expect_refused(const std::string& target) {
        const response got = ask(get(target));
        EXPECT_TRUE(got.status == 400 || got.status == 404) << got.status << ' ' << target;
        EXPECT_EQ(got.body.find("SECRET"), std::string::npos) << target;
        EXPECT_NE(got.body, "page") << target;
        EXPECT_NE(got.body, "inner") << target;
    }

    temporary_directory outside_;
};
NARU_ON_EVERY_ENGINE(windows_path_test);

TEST_P(windows_path_test, dots_and_backslashes) {
    start();
    const std::string name = outside_.path().filename().string();
    for (const std::string& target :
         {"/../" + name + "/secret.txt", "/%2e%2e/" + name + "/secret.txt", "/..%2f" + name + "/secret.txt",
          "/..\\" + name + "\\secret.txt", "/..%5c" + name + "%5csecret.txt",
          "/page.html\\..\\..\\" + name + "\\secret.txt", "/..%20./" + name + "/secret.txt",
          "/.../" + name + "/secret.txt", "/..%20/" + name + "/secret.txt",
          "/%c0%ae%c0%ae/" + name + "/secret.txt", std::string("/page.html%00.txt"),
          std::string("/page.html%5c")})
        expect_refused(target);
}

TEST_P(windows_path_test, drives_shares_and_devices) {
    start();
    const std::string secret = (outside_.path() / "secret.txt").generic_string();
    for (const std::string& target :
         {"/" + secret, "//" + secret, "/%43%3a" + secret, std::string("/C:/windows/win.ini"),
          std::string("/c:page.html"), std::string("/Z%3A/etc/passwd"),
          std::string("//%3f/C:/windows/win.ini"), std::string("//./C:/windows/win.ini"),
          std::string("//localhost/C$/windows/win.ini"), std::string("/GLOBALROOT/Device"),
          std::string("/CON"), std::string("/nul"), std::string("/NUL.html"), std::string("/aux.txt"),
          std::string("/a%20long%20directory/com1"), std::string("/lpt1/page.html"), std::string("/conin$")})
        expect_refused(target);
}

TEST_P(windows_path_test, second_names_of_a_file) {
    start();
    EXPECT_EQ(ask(get("/page.html")).body, "page");
    for (const std::string target :
         {"/page.html.", "/page.html%20", "/page.html...", "/page.html::$DATA", "/page.html:%24DATA",
          "/page.html:stream", "/a%20long%20directory./inner.txt", "/a%20long%20directory%20/inner.txt",
          "/ALONGD~1/inner.txt", "/along~1/inner.txt", "/PAGE~1.HTM",
          "/a%20long%20directory::$INDEX_ALLOCATION/",
          "/a%20long%20directory:$I30:$INDEX_ALLOCATION/inner.txt"})
        expect_refused(target);
    EXPECT_EQ(ask(get("/a%20long%20directory/inner.txt")).body, "inner");
}

}  // namespace
}  // namespace naru::testing
