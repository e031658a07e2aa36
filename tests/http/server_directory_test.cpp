// Directories: which one is the root, what is shown of one, and who may see it. On every engine.
#include "fixture.hpp"

#include <naru/fs/files.hpp>

#include <functional>

#if !defined(_WIN32)
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace naru::testing {
namespace {

class directory_test : public http_server_test {
 protected:
    /// Whether `target` becomes `body`, or goes if there is none.
    bool becomes(client& of, std::string_view target, std::string_view body) {
        return eventually([&] {
            const response got = of.ask(get(target));
            return body.empty() ? got.status == 404 : got.body == body;
        });
    }
};
NARU_ON_EVERY_ENGINE(directory_test);

TEST_P(directory_test, listings_are_off_by_default) {
    files_.write("d/file", "1");
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("/d/")).status, 403);
    EXPECT_EQ(one.ask(get("/d")).status, 301);
    EXPECT_EQ(one.ask(get("/d/file")).body, "1");
    EXPECT_EQ(one.ask(get("/missing/")).status, 404);
    EXPECT_EQ(one.ask(get("/hello.txt/")).status, 404);
}

TEST_P(directory_test, dotfiles_are_not_there_unless_asked_for) {
    for (const char* name : {".env", ".git/config", "d/.hidden", "d/.git/x", ".well-known/acme/token",
                             ".well-known/.secret", "d/.well-known/x", "d/plain"})
        files_.write(name, "content");
    options_.listings = true;
    const std::string hidden[] = {"/.env",        "/.git/config",     "/.git/",
                                  "/.git",        "/d/.hidden",       "/%2eenv",
                                  "/d/%2Ehidden", "/.//.env",         "/.well-known/.secret",
                                  "/d/.git/x",    "/d/.well-known/x", "/missing/../.env"};
    start();
    {
        client one = connect();
        for (const std::string& target : hidden)
            EXPECT_EQ(one.ask(get(target)).status, 404) << target;
        EXPECT_EQ(one.ask(get("/.well-known/acme/token")).body, "content");
        EXPECT_NE(one.ask(get("/.well-known/")).body.find("acme/"), std::string::npos);
        const std::string top = one.ask(get("/")).body;
        EXPECT_EQ(top.find(".env"), std::string::npos);
        EXPECT_EQ(top.find(".git"), std::string::npos);
        EXPECT_NE(top.find(".well-known"), std::string::npos);
        const std::string below = one.ask(get("/d/")).body;
        EXPECT_EQ(below.find(".hidden"), std::string::npos);
        EXPECT_EQ(below.find(".well-known"), std::string::npos);
        EXPECT_NE(below.find("plain"), std::string::npos);
    }
    stop();
    options_.dotfiles = true;
    start();
    client one = connect();
    for (const char* target : {"/.env", "/.git/config", "/d/.hidden", "/.well-known/.secret"})
        EXPECT_EQ(one.ask(get(target)).body, "content") << target;
    EXPECT_NE(one.ask(get("/")).body.find(".env"), std::string::npos);
}

TEST_P(directory_test, a_fallback_answers_where_nothing_is) {
    files_.write("index.html", "the application");
    files_.write("app.js", "code");
    files_.write("d/page", "1");
    options_.fallback = "index.html";
    start();
    client one = connect();
    for (const char* target :
         {"/", "/people/7", "/missing.js", "/people/", "/hello.txt/x", "/people/7?tab=2"}) {
        const response got = one.ask(get(target));
        EXPECT_EQ(got.status, 200) << target;
        EXPECT_EQ(got.body, "the application") << target;
        EXPECT_EQ(got["Content-Type"], "text/html; charset=utf-8") << target;
    }
    EXPECT_EQ(one.ask(get("/app.js")).body, "code");
    EXPECT_EQ(one.ask(get("/d")).status, 301);
    EXPECT_EQ(one.ask(get("/d/")).status, 403);
    EXPECT_EQ(one.ask(get("/.env")).status, 404);
    const response first = one.ask(get("/people/8"));
    EXPECT_EQ(one.ask(get("/people/9", "If-None-Match: " + std::string(first["ETag"]) + "\r\n")).status, 304);
    one.send(get("/people/1") + get("/app.js") + get("/people/2"));
    for (const char* body : {"the application", "code", "the application"})
        EXPECT_EQ(one.read().body, body);
    std::filesystem::remove(files_.path() / "index.html");
    EXPECT_TRUE(becomes(one, "/people/7", ""));
}

TEST(directory, a_fallback_is_a_file_beneath_it) {
    const temporary_directory files;
    for (const char* wrong : {"/index.html", "pages/", "missing.html", "../outside"})
        EXPECT_THROW(http::files(files.path().string(), {.fallback = wrong}), std::runtime_error) << wrong;
}

