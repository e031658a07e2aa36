// From a path to a file, an index, a redirect or a listing; and never out of the root. On every engine.
#include "fixture.hpp"

#if !defined(_WIN32)
#include <sys/stat.h>
#include <sys/wait.h>
#endif

namespace naru::testing {
namespace {

class file_test : public http_server_test {
 protected:
#if defined(_WIN32)
    static constexpr bool all_names = false;  // no < > : " ? * and no bytes that are not UTF-8
#else
    static constexpr bool all_names = true;
#endif
};
NARU_ON_EVERY_ENGINE(file_test);

TEST_P(file_test, content_types_by_extension) {
    const std::pair<const char*, const char*> expected[] = {
        {"a.html", "text/html; charset=utf-8"},
        {"a.css", "text/css; charset=utf-8"},
        {"a.js", "text/javascript; charset=utf-8"},
        {"a.json", "application/json"},
        {"a.svg", "image/svg+xml"},
        {"a.PNG", "image/png"},
        {"a.b.wasm", "application/wasm"},
        {"noext", "application/octet-stream"},
        {".html", "application/octet-stream"},
        {"a.unknown", "application/octet-stream"},
    };
    for (const auto& [name, type] : expected)
        files_.write(name, "x");
    options_.dotfiles = true;
    start();
    client one = connect();
    for (const auto& [name, type] : expected)
        EXPECT_EQ(one.ask(get("/" + std::string(name)))["Content-Type"], type) << name;
}

TEST_P(file_test, types_that_are_given_go_before_the_table) {
    files_.write("a.ferry", "x");
    files_.write("a.vtt", "x");
    files_.write("dir/index.html", "x");
    options_.types = {{"ferry", "application/x-ferry"}, {"html", "text/plain"}};
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("/a.ferry"))["Content-Type"], "application/x-ferry");
    EXPECT_EQ(one.ask(get("/a.vtt"))["Content-Type"], "text/vtt; charset=utf-8");
    EXPECT_EQ(one.ask(get("/dir/"))["Content-Type"], "text/plain");
    options_.types = {{"ferry", "no type"}};
    EXPECT_THROW((void)options_.site(), std::runtime_error);
}

TEST_P(file_test, a_directory_with_an_index_is_its_index) {
    files_.write("index.html", "root");
    files_.write("a/b/index.html", "deep");
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("/")).body, "root");
    EXPECT_EQ(one.ask(get("/?query")).body, "root");
    EXPECT_EQ(one.ask(get("/a/b/")).body, "deep");
    EXPECT_EQ(one.ask(get("/a/./x/../b/")).body, "deep");
    EXPECT_EQ(one.ask(get("//a//b//")).body, "deep");
    EXPECT_EQ(one.ask(get("/a/b/"))["Content-Type"], "text/html; charset=utf-8");
    EXPECT_EQ(one.ask(get("/index.html/")).status, 404) << "a file is no directory";
}

TEST_P(file_test, a_directory_without_its_slash_is_redirected_and_never_elsewhere) {
    files_.write("dir/index.html", "x");
    files_.write("evil.example/index.html", "x");
    if (all_names) {
        files_.write("a <b>\"/index.html", "x");
        files_.write("q?x/index.html", "x");
    }
    start();
    client one = connect();
    const auto location = [&](std::string_view target) {
        const response got = one.ask(get(target));
        EXPECT_EQ(got.status, 301) << target;
        return got["Location"];
    };
    EXPECT_EQ(location("/dir"), "/dir/");
    EXPECT_EQ(location("/dir?a=b&c"), "/dir/?a=b&c");
    EXPECT_EQ(location("//evil.example"), "/evil.example/") << "or it would be another server";
    EXPECT_EQ(location("///evil.example?x"), "/evil.example/?x");
    EXPECT_EQ(location("/%2fevil.example"), "/evil.example/");
    EXPECT_EQ(location("http://elsewhere//evil.example"), "/evil.example/");
    EXPECT_EQ(location("/x/..//evil.example"), "/evil.example/");
    if (all_names) {
        EXPECT_EQ(location("/a%20%3Cb%3E%22"), "/a%20%3Cb%3E%22/");
        EXPECT_EQ(location("/q%3Fx?y"), "/q%3Fx/?y");
    }
    const response page = one.ask(get("/dir?\"><script>"));
    EXPECT_EQ(page.body.find("<script>"), std::string::npos) << "the query is escaped in the page";
    EXPECT_EQ(one.ask(request("HEAD", "/dir"), true).status, 301);
    EXPECT_EQ(one.ask(get("/dir/")).body, "x");
}

