// Frames, masks and UTF-8 against plain references, cut everywhere.
#include <naru/http/websocket/frame.hpp>
#include <naru/http/websocket/utf8.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace naru::websocket {
namespace {

struct seen_frame {
    unsigned code = 0;
    bool final = false;
    bool compressed = false;
    std::string payload;
    bool operator==(const seen_frame&) const = default;
};
struct seen {
    std::vector<seen_frame> frames;
    unsigned refused = 0;
    bool in_frame = false;
    bool operator==(const seen&) const = default;
};

/// RFC 6455, section 5, over bytes that are all there, one after the other.
seen reference(std::string_view bytes, const frame_parser::rules& with) {
    seen result;
    bool in_message = false;
    bool compressed = false;
    std::uint64_t total = 0;
    std::size_t at = 0;
    const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(bytes[index]); };
    const auto refuse = [&](unsigned code) {
        result.refused = code;
        return result;
    };
    for (;;) {
        if (bytes.size() - at < 2) {
            result.in_frame = false;
            return result;
        }
        const unsigned code = byte(at) & 15u;
        const bool final = (byte(at) & 128u) != 0;
        const bool rsv1 = (byte(at) & 64u) != 0;
        const bool masked = (byte(at + 1) & 128u) != 0;
        std::uint64_t length = byte(at + 1) & 127u;
        const std::size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
        if ((byte(at) & 48u) != 0) return refuse(1002);
        if (bytes.size() - at < 2 + extra + (masked ? 4 : 0)) return result;
        if (code > 10 || (code > 2 && code < 8)) return refuse(1002);
        if (masked != with.masked) return refuse(1002);
        at += 2;
        if (extra != 0) {
            length = 0;
            for (std::size_t index = 0; index < extra; ++index)
                length = length * 256 + byte(at + index);
            at += extra;
            if (extra == 2 ? length < 126 : length < 65536) return refuse(1002);
            if (length > 0x7fff'ffff'ffff'ffffu) return refuse(1002);
        }
        std::string key = masked ? std::string(bytes.substr(at, 4)) : std::string(4, '\0');
        at += masked ? 4 : 0;
        if (code >= 8) {
            if (!final || length > 125 || rsv1) return refuse(1002);
        } else {
            if ((code == 0) != in_message) return refuse(1002);
            if (rsv1 && (code == 0 || !with.compression)) return refuse(1002);
            if (code != 0) {
                compressed = rsv1;
                total = 0;
            }
            in_message = true;
            const std::uint64_t limit = compressed ? with.compressed_limit : with.message_limit;
            if (length > limit || total + length > limit) return refuse(1009);
            total += length;
        }
        seen_frame frame{code, final, code < 8 && compressed, {}};
        const std::size_t there = std::min<std::uint64_t>(length, bytes.size() - at);
        for (std::size_t index = 0; index < there; ++index)
            frame.payload += static_cast<char>(bytes[at + index] ^ key[index % 4]);
        at += there;
        result.frames.push_back(frame);
        if (there < length) {
            result.in_frame = true;
            return result;
        }
        if (code < 8 && final) in_message = false;
    }
}

/// The parser's, the bytes cut into pieces whose sizes `cut` gives.
template <class Cut>
seen parsed(std::string_view bytes, const frame_parser::rules& with, bool in_place, Cut cut) {
    seen result;
    frame_parser parser;
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t size = std::min<std::size_t>(std::max<std::size_t>(cut(), 1), bytes.size() - at);
        std::string piece(bytes.substr(at, size));
        at += size;
        mutable_bytes input(reinterpret_cast<std::byte*>(piece.data()), piece.size());
        for (bool more = true; more;) {
            switch (parser.next(input, with)) {
                case frame_parser::event::need_more:
                    EXPECT_TRUE(input.empty());
                    more = false;
                    break;
                case frame_parser::event::head:
                    result.frames.push_back({static_cast<unsigned>(parser.kind()),
                                             parser.final(),
                                             !is_control(parser.kind()) && parser.compressed(),
                                             {}});
                    result.in_frame = true;
                    break;
                case frame_parser::event::payload: {
                    std::string text(parser.piece().size(), '\0');
                    if (in_place) {
                        const mutable_bytes plain = parser.unmasked_piece();
                        std::memcpy(text.data(), plain.data(), plain.size());
                    } else {
                        parser.unmask_piece_to(reinterpret_cast<std::byte*>(text.data()));
                    }
                    result.frames.back().payload += text;
                    break;
                }
                case frame_parser::event::end:
                    result.in_frame = false;
                    break;
                case frame_parser::event::refused:
                    result.refused = parser.refusal();
                    result.in_frame = false;
                    EXPECT_EQ(parser.next(input, with), frame_parser::event::refused);
                    return result;
            }
        }
    }
    return result;
}

