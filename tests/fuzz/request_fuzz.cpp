// The parser and the body reader: whatever the bytes, and however they are cut, the outcome is that of the
// whole, and that of a plain reading of the grammar.
#include "fuzz/plain_requests.hpp"
#include "http/parser_cases.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

using namespace naru;

// As plain_requests says it.
std::string outcome_of_ours(std::string_view text) {
    std::string said;
    while (true) {
        http::request_parser parser;
        switch (parser.parse(text)) {
            case http::parse_status::need_more:
                return said + "more";
            case http::parse_status::refused:
                return said + "refused";
            case http::parse_status::complete:
                break;
        }
        const http::request_head head = parser.head();
        const std::string_view bytes = text.substr(0, head.size);
        text.remove_prefix(head.size);
        http::body_reader body;
        body.begin(head);
        std::string content;
        auto status = http::parse_status::need_more;
        do {
            std::string_view piece;
            status = body.read(text, piece);
            content += piece;
        } while (status == http::parse_status::need_more && !text.empty());
        if (status == http::parse_status::need_more) return said + "more";
        if (status == http::parse_status::refused) return said + "refused";
        said += std::string(head.method_name.in(bytes)) + ' ' + std::string(head.target.in(bytes)) +
                (head.minor_version == 0 ? " 1.0 " : " 1.1 ") + (head.keep_alive ? "keeps " : "closes ") +
                std::to_string(head.header_count) + " [" + content + "]\n";
    }
}

void require_same(const std::string& one, const std::string& other) {
    if (one == other) return;
    std::fprintf(stderr, "one:%s\nother:%s\n", one.c_str(), other.c_str());
    std::abort();
}

}  // namespace

// The first four bytes say how the rest is cut; longer inputs would meet the limit of a head, which counts
// what is there at once (see -max_len in CMakeLists.txt).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 4) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 4, size - 4);
    const std::string whole = testing::outcome_of(text);
    require_same(testing::outcome_of(text, {data[0] + 1u, data[1] + 1u, data[2] + 1u, data[3] + 1u}), whole);
    require_same(testing::outcome_of(text, {1}), whole);
    require_same(outcome_of_ours(text), testing::plain_requests(std::string(text)).outcome());
    return 0;
}