TEST_P(file_test, raw_utf8_in_a_path_is_taken_as_it_is) {
    const std::filesystem::path directory = files_.path() / std::u8string(u8"\u00fcml\u00e4ut");
    std::filesystem::create_directory(directory);
    std::ofstream(directory / std::u8string(u8"caf\u00e9.txt")) << "UTF-8";
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("/\xc3\xbcml\xc3\xa4ut/caf\xc3\xa9.txt")).body, "UTF-8");
    EXPECT_EQ(one.ask(get("/%C3%BCml%C3%A4ut/caf\xc3\xa9.txt")).body, "UTF-8");
    EXPECT_EQ(one.ask(get("/\xc3\xbcml\xc3\xa4ut?\xc3\xa9"))["Location"], "/%C3%BCml%C3%A4ut/?%C3%A9");
    EXPECT_EQ(one.ask(get("/\xff\x80")).status, 404);
}

TEST_P(file_test, a_listing_is_sorted_escaped_and_complete) {
    if (!all_names) GTEST_SKIP() << "this system has no names that need escaping";
    files_.write("d/z.txt", "12345");
    files_.write("d/a.txt", std::string(2048, 'x'));
    files_.write("d/<b>&\"'.txt", "");
    files_.write("d/space name", "1");
    files_.write("d/javascript:x", "1");
    files_.write("d/zdir/inner", "1");
    files_.write("d/\xff\xfe", "1");
    options_.listings = true;
    start();
    client one = connect();
    const response got = one.ask(get("/d/"));
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got["Content-Type"], "text/html; charset=utf-8");
    const std::string& page = got.body;
    const std::string in_order[] = {"<h1>/d/</h1>",
                                    "href=\"../\"",
                                    "href=\"./zdir/\">zdir/<",
                                    "href=\"./%3Cb%3E&amp;%22&#39;.txt\">&lt;b&gt;&amp;&quot;&#39;.txt<",
                                    "href=\"./a.txt\">a.txt<",
                                    "2.0 KiB",
                                    "href=\"./javascript%3Ax\"",
                                    "href=\"./space%20name\">space name<",
                                    "href=\"./z.txt\">z.txt<",
                                    "5 B",
                                    "href=\"./%FF%FE\""};
    std::size_t at = 0;
    for (const std::string& each : in_order) {
        const std::size_t found = page.find(each, at);
        ASSERT_NE(found, std::string::npos) << each << " in\n" << page;
        at = found + each.size();
    }
    EXPECT_EQ(page.find("<b>"), std::string::npos);
    EXPECT_EQ(one.ask(get("/d/%3Cb%3E&%22'.txt")).status, 200) << "the link leads to the file";
    EXPECT_EQ(one.ask(get("/d/%FF%FE")).body, "1");
    EXPECT_EQ(one.ask(request("HEAD", "/d/"), true)["Content-Length"], std::to_string(page.size()));
    EXPECT_EQ(one.ask(get("/")).body.find("href=\"../\""), std::string::npos) << "nothing is above the root";
}

