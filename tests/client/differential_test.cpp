// Responses and chunked bodies, damaged at random: the same outcome however they are cut, and the one that a
// plain reading of the grammar has.
#include "response_cases.hpp"

#include <naru/http/h1/chunked.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/message/fields.hpp>

#include <gtest/gtest.h>

#include <random>

namespace naru::testing {
namespace {

using http::chunk_decoder;

/// Changes, drops, doubles or inserts a few bytes.
std::string damaged(std::string text, std::minstd_rand& random) {
    constexpr std::string_view bytes = "\r\n\r\n\r\n :;,0159afAFgx\t\x01\x7f\xffHTTP/";
    for (std::size_t count = random() % 4; count > 0 && !text.empty(); --count) {
        const std::size_t at = random() % text.size();
        const char byte = bytes[random() % bytes.size()];
        switch (random() % 4) {
            case 0:
                text[at] = byte;
                break;
            case 1:
                text.erase(at, 1 + random() % 3);
                break;
            case 2:
                text.insert(at, 1, byte);
                break;
            default:
                text.insert(at, text.substr(at, random() % 20));
                break;
        }
    }
    return text;
}

TEST(ResponseDifferential, DamagedAtRandomAndCutAnywhere) {
    std::minstd_rand random(1);
    for (int round = 0; round < 20'000; ++round) {
        const auto& corpus = response_corpus();
        const std::string text = damaged(corpus[random() % corpus.size()], random);
        const bool to_head = random() % 8 == 0;
        const std::string whole = response_outcome_of(text, {}, to_head);
        ASSERT_FALSE(whole.starts_with("skip: ")) << whole << "\n" << text;
        const std::vector<std::size_t> cuts{1 + random() % 40, 1 + random() % 40, 1 + random() % 40};
        ASSERT_EQ(response_outcome_of(text, cuts, to_head), whole) << text;
        ASSERT_EQ(response_outcome_of(text, {1}, to_head), whole) << text;
    }
}

/// RFC 9112, section 7.1, read from a text that is there as a whole: the data, and how it ends.
class plain_reading {
 public:
    plain_reading(std::string_view text, bool padding) : left_(text), padding_(padding) {}

    std::string outcome() {
        const char* const end = read();
        return data_ + "|" + end + (std::string_view(end) == "complete" ? std::to_string(left_.size()) : "");
    }

 private:
    const char* read() {
        while (true) {
            std::string_view line;
            if (const char* const fault = take_line(line)) return fault;
            const std::size_t digits =
                std::min(line.find_first_not_of("0123456789abcdefABCDEF"), line.size());
            std::string_view behind = line.substr(digits);
            if (padding_) behind.remove_prefix(std::min(behind.find_first_not_of(" \t"), behind.size()));
            if (digits == 0 || (!behind.empty() && behind.front() != ';')) return "bad";
            const std::size_t size = std::stoull(std::string(line.substr(0, digits)), nullptr, 16);
            if (size == 0) return read_trailer();
            data_ += left_.substr(0, size);
            if (left_.size() < size) return "more";
            left_.remove_prefix(size);
            if (!std::string_view("\r\n").starts_with(left_.substr(0, 2))) return "bad";
            if (left_.size() < 2) return "more";
            left_.remove_prefix(2);
        }
    }
    const char* read_trailer() {
        while (true) {
            std::string_view line;
            if (const char* const fault = take_line(line)) return fault;
            if (line.empty()) return "complete";
            if (!http::is_token(line.substr(0, line.find(':'))) || line.find(':') == std::string_view::npos)
                return "bad";
        }
    }
    /// Whole lines only: what is wrong in one that is not whole yet is not looked for.
    const char* take_line(std::string_view& line) {
        const std::size_t end = left_.find_first_of("\r\n\x01\x7f");
        if (end == std::string_view::npos || end + 1 == left_.size()) return "more";
        if (left_[end] != '\r' || left_[end + 1] != '\n') return "bad";
        line = left_.substr(0, end);
        left_.remove_prefix(end + 2);
        return nullptr;
    }

    std::string_view left_;
    std::string data_;
    bool padding_;
};

std::string decoded(std::string_view text, bool padding, std::size_t step) {
    chunk_decoder decoder(padding ? chunk_decoder::padding::accepted : chunk_decoder::padding::refused);
    std::string data;
    std::string_view piece;
    std::string_view taken;
    auto then = chunk_decoder::outcome::need_more;
    while (then == chunk_decoder::outcome::need_more && !(text.empty() && piece.empty())) {
        if (piece.empty()) {
            piece = text.substr(0, step);
            text.remove_prefix(piece.size());
        }
        then = decoder.read(piece, taken);
        data += taken;
    }
    switch (then) {
        case chunk_decoder::outcome::complete:
            return data + "|complete" + std::to_string(text.size() + piece.size());
        case chunk_decoder::outcome::bad:
            return data + "|bad";
        case chunk_decoder::outcome::need_more:
            break;
    }
    return data + "|more";
}

TEST(ChunkDifferential, AsThePlainReadingHasIt) {
    std::minstd_rand random(3);
    const std::vector<std::string> corpus{"5\r\nhello\r\n7;x=\"y\"\r\n, world\r\n0\r\n\r\nrest",
                                          "0\r\nA: b\r\nC:\r\n\r\n",
                                          "aB \t;x\r\n" + std::string(0xab, 'd') + "\r\n00\r\n\r\n",
                                          "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0;last\r\nX-Y: \t z\r\n\r\n"};
    int compared = 0;
    for (int round = 0; round < 40'000; ++round) {
        const std::string text = damaged(corpus[random() % corpus.size()], random);
        const bool padding = random() % 2 == 0;
        const std::string whole = decoded(text, padding, text.size() + 1);
        ASSERT_EQ(decoded(text, padding, 1), whole) << text;
        ASSERT_EQ(decoded(text, padding, 1 + random() % 7), whole) << text;
        const std::string plain = plain_reading(text, padding).outcome();
        // A line that is not whole may be wrong already: the decoder knows, the plain reading waits.
        if (plain.ends_with("|more") && whole.ends_with("|bad")) continue;
        ASSERT_EQ(whole, plain) << text;
        ++compared;
    }
    EXPECT_GT(compared, 20'000);
}

TEST(ChunkDifferential, HasLimits) {
    const auto error_of = [](const std::string& text) {
        chunk_decoder decoder;
        std::string_view input = text;
        std::string_view data;
        while (!input.empty() && decoder.read(input, data) == chunk_decoder::outcome::need_more) {
        }
        return decoder.error();
    };
    EXPECT_EQ(error_of("fffffffffffffff\r\n"), http::chunk_error::none);
    EXPECT_EQ(error_of("1000000000000000\r\n"), http::chunk_error::size_too_large);
    EXPECT_EQ(error_of(std::string(http::limits::chunk_line_bytes - 3, '0') + "1\r\n"),
              http::chunk_error::none);
    EXPECT_EQ(error_of(std::string(http::limits::chunk_line_bytes + 1, '0')),
              http::chunk_error::size_line_too_long);
    EXPECT_EQ(error_of("1;" + std::string(http::limits::chunk_line_bytes, 'x')),
              http::chunk_error::size_line_too_long);
    EXPECT_EQ(error_of("0\r\nX: " + std::string(http::limits::trailer_bytes, 'x')),
              http::chunk_error::trailer_too_long);
}

}  // namespace
}  // namespace naru::testing
