// Looking for the first byte that is not text, sixteen at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace naru::http {

/// A byte that may not stand in a field value or a request line: a control character other than HTAB
/// (RFC 9110, section 5.5). CR and LF are such bytes: they end the line or are an error.
constexpr bool is_control(unsigned char byte) noexcept {
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

/// The portable form: eight bytes at a time in a word.
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

}  // namespace naru::http
