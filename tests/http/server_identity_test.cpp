// By what a document is told from another one: tags made of content, times that are none, on every engine.
#include "fixture.hpp"

#include <map>
#include <set>

namespace naru::testing {
namespace {

class identity_test : public http_server_test {
 protected:
    std::string tag_of(std::string_view target, std::string_view fields = {}) {
        return ask(request("HEAD", target, fields), true)["ETag"];
    }
    /// Written over where it stands, with the times that it had: only its status tells.
    void overwrite(const std::string& name, std::string_view text, std::int64_t time) const {
        std::ofstream(files_.path() / name, std::ios::binary) << text;
        files_.touch(name, time);
    }
};
NARU_ON_EVERY_ENGINE(identity_test);

// As package stores and images make them: every file of the same time.
TEST_P(identity_test, other_content_of_the_same_size_and_time_has_another_tag) {
    const std::size_t sizes[] = {1, 5'000, 65'536, 65'537, 200'000, 300'000, 1'048'576};
    for (const std::size_t size : sizes) {
        const std::string name = std::to_string(size) + ".bin";
        std::string text = pattern(size);
        files_.write("a/" + name, text);
        files_.write("copy/" + name, text);
        text.back() = static_cast<char>(text.back() ^ 1);
        files_.write("b/" + name, text);
        for (const char* directory : {"a/", "b/"})
            files_.touch(directory + name, hello_time);
        files_.touch("copy/" + name, hello_time + 1);
    }
    start();
    std::map<std::string, std::string> tags;
    for (const std::size_t size : sizes) {
        const std::string name = std::to_string(size) + ".bin";
        tags[name] = tag_of("/a/" + name);
        EXPECT_NE(tags[name], "");
        EXPECT_NE(tags[name], tag_of("/b/" + name)) << name;
        EXPECT_EQ(tags[name], tag_of("/copy/" + name)) << name << ": a replica's";
        const std::string condition = "If-None-Match: " + tags[name] + "\r\n";
        EXPECT_EQ(ask(get("/copy/" + name, condition)).status, 304);
        EXPECT_EQ(ask(get("/b/" + name, condition)).status, 200);
        const response part = ask(get("/a/" + name, "Range: bytes=0-0\r\nIf-Range: " + tags[name] + "\r\n"));
        EXPECT_EQ(part.status, 206);
        EXPECT_EQ(part["ETag"], tags[name]);
    }
    stop();
    start();
    for (const auto& [name, tag] : tags)
        EXPECT_EQ(tag_of("/a/" + name), tag) << name << ", after a restart";
}

TEST_P(identity_test, larger_files_are_told_by_size_and_time) {
    options_.hash_up_to = 1'000;
    for (const char* name : {"a.bin", "b.bin", "c.bin"}) {
        files_.write(name, std::string(1'001, name[0]));
        files_.touch(name, name[0] == 'c' ? hello_time + 1 : hello_time);
    }
    files_.write("small.bin", std::string(1'000, 'x'));
    files_.write("other.bin", std::string(1'000, 'y'));
    for (const char* name : {"small.bin", "other.bin"})
        files_.touch(name, hello_time);
    start();
    EXPECT_EQ(tag_of("/a.bin"), tag_of("/b.bin")) << "whatever is kept in memory";
    EXPECT_NE(tag_of("/a.bin"), tag_of("/c.bin"));
    EXPECT_NE(tag_of("/small.bin"), tag_of("/other.bin"));
}

TEST_P(identity_test, each_coding_has_its_own_tag_even_with_the_same_bytes) {
    for (const char* name : {"page.html", "page.html.gz", "page.html.br", "page.html.zst"}) {
        files_.write(name, "the same bytes");
        files_.touch(name, hello_time);
    }
    start();
    const std::set<std::string> tags = {
        tag_of("/page.html"), tag_of("/page.html", "Accept-Encoding: gzip\r\n"),
        tag_of("/page.html", "Accept-Encoding: br\r\n"), tag_of("/page.html", "Accept-Encoding: zstd\r\n")};
    EXPECT_EQ(tags.size(), 4u);
}

TEST_P(identity_test, times_that_are_none_are_not_told) {
    for (const std::int64_t none : {0, 1}) {
        const std::string name = "none" + std::to_string(none) + ".txt";
        files_.write(name, "kept in a store");
        files_.touch(name, none);
    }
    files_.write("old.txt", "old");
    files_.touch("old.txt", 2);
    start();
    client one = connect();
    for (const char* target : {"/none0.txt", "/none1.txt"}) {
        const response prepared = one.ask(get(target));
        EXPECT_EQ(prepared.body, "kept in a store");
        EXPECT_FALSE(prepared.has("Last-Modified")) << prepared["Last-Modified"];
        const std::string date = "Thu, 01 Jan 1970 00:00:01 GMT\r\n";
        const response by_date = one.ask(get(target, "If-Modified-Since: " + date));
        EXPECT_EQ(by_date.status, 200) << "there is no date to go by";
        EXPECT_FALSE(by_date.has("Last-Modified"));
        EXPECT_EQ(one.ask(get(target, "If-Unmodified-Since: " + date)).status, 200);
        EXPECT_EQ(one.ask(get(target, "Range: bytes=0-3\r\nIf-Range: " + date)).status, 200);
        const response by_tag = one.ask(get(target, "If-None-Match: " + prepared["ETag"] + "\r\n"));
        EXPECT_EQ(by_tag.status, 304);
        EXPECT_FALSE(by_tag.has("Last-Modified"));
    }
    EXPECT_EQ(one.ask(get("/old.txt"))["Last-Modified"], "Thu, 01 Jan 1970 00:00:02 GMT");
}

// The size and the time of modification are as they were; on Windows nothing else tells.
#if !defined(_WIN32)
TEST_P(identity_test, a_write_that_sets_the_time_back_is_seen) {
    for (const std::size_t size : {10u, 100'000u, 300'000u, 2'000'000u}) {
        SCOPED_TRACE(size);
        const std::string name = std::to_string(size) + ".bin";
        files_.write(name, std::string(size, 'a'));
        files_.touch(name, hello_time);
        if (!server_) start();
        client one = connect();
        const response before = one.ask(get("/" + name));
        ASSERT_EQ(before.body, std::string(size, 'a'));
        overwrite(name, std::string(size, 'b'), hello_time);
        response after;
        EXPECT_TRUE(eventually([&] {
            after = one.ask(get("/" + name));
            return after.body.starts_with("b") && (size > 1'048'576 || after["ETag"] != before["ETag"]);
        }));
        EXPECT_EQ(after.body, std::string(size, 'b'));
    }
}
#endif

}  // namespace
}  // namespace naru::testing
