// Forms with files: the parser at every split, and what handlers get.
#include <naru/http/http.hpp>
#include <naru/http/message/multipart.hpp>
#include <naru/testing/http.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace naru::testing {
namespace {

using http::exchange;
using http::multipart_parser;
using event = multipart_parser::event;

const std::string whole_form =
    "a preamble\r\n--a\r\n"
    "--boundary \t\r\n"
    "Content-Disposition: form-data; name=\"text\"\r\n\r\n"
    "two\r\nlines\r\n--bound\r\n\r\r\n--boundar\r\n"
    "\r\n--boundary\r\n"
    "content-type: image/png\r\nCONTENT-DISPOSITION:form-data ;filename=\"a %22b\\\"\\\\c%0A;%41.png\"; "
    "name=file\r\n\r\n"
    "\r\n--boundary\r\n"
    "Content-Disposition: form-data; name=\"\"; filename=\"\"\r\nX-Other: kept by nobody\r\n\r\n"
    "\r\r\n\n\r\n"
    "\r\n--boundary--\r\nan epilogue\r\n--boundary\r\n";

/// What the parser says of it, in pieces of these sizes, one after the other.
std::string told(multipart_parser& parser, std::string_view text, const std::vector<std::size_t>& sizes) {
    std::string all;
    std::size_t which = 0;
    bool is_data = false;
    while (!text.empty()) {
        const std::string piece(text.substr(0, which < sizes.size() ? sizes[which] : text.size()));
        ++which;
        text.remove_prefix(piece.size());
        std::string_view input = piece;
        while (true) {
            std::string_view data;
            const event got = parser.read(input, data);
            if (got == event::need_more || got == event::complete) {
                EXPECT_TRUE(input.empty());
                if (got == event::complete && text.empty()) all += "complete";
                break;
            }
            if (got == event::refused) return all + "refused " + std::to_string(parser.status());
            if (got == event::part) {
                const http::form_part& of = parser.part();
                all += "[" + of.name + "|" + of.filename.value_or("none") + "|" + of.content_type + "]";
            }
            EXPECT_EQ(got == event::data, !data.empty());
            is_data = got == event::data;
            if (is_data) all += data;
            if (got == event::part_end) all += "[end]";
        }
    }
    return all;
}

const std::string expected =
    "[text|none|]two\r\nlines\r\n--bound\r\n\r\r\n--boundar\r\n[end]"
    "[file|a \"b\"\\c\n;%41.png|image/png][end]"
    "[||]\r\r\n\n\r\n[end]complete";

TEST(Multipart, WholeAndByteByByte) {
    multipart_parser whole("boundary");
    EXPECT_EQ(told(whole, whole_form, {}), expected);
    multipart_parser slow("boundary");
    EXPECT_EQ(told(slow, whole_form, std::vector<std::size_t>(whole_form.size(), 1)), expected);
}

TEST(Multipart, AtEverySplit) {
    for (std::size_t first = 1; first < whole_form.size(); ++first) {
        multipart_parser parser("boundary");
        ASSERT_EQ(told(parser, whole_form, {first}), expected) << first;
        for (std::size_t second = 1; second < 24 && first + second < whole_form.size(); ++second) {
            multipart_parser again("boundary");
            ASSERT_EQ(told(again, whole_form, {first, second}), expected) << first << " " << second;
        }
    }
}

std::string part(std::string_view content) {
    std::string text = "--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n";
    return text.append(content).append("\r\n");
}

TEST(Multipart, WhatIsRefused) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"--b\r\n\r\n", "refused 400"},  // no name
        {"--b\r\nContent-Disposition: attachment; name=a\r\n\r\n", "refused 400"},
        {"--b\r\nContent-Disposition form-data; name=a\r\n\r\n", "refused 400"},
        {"--b\r\nContent-Disposition: form-data; name=a\n\r\n", "refused 400"},        // a bare LF
        {"--b\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n", "refused 400"},  // folded
        {"--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\n", "refused 400"},    // an open quote
        {"--b-\r\n", "refused 400"},
        {"--bb\r\n", "refused 400"},
        {"--b\r \n", "refused 400"},
        {"--b\r\nX: " + std::string(5000, 'x') + "\r\n\r\n", "refused 413"},
        {part(std::string(11, 'x')) + "--b--", "[n|none|]refused 413"},
        {part("1") + part("2") + part("3") + "--b--", "[n|none|]1[end][n|none|]2[end]refused 413"},
    };
    http::form_limits limits;
    limits.parts = 2;
    limits.part_bytes = 10;
    for (const auto& [text, says] : cases) {
        for (const std::size_t size : {text.size(), std::size_t{1}}) {
            multipart_parser parser("b", limits);
            std::string got = told(parser, text, std::vector<std::size_t>(text.size(), size));
            if (size == 1) {  // some of what is too much has been given by then
                const std::size_t end = got.find("xxxxxxxxxx");
                if (end != std::string::npos) got.erase(end, 10);
            }
            EXPECT_EQ(got, says) << text.substr(0, 100) << " " << size;
        }
    }
}

