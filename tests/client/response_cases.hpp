// What the response reader makes of a byte stream, in pieces of given sizes: for tests and the fuzzer.
#pragma once

#include <naru/http/h1/response.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace naru::testing {

inline std::string text_of(const http::response_reader& ended) {
    return std::to_string(ended.status()) + (ended.keep_alive() ? " " : "- ");
}

/// By `skip`: the statuses, and how it ends.
class skipping {
 public:
    explicit skipping(bool to_head) : to_head_(to_head) {}

    void feed(std::string_view input) {
        while (!bad_ && !input.empty()) {
            const auto then = reader_.skip(input, last_, to_head_);
            if (then == http::response_reader::outcome::complete) seen_ += text_of(reader_);
            bad_ = then == http::response_reader::outcome::bad;
        }
    }
    std::string end() {
        if (bad_) return seen_ + "bad: " + reader_.problem();
        if (!reader_.begun()) return seen_;
        if (reader_.end() == http::response_reader::outcome::complete)
            return seen_ + text_of(reader_) + "at the end";
        const std::string_view problem = reader_.problem();
        if (problem != "an end in the middle") return seen_ + "bad: " + std::string(problem);
        return seen_ + "cut off";
    }

 private:
    http::response_reader reader_;
    http::remembered_head last_;
    std::string seen_;
    bool to_head_;
    bool bad_ = false;
};

/// By heads and bodies.
class reading {
 public:
    explicit reading(bool to_head) : to_head_(to_head) {}

    void feed(std::string_view input) {
        while (!bad_ && (!input.empty() || in_body_)) {
            const std::size_t before = input.size();
            auto then = http::response_reader::outcome::need_more;
            if (!in_body_) {
                http::response_head head;
                std::string text;
                then = reader_.read_head(input, to_head_, head, text);
                in_body_ = then == http::response_reader::outcome::complete;
                if (in_body_) heads_ += text;
            } else {
                std::string_view data;
                then = reader_.read_body(input, data);
                bodies_ += data;
                in_body_ = then == http::response_reader::outcome::need_more;
                if (then == http::response_reader::outcome::complete) {
                    seen_ += text_of(reader_);
                    bodies_ += '|';
                }
                if (in_body_ && input.size() == before) break;
            }
            bad_ = then == http::response_reader::outcome::bad;
        }
    }
    std::string end() {
        if (bad_) return seen_ + "bad: " + reader_.problem();
        if (!reader_.begun()) return seen_;
        if (reader_.end() == http::response_reader::outcome::complete)
            return seen_ + text_of(reader_) + "at the end";
        const std::string_view problem = reader_.problem();
        if (problem != "an end in the middle") return seen_ + "bad: " + std::string(problem);
        return seen_ + "cut off";
    }
    const std::string& heads() const noexcept { return heads_; }
    const std::string& bodies() const noexcept { return bodies_; }

 private:
    http::response_reader reader_;
    std::string seen_;
    std::string heads_;
    std::string bodies_;
    bool to_head_;
    bool bad_ = false;
    bool in_body_ = false;
};

/// Everything about `text` in pieces of these sizes, over and over; in one, if there are none. Says so if the
/// two ways to read do not agree.
inline std::string response_outcome_of(std::string_view text, const std::vector<std::size_t>& sizes = {},
                                       bool to_head = false) {
    skipping by_skip(to_head);
    reading by_read(to_head);
    std::size_t turn = 0;
    while (!text.empty()) {
        const std::size_t size = sizes.empty() ? text.size() : sizes[turn++ % sizes.size()];
        const std::string_view piece = text.substr(0, size);
        text.remove_prefix(piece.size());
        // A copy that ends exactly where the piece does: reading past it is an error that sanitizers see.
        const auto copy = std::make_unique<char[]>(piece.size());
        piece.copy(copy.get(), piece.size());
        by_skip.feed({copy.get(), piece.size()});
        by_read.feed({copy.get(), piece.size()});
    }
    const std::string skipped = by_skip.end();
    const std::string read = by_read.end();
    if (skipped != read) return "skip: " + skipped + ", read: " + read;
    return read + "\n" + by_read.heads() + "\n" + by_read.bodies();
}

/// Responses of all kinds, good and bad.
inline const std::vector<std::string>& response_corpus() {
    static const std::vector<std::string> corpus{
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 204 No\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1 \r\nx\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not\r\nContent-Length: 7\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nX: \t y \r\n\r\nuntil the end",
        "HTTP/1.1 500\r\ncontent-length: 00\r\ncontent-length: 0\r\nconnection: x, close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\nfF\r\n" + std::string(255, 'x') +
            "\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 1\n\na",
    };
    return corpus;
}

}  // namespace naru::testing
