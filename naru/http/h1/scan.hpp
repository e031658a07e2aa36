// Looking at sixteen bytes at a time: for the first that is not text, and for what a request's target is made
// of.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace naru::http {

/// A byte that may not stand in a field value or a request line: a control character other than HTAB
/// (RFC 9110, section 5.5). CR and LF are such bytes: they end the line or are an error.
constexpr bool is_control(unsigned char byte) noexcept {
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

/// The portable form: eight bytes at a time in a word. Kept out of the other's way.
#if defined(__GNUC__)
[[gnu::noinline]]
#endif
inline const char* find_control_portable(const char* from, const char* end) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101u;
    constexpr std::uint64_t highs = 0x8080808080808080u;
    for (; end - from >= 8; from += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, from, sizeof word);
        const std::uint64_t below_space = (word - ones * 0x20) & ~word & highs;
        const std::uint64_t x = word ^ (ones * 0x7f);
        const std::uint64_t is_delete = (x - ones) & ~x & highs;
        if ((below_space | is_delete) == 0) continue;
        for (int index = 0; index < 8; ++index) {  // perhaps a HTAB only, or a borrow from the byte below
            if (is_control(static_cast<unsigned char>(from[index]))) return from + index;
        }
    }
    for (; from < end; ++from) {
        if (is_control(static_cast<unsigned char>(*from))) return from;
    }
    return end;
}

/// The first control character in [from, end), or end.
inline const char* find_control(const char* from, const char* end) noexcept {
#if defined(__SSE2__)
    const __m128i last_control = _mm_set1_epi8(0x1f);
    const __m128i tab = _mm_set1_epi8('\t');
    const __m128i rubout = _mm_set1_epi8(0x7f);
    for (; end - from >= 16; from += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
        const __m128i low = _mm_cmpeq_epi8(_mm_max_epu8(bytes, last_control), last_control);
        const __m128i found =
            _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low), _mm_cmpeq_epi8(bytes, rubout));
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(found));
        if (mask != 0) return from + std::countr_zero(mask);
    }
#endif
    return find_control_portable(from, end);
}

/// What look_at finds.
struct target_look {
    bool allowed = true;          ///< each byte may stand in a target
    bool plain_path = false;      ///< see request_head
    std::size_t path_length = 0;  ///< bytes in front of the query
};

/// Whether a byte may not stand in a request target: beyond RFC 3986 are let in what browsers (|^`{}"<>\) and
/// others (UTF-8 in a path) send as it is.
constexpr bool is_outside_target(unsigned char byte) noexcept {
    return byte <= ' ' || byte == '#' || byte == 0x7f;
}

/// The portable form, from `at` on in what is known of the bytes before.
inline target_look look_at_portable(std::string_view target, std::size_t at, target_look known) noexcept {
    char before = at == 0 ? '\0' : target[at - 1];
    for (; at < target.size(); ++at) {
        const char byte = target[at];
        known.allowed = known.allowed && !is_outside_target(static_cast<unsigned char>(byte));
        if (known.path_length < at) continue;  // in the query
        if (byte == '?') continue;
        ++known.path_length;
        if (byte == '%' || byte == '\\' || (before == '/' && (byte == '/' || byte == '.')))
            known.plain_path = false;
        before = byte;
    }
    return known;
}

/// What `target` is made of. Bytes up to `readable` may be looked at, beyond the target, too.
inline target_look look_at(std::string_view target, const char* readable) noexcept {
    target_look seen;
    seen.plain_path = target.starts_with('/');
    std::size_t at = 0;
#if defined(__SSE2__)
    unsigned slash_before = 0;
    const auto where = [](__m128i bytes, char byte) noexcept {
        return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte));
    };
    const auto mask_of = [](__m128i found) noexcept {
        return static_cast<unsigned>(_mm_movemask_epi8(found));
    };
    for (; at < target.size() && readable - (target.data() + at) >= 16; at += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(target.data() + at));
        const std::size_t left = target.size() - at;
        const unsigned inside = left >= 16 ? 0xffffu : (1u << left) - 1;
        const __m128i space = _mm_set1_epi8(' ');
        const __m128i out = _mm_or_si128(_mm_cmpeq_epi8(_mm_max_epu8(bytes, space), space),
                                         _mm_or_si128(where(bytes, '#'), where(bytes, 0x7f)));
        seen.allowed = seen.allowed && (mask_of(out) & inside) == 0;
        if (seen.path_length < at) continue;  // in the query
        const unsigned question = mask_of(where(bytes, '?')) & inside;
        const std::size_t path_bytes = question == 0 ? std::min<std::size_t>(left, 16)
                                                     : static_cast<std::size_t>(std::countr_zero(question));
        const unsigned path = (1u << path_bytes) - 1;
        const __m128i slashes = where(bytes, '/');
        const unsigned slash = mask_of(slashes);
        const unsigned dot_or_slash = mask_of(_mm_or_si128(slashes, where(bytes, '.')));
        const unsigned escapes = mask_of(_mm_or_si128(where(bytes, '%'), where(bytes, '\\')));
        if (((((slash << 1) | slash_before) & dot_or_slash) | escapes) & path) seen.plain_path = false;
        slash_before = slash >> 15;
        seen.path_length += path_bytes;
    }
    if (at >= target.size()) return seen;
#endif
    return look_at_portable(target, at, seen);
}

}  // namespace naru::http
