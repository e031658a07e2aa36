// Frames cut anywhere are read as they are whole; texts in pieces as in one; what was compressed anyhow
// neither passes its limit nor its memory.
#include <naru/http/websocket/deflate.hpp>
#include <naru/http/websocket/frame.hpp>
#include <naru/http/websocket/handshake.hpp>
#include <naru/http/websocket/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace naru::websocket;

void require(bool good) {
    if (!good) std::abort();
}

/// What the parser has said, as text.
std::string parsed(std::string bytes, std::size_t step, bool masked) {
    frame_parser parser;
    frame_parser::rules with;
    with.masked = masked;
    with.compression = true;
    with.message_limit = 1000;
    with.compressed_limit = 2000;
    std::string said;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        naru::mutable_bytes input(reinterpret_cast<std::byte*>(bytes.data()) + at,
                                  std::min(step, bytes.size() - at));
        for (bool more = true; more;) {
            switch (parser.next(input, with)) {
                case frame_parser::event::need_more:
                    require(input.empty());
                    more = false;
                    break;
                case frame_parser::event::head:
                    said += "\nhead " + std::to_string(static_cast<int>(parser.kind())) +
                            (parser.final() ? "." : "+");
                    require(!is_control(parser.kind()) || parser.remaining() <= control_bytes);
                    break;
                case frame_parser::event::payload:
                    said += naru::as_text(parser.unmasked_piece());
                    break;
                case frame_parser::event::end:
                    said += "\nend";
                    break;
                case frame_parser::event::refused:
                    return said + "\nrefused " + std::to_string(parser.refusal());
            }
        }
    }
    return said;
}

void check_deflate(std::string_view text) {
    for (const std::size_t most : {std::size_t{100}, std::size_t{100'000}}) {
        inflater in(15, true);
        buffer back;
        naru::bytes_view left = naru::as_bytes(text);
        auto outcome = in.inflate(left, back, most);
        if (outcome == inflater::status::need_more) outcome = in.finish(back, most);
        require(back.size() <= most);
    }
    deflater out(15, false, 6);
    buffer compressed;
    require(out.compress(naru::as_bytes(text), compressed));
    inflater in(15, false);
    buffer back;
    naru::bytes_view left = compressed.view();
    require(in.inflate(left, back, text.size() + 1) == inflater::status::need_more);
    require(in.finish(back, text.size() + 1) == inflater::status::need_more);
    require(naru::as_text(back.view()) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    const bool masked = (data[0] & 1) != 0;
    const std::size_t step = 1 + (data[0] >> 1) % 40;
    require(parsed(text, step, masked) == parsed(text, text.size(), masked));

    utf8_validator whole;
    const bool good = whole.take(naru::as_bytes(text));
    utf8_validator pieces;
    bool still = true;
    for (std::size_t at = 0; at < text.size() && still; at += step)
        still = pieces.take(naru::as_bytes(std::string_view(text).substr(at, step)));
    require(good == still && (!good || whole.complete() == pieces.complete()));

    check_deflate(text);
    deflate_options with;
    with.enabled = true;
    std::string answer;
    if (choose_deflate(text, with, answer)) require(answer.starts_with("permessage-deflate"));
    (void)check_deflate_answer(text, with);
    return 0;
}
