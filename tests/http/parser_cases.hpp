// Requests for the parser's tests: what they lead to, whole and in pieces.
#pragma once

#include <naru/http/h1/body.hpp>
#include <naru/http/h1/parse.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace naru::testing {

/// All that can be told of a parsed stream of requests, as text that can be compared.
inline std::string describe(const http::request_head& head, std::string_view bytes) {
    std::string text = "head " + std::to_string(head.size) + ' ' + std::string(head.method_name.in(bytes)) +
                       ' ' + std::string(head.target.in(bytes)) + " 1." + std::to_string(head.minor_version) +
                       " fields " + std::to_string(head.header_count) + " flags " +
                       std::to_string(head.keep_alive) + std::to_string(head.chunked) +
                       std::to_string(head.has_length) + std::to_string(head.expects_continue) +
                       std::to_string(head.asterisk) + " length " + std::to_string(head.content_length) +
                       " repeated " + std::to_string(head.repeated);
    for (std::size_t index = 0; index < static_cast<std::size_t>(http::field::count); ++index) {
        const auto which = static_cast<http::field>(index);
        if (head.has(which))
            text += " [" + std::to_string(index) + "=" + std::string(head.value(which, bytes)) + "]";
    }
    return text;
}

/// Feeds a stream of requests to the parser and the body reader as a server would, `sizes` bytes at a time
/// (the last size again and again), and says what came out. The bytes move between calls, as a server's do.
inline std::string outcome_of(std::string_view input, const std::vector<std::size_t>& sizes) {
    std::string result;
    http::request_parser parser;
    http::body_reader body;
    std::string unread;
    std::string content;
    bool in_body = false;
    std::size_t turn = 0;
    std::string moved;
    for (std::size_t at = 0; at < input.size() || input.empty();) {
        const std::size_t size = std::min(sizes[std::min(turn++, sizes.size() - 1)], input.size() - at);
        unread += input.substr(at, size);
        at += size;
        while (true) {
            if (in_body) {
                std::string_view left(unread);
                auto status = http::parse_status::need_more;
                do {
                    std::string_view piece;
                    status = body.read(left, piece);
                    content += piece;
                } while (status == http::parse_status::need_more && !left.empty());
                unread.erase(0, unread.size() - left.size());
                if (status == http::parse_status::refused) {
                    return result + "\nbody refused " + std::to_string(body.refusal().status) + ' ' +
                           body.refusal().reason;
                }
                if (status == http::parse_status::need_more) break;
                result += "\nbody " + std::to_string(body.bytes_read()) + ' ' + content;
                content.clear();
                in_body = false;
            }
            moved = unread;
            moved.shrink_to_fit();  // so that a sanitizer sees a step past the end
            const auto status = parser.parse(moved);
            if (status == http::parse_status::need_more) break;
            if (status == http::parse_status::refused) {
                return result + "\nrefused " + std::to_string(parser.refusal().status) + ' ' +
                       parser.refusal().reason;
            }
            const http::request_head& head = parser.head();
            result += '\n' + describe(head, moved);
            if (head.size == 0 || head.size > moved.size()) return result + "\nimpossible size";
            body.begin(head);
            in_body = true;
            unread.erase(0, head.size);
            parser.reset();
        }
        if (input.empty()) break;
    }
    return result + (in_body ? "\nin a body " + content : "\nleft " + std::to_string(unread.size()));
}

inline std::string outcome_of(std::string_view input) { return outcome_of(input, {~std::size_t{0}}); }

/// Every kind of request, good and bad, also several in a row.
inline const std::vector<std::string>& request_corpus() {
    static const std::vector<std::string> corpus = [] {
        const std::string host = " HTTP/1.1\r\nHost: a\r\n";
        std::vector<std::string> all = {
            "GET /" + host + "\r\n",
            "GET /index.html?x=1&y=%20" + host +
                "User-Agent: test (x; y)\r\nAccept-Encoding: gzip, br\r\n\r\n",
            "HEAD /" + host + "Range: bytes=0-5\r\nIf-Range: \"x\"\r\n\r\n",
            "OPTIONS *" + host + "\r\n",
            "GET http://host.example:80/path?q HTTP/1.1\r\nHost: other\r\n\r\n",
            "GET https://host.example HTTP/1.1\r\nHost: other\r\n\r\n",
            "CONNECT a:443" + host + "\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            "GET /" + host + "Connection: close, x\r\n\r\n",
            "GET /" + host + "X:\r\nY: \t value \t \r\nZ:z\r\n\r\n",
            "GET /" + host +
                "If-None-Match: \"a\", \"b\"\r\nif-modified-since: now\r\nIf-None-Match: \"c\"\r\n\r\n",
            "\r\n\r\nGET /" + host + "\r\n",
            "\r\n\r\n\r\n\r\n\r\nGET /" + host + "\r\n",
            "POST /" + host + "Content-Length: 5\r\n\r\nhello",
            "POST /" + host + "Content-Length: 0\r\n\r\nGET /next" + host + "\r\n",
            "POST /" + host + "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabcPOST /" + host +
                "Content-Length: 2\r\n\r\nxy",
            "POST /" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
            "POST /" + host +
                "Transfer-Encoding: Chunked\r\n\r\n00a\r\n0123456789\r\n0\r\nTrailer: x\r\nB: y\r\n\r\nGET "
                "/" +
                host + "\r\n",
            "POST /" + host + "Transfer-Encoding: chunked\r\n\r\nG\r\n",
            "POST /" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX",
            "POST /" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n",
            "POST /" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nbad name: x\r\n\r\n",
            "POST /" + host + "Transfer-Encoding: chunked\r\n\r\n5;\x01\r\n",
            "POST /" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n",
            "POST /" + host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            "POST /" + host + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            "POST /" + host + "Content-Length: 5x\r\n\r\n",
            "GET /\r\n\r\n",
            "GET  /" + host + "\r\n",
            "GET /a b" + host + "\r\n",
            "GET /" + host + " folded\r\n\r\n",
            "GET /" + host + "X : y\r\n\r\n",
            "GET /" + host + "X\r\n\r\n",
            "GET /" + host + "X: a\rb\r\n\r\n",
            "GET /" + host + "X: a\nY: b\r\n\r\n",
            "GET /\n\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET /" + host + "Host: b\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            std::string("GET /\0 HTTP/1.1\r\n\r\n", 19),
            "GET /" + std::string(500, 'x') + host + "\r\n",
            "g\xc3\xa9t /" + host + "\r\n",
            "GET /" + host + "X: caf\xc3\xa9\r\n\r\n",
            "",
        };
        return all;
    }();
    return corpus;
}

}  // namespace naru::testing