TEST(Multipart, Boundaries) {
    using http::form_boundary;
    EXPECT_EQ(form_boundary("multipart/form-data; boundary=abc"), "abc");
    EXPECT_EQ(form_boundary("Multipart/Form-Data;charset=utf-8; Boundary=\"a b:c\" ; x=y"), "a b:c");
    for (const char* const bad : {"", "text/plain; boundary=a", "multipart/form-data",
                                  "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a",
                                  "multipart/form-data; boundary=\"a \"", "multipart/form-data; boundary=a@b",
                                  "multipart/mixed; boundary=a"})
        EXPECT_FALSE(form_boundary(bad)) << bad;
    EXPECT_FALSE(form_boundary("multipart/form-data; boundary=" + std::string(71, 'x')));
    EXPECT_TRUE(form_boundary("multipart/form-data; boundary=" + std::string(70, 'x')));
}

http::site taking_forms() {
    http::site made;
    made.post("/form", [](exchange& x) -> task<> {
        http::form_limits limits;
        limits.parts = 3;
        http::multipart_form form(x, limits);
        std::string told;
        while (true) {
            auto part = co_await form.next();
            if (!part) {
                told += part.error() == errc::end_of_stream ? "whole" : "failed";
                break;
            }
            told += part->name + "=";
            if (part->name == "skipped") continue;
            auto all = co_await form.read_all();
            told += all ? *all : "failed";
            auto behind = co_await form.read();
            told += behind ? "more" : ";";
        }
        x.respond(200, "text/plain", told);
    });
    return made;
}

std::string field(std::string_view name, std::string_view value) {
    std::string text = "--xx\r\nContent-Disposition: form-data; name=\"";
    return text.append(name).append("\"\r\n\r\n").append(value).append("\r\n");
}

TEST(Multipart, InAHandler) {
    http::test site(taking_forms());
    const std::string type = "Content-Type: multipart/form-data; boundary=xx\r\n";
    const auto asked = [&](const std::string& body) { return site.ask("POST", "/form", body, type); };
    EXPECT_EQ(asked(field("a", "1") + field("b", "") + "--xx--\r\n").body, "a=1;b=;whole");
    EXPECT_EQ(
        asked(field("a", "1") + field("skipped", std::string(100'000, 'x')) + field("c", "3") + "--xx--")
            .body,
        "a=1;skipped=c=3;whole");
    EXPECT_EQ(asked("--xx--").body, "whole");
    EXPECT_EQ(asked(field("a", "1")).status, 400u);  // it is cut off
    EXPECT_EQ(asked("nothing").status, 400u);
    EXPECT_EQ(asked("--xx\r\n\r\n\r\n--xx--").status, 400u);
    EXPECT_EQ(asked(field("a", "") + field("b", "") + field("c", "") + field("d", "") + "--xx--").status,
              413u);
    EXPECT_EQ(site.ask("POST", "/form", "a=1", "Content-Type: text/plain\r\n").status, 415u);
    EXPECT_EQ(site.ask("POST", "/form", "a=1").status, 415u);
}

}  // namespace
}  // namespace naru::testing