TEST_P(directory_test, an_older_sibling_is_not_sent) {
    files_.write("page.html", "new page");
    files_.write("page.html.gz", "of the old page");
    files_.write("page.html.br", "of this page");
    files_.touch("page.html", 1'700'000'000);
    files_.touch("page.html.gz", 1'699'999'999);
    files_.touch("page.html.br", 1'700'000'000);  // compressors keep the time
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("/page.html", "Accept-Encoding: gzip\r\n")).body, "new page");
    EXPECT_EQ(one.ask(get("/page.html", "Accept-Encoding: gzip, br\r\n")).body, "of this page");
    files_.write("page.html", "newest page");
    EXPECT_TRUE(eventually([&] {
        const response got = one.ask(get("/page.html", "Accept-Encoding: gzip, br\r\n"));
        return got.body == "newest page" && !got.has("Vary");
    }));
    files_.write("page.html.gz", "of the newest");
    EXPECT_TRUE(eventually(
        [&] { return one.ask(get("/page.html", "Accept-Encoding: gzip\r\n")).body == "of the newest"; }));
}

TEST(directory, the_first_of_many_entries_by_name_and_not_by_chance) {
    const temporary_directory files;
    for (int each = 0; each < 40; ++each)
        files.write("f" + std::to_string(100 + (each * 7) % 40), "x");
    files.write("z-dir/inner", "x");
    const auto root = directory_root::open(files.path().string());
    ASSERT_TRUE(root);
    const auto itself = root->open_beneath("", directory_root::blocking::yes, directory_root::purpose::look);
    ASSERT_TRUE(itself);
    const auto names = [&](std::size_t limit, bool& cut) {
        const auto listing =
            read_directory(*root, "", *itself, limit, [](std::string_view name) { return name != "f101"; });
        std::string all;
        for (const directory_entry& each : listing->entries)
            all += each.name + (each.status.kind == file_kind::directory ? "/ " : " ");
        cut = listing->cut;
        return all;
    };
    bool cut = false;
    EXPECT_EQ(names(4, cut), "z-dir/ f100 f102 f103 ");
    EXPECT_TRUE(cut);
    EXPECT_TRUE(names(40, cut).ends_with(" f139 "));
    EXPECT_FALSE(cut);
    EXPECT_EQ(names(39, cut).find("f139"), std::string::npos);
    EXPECT_TRUE(cut);
    EXPECT_EQ(names(0, cut), "");
    EXPECT_TRUE(cut);
}

#if !defined(_WIN32)

TEST_P(directory_test, a_name_with_a_backslash_is_a_name) {
    options_.listings = true;
    files_.write("d/a\\b", "content");
    files_.write("d/..\\c", "content");
    start();
    client one = connect();
    const std::string page = one.ask(get("/d/")).body;
    EXPECT_NE(page.find("href=\"./a%5Cb\""), std::string::npos) << page;
    EXPECT_EQ(one.ask(get("/d/a%5Cb")).body, "content");
    EXPECT_EQ(one.ask(get("/d/..%5cc")).status, 404) << "it begins with a dot";
    EXPECT_EQ(one.ask(get("/d/a\\b")).status, 400) << "some take it for a slash";
}

// As deployments do it: a symbolic link that is replaced in one step.
TEST_P(directory_test, a_root_behind_a_changed_link_is_followed) {
    const temporary_directory site;
    for (const std::string release : {"r1", "r2"}) {
        site.write(release + "/page.txt", release);
        site.write(release + "/d/index.html", release + " index");
        site.write(release + "/large.bin", release + std::string(100'000, 'x'));
    }
    site.write("r1/only-old.txt", "r1");
    site.write("r2/only-new.txt", "r2");
    std::filesystem::create_directory_symlink("r1", site.path() / "current");
    options_.root = (site.path() / "current").string();
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("/page.txt")).body, "r1");
    EXPECT_EQ(one.ask(get("/d/")).body, "r1 index");
    EXPECT_EQ(one.ask(get("/only-old.txt")).body, "r1");
    EXPECT_TRUE(one.ask(get("/large.bin")).body.starts_with("r1"));
    std::filesystem::create_directory_symlink("r2", site.path() / "next");
    std::filesystem::rename(site.path() / "next", site.path() / "current");
    EXPECT_TRUE(becomes(one, "/page.txt", "r2"));
    EXPECT_EQ(one.ask(get("/d/")).body, "r2 index") << "all of it, once one is seen";
    EXPECT_TRUE(one.ask(get("/large.bin")).body.starts_with("r2"));
    EXPECT_EQ(one.ask(get("/only-old.txt")).status, 404);
    EXPECT_EQ(one.ask(get("/only-new.txt")).body, "r2");
}

TEST_P(directory_test, a_root_that_is_made_anew_is_followed) {
    const temporary_directory site;
    site.write("root/page.txt", "old");
    options_.root = (site.path() / "root").string();
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("/page.txt")).body, "old");
    std::filesystem::remove_all(site.path() / "root");
    EXPECT_TRUE(becomes(one, "/page.txt", ""));
    site.write("root/page.txt", "new");
    EXPECT_TRUE(becomes(one, "/page.txt", "new"));
    std::filesystem::rename(site.path() / "root", site.path() / "away");
    site.write("root/page.txt", "newer");
    EXPECT_TRUE(becomes(one, "/page.txt", "newer"));
}