TEST_P(file_test, the_cache_notices_what_changes) {
    files_.write("changes.txt", "old");
    files_.write("goes.txt", "here");
    files_.write("page.html", "plain");
    files_.write("d/index.html", "index");
    files_.write("large.bin", std::string(100'000, 'a'));
    options_.listings = true;
    start();
    client one = connect();
    const std::string asks_gzip = "Accept-Encoding: gzip\r\n";
    EXPECT_EQ(one.ask(get("/changes.txt")).body, "old");
    EXPECT_EQ(one.ask(get("/goes.txt")).body, "here");
    EXPECT_EQ(one.ask(get("/comes.txt")).status, 404);
    EXPECT_EQ(one.ask(get("/d/")).body, "index");
    EXPECT_EQ(one.ask(get("/large.bin")).body.front(), 'a');
    const response plain = one.ask(get("/page.html", asks_gzip));
    EXPECT_EQ(plain.body, "plain");
    EXPECT_FALSE(plain.has("Vary"));

    files_.write("changes.txt", "new!");
    files_.write("comes.txt", "there");
    files_.write("page.html.gz", "zipped");
    files_.write("large.bin", std::string(100'000, 'b'));
    std::filesystem::remove(files_.path() / "goes.txt");
    std::filesystem::remove(files_.path() / "d/index.html");
    EXPECT_EQ(one.ask(get("/comes.txt")).body, "there") << "what is not there is not kept";
    EXPECT_TRUE(eventually([&] { return one.ask(get("/changes.txt")).body == "new!"; }, 5s));
    EXPECT_TRUE(eventually([&] { return one.ask(get("/goes.txt")).status == 404; }, 5s));
    EXPECT_TRUE(eventually([&] { return one.ask(get("/page.html", asks_gzip)).body == "zipped"; }, 5s));
    EXPECT_TRUE(eventually([&] { return one.ask(get("/large.bin")).body.front() == 'b'; }, 5s));
    EXPECT_TRUE(
        eventually([&] { return one.ask(get("/d/")).body.find("<h1>/d/</h1>") != std::string::npos; }, 5s));
    EXPECT_EQ(one.ask(get("/page.html"))["Vary"], "Accept-Encoding");
}

#if !defined(_WIN32)  // its own ways out of the root: server_windows_test.cpp

TEST_P(file_test, nothing_outside_of_the_root) {
    const temporary_directory outside;
    outside.write("secret.txt", "SECRET");
    const std::string name = outside.path().filename().string();
    files_.write("dir/file", "inside");
    std::filesystem::create_symlink(outside.path() / "secret.txt", files_.path() / "absolute-link");
    std::filesystem::create_symlink("../" + name + "/secret.txt", files_.path() / "relative-link");
    std::filesystem::create_symlink("../" + name, files_.path() / "directory-link");
    std::filesystem::create_symlink("/proc/self/root", files_.path() / "magic-link");
    std::filesystem::create_symlink("loop", files_.path() / "loop");
    std::filesystem::create_symlink("dir/file", files_.path() / "inner-link");
    std::filesystem::create_symlink("../hello.txt", files_.path() / "dir/up-link");
    options_.listings = true;
    start();
    client one = connect();
    for (const std::string& target : {"/../" + name + "/secret.txt",
                                      "/%2e%2e/" + name + "/secret.txt",
                                      "/..%2f" + name + "/secret.txt",
                                      "/%2E./" + name + "/secret.txt",
                                      "/dir/../../" + name + "/secret.txt",
                                      "/dir/%2e%2e/%2e%2e/" + name + "/secret.txt",
                                      "/..\\" + name + "\\secret.txt",
                                      "/..%5c" + name + "%5csecret.txt",
                                      "/%c0%ae%c0%ae/" + name + "/secret.txt",
                                      "/%252e%252e/" + name + "/secret.txt",
                                      std::string("/absolute-link"),
                                      std::string("/relative-link"),
                                      std::string("/directory-link/secret.txt"),
                                      std::string("/directory-link/"),
                                      "/magic-link" + outside.path().string() + "/secret.txt",
                                      std::string("/loop"),
                                      std::string("/.."),
                                      std::string("/hello.txt%00.html"),
                                      std::string("/hello.txt%"),
                                      "/%2f" + name}) {
        const response got = one.ask(get(target));
        EXPECT_TRUE(got.status == 400 || got.status == 404) << got.status << ' ' << target;
        EXPECT_EQ(got.body.find("SECRET"), std::string::npos) << target;
        EXPECT_EQ(got.body.find("secret"), std::string::npos) << target;
    }
    // Nor does a listing tell of it.
    const std::string listing = one.ask(get("/")).body;
    for (const std::string_view link :
         {"absolute-link", "relative-link", "directory-link", "magic-link", "loop"})
        EXPECT_EQ(listing.find(link), std::string::npos) << link;
    EXPECT_NE(listing.find("inner-link"), std::string::npos) << listing;
    EXPECT_NE(one.ask(get("/dir/")).body.find("up-link"), std::string::npos);
    EXPECT_EQ(one.ask(get("/inner-link")).body, "inside");
    EXPECT_EQ(one.ask(get("/dir/up-link")).body, hello);
    EXPECT_EQ(one.ask(get("/dir/../hello.txt")).body, hello);
}

TEST_P(file_test, links_that_lead_back_in) {
    const temporary_directory outside;
    outside.write("shared.txt", "shared");
    const std::string root = files_.path().string();
    const std::string name = files_.path().filename().string();
    files_.write("dir/file", "inside");
    std::filesystem::create_symlink(root + "/dir/file", files_.path() / "absolute");
    std::filesystem::create_symlink(root, files_.path() / "dir/all");
    std::filesystem::create_symlink("../" + name + "/dir/all/absolute", files_.path() / "around");
    std::filesystem::create_symlink("file", files_.path() / "dir/plain");
    std::filesystem::create_symlink(outside.path() / "shared.txt", files_.path() / "shared");
    using links = directory_root::links;
    for (const links how : {links::inside, links::any, links::none}) {
        options_.links = how;
        start();
        client one = connect();
        for (const char* const each : {"/absolute", "/dir/all/dir/file", "/around", "/dir/plain"}) {
            const response got = one.ask(get(each));
            EXPECT_EQ(got.status, how == links::none ? 404u : 200u) << each;
            if (how != links::none) {
                EXPECT_EQ(got.body, "inside") << each;
            }
        }
        EXPECT_EQ(one.ask(get("/shared")).status, how == links::any ? 200u : 404u);
        stop();
    }
    options_.links = links::inside;
    options_.link_targets = {outside.path().string()};
    start();
    EXPECT_EQ(ask(get("/shared")).body, "shared");
    EXPECT_EQ(ask(get("/around")).body, "inside");
}

TEST_P(file_test, only_files_are_read) {
    checked(::mkfifo((files_.path() / "fifo").c_str(), 0644), "mkfifo");
    checked(::mkfifo((files_.path() / "fifo.html.gz").c_str(), 0644), "mkfifo");
    files_.write("fifo.html", "page");
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("/fifo")).status, 403);
    EXPECT_EQ(one.ask(get("/fifo.html", "Accept-Encoding: gzip\r\n")).body, "page");
    EXPECT_EQ(one.ask(get("/" + std::string(300, 'x'))).status, 404) << "longer than a name can be";
}

// In a child process, because root may read everything: it becomes somebody else before it makes the server.
TEST_P(file_test, what_may_not_be_read_is_forbidden) {
    files_.write("closed.txt", "x");
    files_.write("closed-dir/file", "x");
    files_.write("open.html", "page");
    files_.write("open.html.gz", "x");
    for (const char* name : {"closed.txt", "closed-dir", "open.html.gz"})
        checked(::chmod((files_.path() / name).c_str(), 0), "chmod");
    const pid_t child = checked(::fork(), "fork");
    if (child == 0) {
        int wrong = 1;
        try {
            if (::geteuid() == 0 && ::setuid(65'534) != 0) ::_exit(2);
            start();
            client one = connect();
            wrong = 0;
            const auto expect = [&](bool good, int code) { wrong = wrong == 0 && !good ? code : wrong; };
            expect(one.ask(get("/closed.txt")).status == 403, 3);
            expect(one.ask(get("/closed-dir/file")).status == 403, 4);
            expect(one.ask(get("/closed-dir/")).status == 403, 5);
            expect(one.ask(get("/open.html", "Accept-Encoding: gzip\r\n")).body == "page", 6);
            expect(one.ask(get("/hello.txt")).body == hello, 7);
            stop();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
        }
        ::_exit(wrong);
    }
    int status = 0;
    checked(::waitpid(child, &status, 0), "waitpid");
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << "which expectation, see above";
    std::filesystem::permissions(files_.path() / "closed-dir", std::filesystem::perms::owner_all);
}

#endif

}  // namespace
}  // namespace naru::testing
