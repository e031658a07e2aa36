// Paths, dates, ranges, conditions and codings: no input may lead out of the root, past the end or to an
// impossible answer.
#include <naru/http/h1/parse.hpp>
#include <naru/http/message/conditions.hpp>
#include <naru/http/message/date.hpp>
#include <naru/http/message/path.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

void require(bool good) {
    if (!good) std::abort();
}

void check_path(std::string_view text) {
    const auto path = naru::http::decode_path(text);
    if (!path) return;
    require(!path->starts_with('/') && path->find('\0') == std::string::npos &&
            path->find('\\') == std::string::npos);
    const std::string framed = "/" + *path + "/";
    require(framed.find("/../") == std::string::npos && framed.find("/./") == std::string::npos);
}

void check_date(std::string_view text) {
    const auto date = naru::http::parse_date(text, 1'700'000'000);
    if (!date || *date < 0) return;
    const auto again = naru::http::format_date(*date);
    require(naru::http::parse_date({again.data(), again.size()}, 0) == date);
}

void check_conditions(const std::string& value, std::uint64_t size) {
    using namespace naru::http;
    for (const char* name : {"Range", "If-Match", "If-None-Match", "If-Range", "Accept-Encoding"}) {
        std::string text = std::string("GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-\r\n") + name + ": " +
                           value + "\r\n\r\n";
        if (name == std::string_view("Range")) text.erase(text.find("Range: bytes=0-"), 17);
        request_parser parser;
        if (parser.parse(text) != parse_status::complete) continue;
        const std::array<bool, coding_count> some{false, true, true, true};
        require(choose_coding(parser.head(), text, some) != coding::zstd);
        const validators of{"\"tag\"", 1'000'000'000};
        (void)evaluate(parser.head(), text, of, 1'700'000'000);
        range_list list;
        if (select_ranges(parser.head(), text, of, size, 1'700'000'000, list) != range_outcome::partial)
            continue;
        require(list.count > 0 && list.count <= limits::ranges);
        for (const byte_range& each : list.view())
            require(each.first <= each.last && each.last < size);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    check_path(text);
    check_path("/" + text);
    check_date(text);
    check_conditions(text, data[0]);
    (void)naru::http::escape_html(text);
    require(naru::http::decode_path("/" + naru::http::encode_segment(text)).has_value() ||
            text.find('\0') != std::string::npos || text.find('\\') != std::string::npos || text == ".." ||
            text.starts_with("../") || text.find("/..") != std::string::npos);
    return 0;
}