std::string frame_of(unsigned code, bool final, std::string_view payload, bool masked, unsigned rsv = 0,
                     const mask_key& key = {std::byte{1}, std::byte{0xfe}, std::byte{0x55}, std::byte{7}}) {
    const frame_head head =
        make_frame_head(static_cast<opcode>(code), final, false, payload.size(), masked ? &key : nullptr);
    std::string made(as_text(head.view()));
    made[0] = static_cast<char>(static_cast<unsigned char>(made[0]) | rsv << 4);
    for (std::size_t index = 0; index < payload.size(); ++index)
        made +=
            masked ? static_cast<char>(payload[index] ^ static_cast<char>(key[index % 4])) : payload[index];
    return made;
}

TEST(WebsocketFrame, TheExamplesOfTheRfc) {
    // Section 5.7.
    EXPECT_EQ(frame_of(1, true, "Hello", false), "\x81\x05Hello");
    const mask_key key{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};
    EXPECT_EQ(frame_of(1, true, "Hello", true, 0, key), "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    EXPECT_EQ(frame_of(2, true, std::string(256, 'x'), false).substr(0, 4),
              std::string("\x82\x7e\x01\x00", 4));
    EXPECT_EQ(frame_of(2, true, std::string(65536, 'x'), false).substr(0, 10),
              std::string("\x82\x7f\0\0\0\0\0\x01\0\0", 10));
    EXPECT_EQ(frame_of(2, true, std::string(125, 'x'), false).size(), 127u);
    EXPECT_EQ(frame_of(2, true, std::string(65535, 'x'), false).size(), 65539u);
}

TEST(WebsocketFrame, EverySplitGivesTheSame) {
    const frame_parser::rules with;
    std::string bytes = frame_of(1, false, "first ", true) + frame_of(9, true, "ping", true) +
                        frame_of(0, true, "second", true) + frame_of(2, true, "", true) +
                        frame_of(2, true, std::string(130, 'm'), true) + frame_of(8, true, "\x03\xe8", true);
    const seen whole = reference(bytes, with);
    ASSERT_EQ(whole.frames.size(), 6u);
    ASSERT_EQ(whole.refused, 0u);
    for (std::size_t first = 1; first < bytes.size(); ++first) {
        for (std::size_t second = 1; second < bytes.size(); second += 7) {
            std::size_t turn = 0;
            const auto cut = [&] { return turn++ == 0 ? first : second; };
            ASSERT_EQ(parsed(bytes, with, turn % 2 == 0, cut), whole) << first << ' ' << second;
        }
    }
}

TEST(WebsocketFrame, WhatIsNotAllowedIsRefusedWithItsCode) {
    const auto refusal = [](std::string_view bytes, frame_parser::rules with = {}) {
        const seen whole = parsed(bytes, with, false, [&] { return bytes.size(); });
        EXPECT_EQ(parsed(bytes, with, false, [] { return 1; }).refused, whole.refused);
        EXPECT_EQ(reference(bytes, with).refused, whole.refused);
        return whole.refused;
    };
    for (const unsigned rsv : {1u, 2u, 3u, 4u, 7u})
        EXPECT_EQ(refusal(frame_of(1, true, "x", true, rsv)), 1002u) << rsv;
    for (const unsigned code : {3u, 4u, 7u, 11u, 15u})
        EXPECT_EQ(refusal(frame_of(code, true, "x", true)), 1002u) << code;
    for (const unsigned code : {8u, 9u, 10u}) {
        EXPECT_EQ(refusal(frame_of(code, false, "x", true)), 1002u);
        EXPECT_EQ(refusal(frame_of(code, true, std::string(126, 'x'), true)), 1002u);
        EXPECT_EQ(refusal(frame_of(code, true, std::string(125, 'x'), true)), 0u);
    }
    EXPECT_EQ(refusal(frame_of(1, true, "x", false)), 1002u);
    frame_parser::rules client;
    client.masked = false;
    EXPECT_EQ(refusal(frame_of(1, true, "x", true), client), 1002u);
    EXPECT_EQ(refusal(frame_of(0, true, "x", true)), 1002u);
    EXPECT_EQ(refusal(frame_of(1, false, "x", true) + frame_of(2, true, "x", true)), 1002u);
    EXPECT_EQ(refusal(std::string("\x81\xfe\0\x05", 4) + "abcd12345"), 1002u);               // not minimal
    EXPECT_EQ(refusal(std::string("\x81\xff\0\0\0\0\0\0\0\x05", 10) + "abcd12345"), 1002u);  // nor this
    EXPECT_EQ(refusal(std::string("\x81\xff\x80\0\0\0\0\x01\0\0", 10) + "abcd"), 1002u);     // highest bit
    frame_parser::rules limited;
    limited.message_limit = 10;
    EXPECT_EQ(refusal(frame_of(1, true, std::string(11, 'x'), true), limited), 1009u);
    EXPECT_EQ(
        refusal(frame_of(1, false, std::string(6, 'x'), true) + frame_of(0, true, "12345", true), limited),
        1009u);
    EXPECT_EQ(
        refusal(frame_of(1, false, std::string(6, 'x'), true) + frame_of(0, true, "1234", true), limited),
        0u);
    frame_parser::rules compressing;
    compressing.compression = true;
    EXPECT_EQ(refusal(frame_of(1, true, "x", true, 4), compressing), 0u);
    EXPECT_EQ(refusal(frame_of(1, false, "x", true, 4) + frame_of(0, true, "x", true, 4), compressing),
              1002u);
    EXPECT_EQ(refusal(frame_of(9, true, "x", true, 4), compressing), 1002u);
}