class in_a_child {
 public:
    /// Runs `body` in a process of its own, which it may change as it likes; what it returns.
    explicit in_a_child(const std::function<int()>& body) {
        const pid_t child = checked(::fork(), "fork");
        if (child == 0) {
            int wrong = 99;
            try {
                wrong = body();
            } catch (const std::exception& error) {
                std::fprintf(stderr, "%s\n", error.what());
            }
            ::_exit(wrong);
        }
        int ended = 0;
        checked(::waitpid(child, &ended, 0), "waitpid");
        status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 100;
    }
    int status = 0;
};

#if defined(__linux__)
TEST_P(directory_test, what_is_mounted_over_the_root_is_followed) {
    constexpr int not_permitted = 50;
    const temporary_directory site;
    site.write("root/page.txt", "beneath");
    site.write("other/page.txt", "over it");
    options_.root = (site.path() / "root").string();
    const in_a_child child([&] {
        const std::string other = (site.path() / "other").string();
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
            return not_permitted;
        start();
        client one = connect();
        if (one.ask(get("/page.txt")).body != "beneath") return 1;
        if (::mount(other.c_str(), options_.root.c_str(), nullptr, MS_BIND, nullptr) != 0)
            return not_permitted;
        if (!becomes(one, "/page.txt", "over it")) return 2;
        if (::umount2(options_.root.c_str(), MNT_DETACH) != 0) return 3;
        if (!becomes(one, "/page.txt", "beneath")) return 4;
        stop();
        return 0;
    });
    if (child.status == not_permitted) GTEST_SKIP() << "no mounts here";
    EXPECT_EQ(child.status, 0) << "see above";
}
#endif

TEST_P(directory_test, a_relative_root_stays_where_it_was) {
    const temporary_directory elsewhere;
    files_.write("root/page.txt", "page");
    const in_a_child child([&] {
        std::filesystem::current_path(files_.path());
        options_.root = "root";
        start();
        std::filesystem::current_path(elsewhere.path());
        std::filesystem::rename(files_.path() / "root", files_.path() / "old");
        files_.write("root/page.txt", "new page");
        client one = connect();
        const bool good = becomes(one, "/page.txt", "new page");
        stop();
        return good ? 0 : 1;
    });
    EXPECT_EQ(child.status, 0);
}

// In a child process, because root may read everything: it becomes somebody else before it makes the server.
TEST_P(directory_test, a_directory_need_not_be_readable_to_be_served) {
    options_.listings = true;
    files_.write("site/index.html", "root index");
    files_.write("site/d/index.html", "index");
    files_.write("site/d/page.txt", "page");
    files_.write("site/bare/file", "x");
    files_.write("site/closed/index.html", "x");
    files_.write("site/private/index.html", "x");
    const std::filesystem::path site = files_.path() / "site";
    for (const char* name : {"", "d", "bare"})
        checked(::chmod((site / name).c_str(), 0711), "chmod");
    checked(::chmod((site / "closed/index.html").c_str(), 0), "chmod");
    checked(::chmod((site / "private").c_str(), 0600), "chmod");
    checked(::chmod(files_.path().c_str(), 0755), "chmod");
    options_.root = site.string();
    const in_a_child child([&] {
        const bool was_root = ::geteuid() == 0;
        if (was_root && ::setuid(65'534) != 0) return 1;
        if (!was_root) return 50;  // the owner may read its own
        start();
        client one = connect();
        if (one.ask(get("/")).body != "root index") return 2;
        if (one.ask(get("/d/")).body != "index") return 3;
        if (one.ask(get("/d")).status != 301) return 4;
        if (one.ask(get("/d/page.txt")).body != "page") return 5;
        if (one.ask(get("/bare/")).status != 403) return 6;
        if (one.ask(get("/bare/file")).body != "x") return 7;
        if (one.ask(get("/closed/")).status != 403) return 8;  // not its listing
        if (one.ask(get("/private/")).status != 403) return 9;
        stop();
        return 0;
    });
    std::filesystem::permissions(site / "private", std::filesystem::perms::owner_all);
    if (child.status == 50) GTEST_SKIP() << "wants root";
    EXPECT_EQ(child.status, 0) << "which expectation, see above";
}

#endif

}  // namespace
}  // namespace naru::testing
