// What the lab's handler makes of bytes.
#include <lab/handler.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace naru::lab {
namespace {

struct answered {
    std::vector<std::string> answers;
    std::size_t used = 0;
    bool end = false;
};

answered ask(std::string_view input, std::size_t room = answers_per_write) {
    static const handler answering(body_sizes);
    std::vector<slice> slices(room);
    const handler::outcome done = answering.answer(input, slices);
    answered all;
    all.used = done.used;
    all.end = done.end;
    for (std::uint32_t index = 0; index < done.answers; ++index) {
        const slice& each = slices[index];
        all.answers.emplace_back(reinterpret_cast<const char*>(each.data), each.size);
    }
    return all;
}

std::string get(std::string_view path, std::string_view fields = {}) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n" + std::string(fields) + "\r\n";
}

TEST(LabHandler, AnswersEverySizeItWasMadeWith) {
    for (const std::size_t size : body_sizes) {
        const answered all = ask(get("/" + std::to_string(size)));
        ASSERT_EQ(all.answers.size(), 1u);
        const std::string& text = all.answers.front();
        EXPECT_TRUE(text.starts_with("HTTP/1.1 200 OK\r\n"));
        EXPECT_NE(text.find("Content-Length: " + std::to_string(size) + "\r\n"), std::string::npos);
        EXPECT_EQ(text.size() - text.find("\r\n\r\n") - 4, size);
        EXPECT_FALSE(all.end);
    }
}

TEST(LabHandler, AnswersWhatHasArrivedAndLeavesTheRest) {
    const std::string whole = get("/64");
    const answered all = ask(whole + whole + whole.substr(0, 10));
    EXPECT_EQ(all.answers.size(), 2u);
    EXPECT_EQ(all.used, 2 * whole.size());
    EXPECT_EQ(ask(whole.substr(0, whole.size() - 1)).answers.size(), 0u);
}

TEST(LabHandler, StopsWhenItsSlicesAreUsedUp) {
    const std::string whole = get("/64");
    const answered all = ask(whole + whole + whole, 2);
    EXPECT_EQ(all.answers.size(), 2u);
    EXPECT_EQ(all.used, 2 * whole.size());
}

TEST(LabHandler, RefusesWhatItDoesNotKnow) {
    EXPECT_TRUE(ask(get("/no")).answers.at(0).starts_with("HTTP/1.1 404 "));
    const answered bad = ask("not a request at all\r\n\r\nGET /64 HTTP/1.1\r\n\r\n");
    ASSERT_EQ(bad.answers.size(), 1u);
    EXPECT_TRUE(bad.answers.front().starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(bad.end);
    const answered body = ask("POST /64 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT_TRUE(body.answers.at(0).starts_with("HTTP/1.1 400 "));
    EXPECT_TRUE(body.end);
}

TEST(LabHandler, EndsTheConnectionWhenAsked) {
    const std::string last = get("/64", "Connection: close\r\n");
    const answered all = ask(last + get("/64"));
    EXPECT_EQ(all.answers.size(), 1u);
    EXPECT_EQ(all.used, last.size());
    EXPECT_TRUE(all.end);
    EXPECT_TRUE(ask("GET /64 HTTP/1.0\r\n\r\n").end);
}

TEST(LabHandler, DoesNotWaitForEverForOneRequest) {
    const answered all = ask("GET /" + std::string(request_bytes, 'a'));
    ASSERT_EQ(all.answers.size(), 1u);
    EXPECT_TRUE(all.end);
}

}  // namespace
}  // namespace naru::lab