TEST(WebsocketFrame, RandomBytesAreReadAsTheReferenceReadsThem) {
    std::mt19937 chance(15);
    const auto below = [&](unsigned bound) { return static_cast<unsigned>(chance() % bound); };
    for (unsigned round = 0; round < 20'000; ++round) {
        frame_parser::rules with;
        with.masked = below(4) != 0;
        with.compression = below(2) == 0;
        with.message_limit = below(3) == 0 ? 300 : 100'000;
        with.compressed_limit = with.message_limit + 50;
        std::string bytes;
        bool in_message = false;
        for (unsigned count = below(6); count > 0; --count) {
            const bool control = below(4) == 0;
            const unsigned code = control ? 8 + below(3) : in_message ? 0 : 1 + below(2);
            const bool final = control || below(2) == 0;
            const std::size_t size = control ? below(126) : below(8) == 0 ? below(400) : below(130);
            const unsigned rsv = !control && !in_message && with.compression && below(3) == 0 ? 4 : 0;
            mask_key key;
            for (std::byte& each : key)
                each = static_cast<std::byte>(below(256));
            std::string payload(size, '\0');
            for (char& each : payload)
                each = static_cast<char>(below(256));
            bytes += frame_of(code, final, payload, with.masked, rsv, key);
            if (!control) in_message = !final;
        }
        if (!bytes.empty() && below(3) == 0)
            bytes[below(static_cast<unsigned>(bytes.size()))] ^= static_cast<char>(1u << below(8));
        const seen expected = reference(bytes, with);
        ASSERT_EQ(parsed(bytes, with, round % 2 == 0, [&] { return 1 + below(40); }), expected) << round;
        ASSERT_EQ(parsed(bytes, with, round % 2 != 0, [&] { return bytes.size(); }), expected) << round;
    }
}

TEST(WebsocketMask, EveryLengthPhaseAndAlignment) {
    const mask_key key{std::byte{0x12}, std::byte{0x9f}, std::byte{0}, std::byte{0xff}};
    std::vector<std::byte> source(300);
    for (std::size_t index = 0; index < source.size(); ++index)
        source[index] = static_cast<std::byte>(index * 7);
    for (std::size_t length = 0; length <= 140; ++length) {
        for (std::size_t offset = 0; offset < 9; ++offset) {
            const unsigned phase = static_cast<unsigned>((length + offset) % 4);
            std::vector<std::byte> masked(source);
            apply_mask(mutable_bytes(masked).subspan(offset, length), key, phase);
            std::vector<std::byte> copied(source.size());
            apply_mask(copied.data() + offset, bytes_view(source).subspan(offset, length), key, phase);
            for (std::size_t index = 0; index < source.size(); ++index) {
                const bool inside = index >= offset && index < offset + length;
                const std::byte expected =
                    inside ? source[index] ^ key[(phase + index - offset) % 4] : source[index];
                ASSERT_EQ(masked[index], expected);
                ASSERT_EQ(copied[index], inside ? expected : std::byte{0});
            }
        }
    }
}

/// The number of bytes from the front that can begin a UTF-8 text, and whether they end a character: by code
/// points.
std::pair<std::size_t, bool> utf8_reference(std::string_view text) {
    std::size_t at = 0;
    const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
    while (at < text.size()) {
        const unsigned first = byte(at);
        const std::size_t length = first < 0x80       ? 1
                                   : first >> 5 == 6  ? 2
                                   : first >> 4 == 14 ? 3
                                   : first >> 3 == 30 ? 4
                                                      : 0;
        if (length == 0) return {at, true};
        // The least and the greatest code point that the bytes so far can become.
        unsigned least = length == 1 ? first : first & (0xffu >> (length + 1));
        unsigned most = least;
        std::size_t used = 1;
        const auto possible = [&] {
            constexpr unsigned smallest[]{0, 0, 0x80, 0x800, 0x10000};
            unsigned low = least;
            unsigned high = most;
            for (std::size_t left = used; left < length; ++left) {
                low <<= 6;
                high = high << 6 | 63u;
            }
            low = std::max(low, smallest[length]);
            high = std::min(high, 0x10ffffu);
            return low <= high && !(low >= 0xd800 && high <= 0xdfff);
        };
        if (!possible()) return {at, true};
        for (; used < length && at + used < text.size();) {
            const unsigned next = byte(at + used);
            if (next >> 6 != 2) return {at + used, false};
            least = least << 6 | (next & 63u);
            most = least;
            ++used;
            if (!possible()) return {at + used - 1, false};
        }
        if (used < length) return {text.size(), false};
        at += length;
    }
    return {at, true};
}

void expect_utf8(std::string_view text, std::size_t step) {
    const auto [good, complete] = utf8_reference(text);
    utf8_validator validator;
    bool valid = true;
    std::size_t at = 0;
    for (; at < text.size() && valid; at += step)
        valid = validator.take(as_bytes(text.substr(at, step)));
    ASSERT_EQ(valid, good == text.size()) << text;
    if (valid) {
        ASSERT_EQ(validator.complete(), complete);
    } else {
        ASSERT_GE(at, good + 1);  // not before the byte that says so, and in its piece
        ASSERT_LE(at - step, good);
        ASSERT_FALSE(validator.take(as_bytes("a")));
    }
}

TEST(WebsocketUtf8, EveryTwoAndThreeBytes) {
    for (unsigned value = 0; value < 0x1'0000; ++value) {
        const char two[]{static_cast<char>(value >> 8), static_cast<char>(value)};
        ASSERT_NO_FATAL_FAILURE(expect_utf8({two, 2}, 1));
    }
    for (unsigned value = 0xc00000; value < 0x100'0000; value += 3) {
        const char three[]{static_cast<char>(value >> 16), static_cast<char>(value >> 8),
                           static_cast<char>(value)};
        utf8_validator validator;
        const auto [good, complete] = utf8_reference({three, 3});
        const bool valid = validator.take(as_bytes(std::string_view(three, 3)));
        ASSERT_EQ(valid, good == 3) << std::hex << value;
        if (valid) {
            ASSERT_EQ(validator.complete(), complete) << std::hex << value;
        }
    }
}

TEST(WebsocketUtf8, EveryCodePointIsTakenAndSurrogatesAreNot) {
    for (unsigned code = 0; code <= 0x11'1000; code += code < 0x3000 ? 1 : 37) {
        std::string text;
        if (code < 0x80) {
            text += static_cast<char>(code);
        } else if (code < 0x800) {
            text += {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
        } else if (code < 0x1'0000) {
            text += {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 63)),
                     static_cast<char>(0x80 | (code & 63))};
        } else {
            text += {static_cast<char>(0xf0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 63)),
                     static_cast<char>(0x80 | (code >> 6 & 63)), static_cast<char>(0x80 | (code & 63))};
        }
        ASSERT_EQ(is_utf8(as_bytes(text)), code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)) << code;
    }
}

TEST(WebsocketUtf8, RandomTextsInPiecesOfAnySize) {
    std::mt19937 chance(7);
    const std::string_view parts[]{"a",
                                   "plain text that is longer than sixteen bytes ",
                                   "\xc3\xa9",
                                   "\xe2\x82\xac",
                                   "\xf0\x9d\x84\x9e",
                                   "\xed\x9f\xbf",
                                   "\xee\x80\x80",
                                   "\xf4\x8f\xbf\xbf"};
    for (unsigned round = 0; round < 20'000; ++round) {
        std::string text;
        for (unsigned count = chance() % 12; count > 0; --count)
            text += parts[chance() % std::size(parts)];
        if (!text.empty() && chance() % 2 == 0) text[chance() % text.size()] = static_cast<char>(chance());
        if (!text.empty() && chance() % 4 == 0) text.resize(chance() % text.size());
        ASSERT_NO_FATAL_FAILURE(expect_utf8(text, 1 + chance() % 70)) << round;
    }
}

}  // namespace
}  // namespace naru::websocket
