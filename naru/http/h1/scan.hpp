// Looking at sixteen bytes at a time: for the first that is not text, and for what a request's target and its
// host are made of.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

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
    const char* const begin = from;
    const __m128i last_control = _mm_set1_epi8(0x1f);
    const __m128i tab = _mm_set1_epi8('\t');
    const __m128i rubout = _mm_set1_epi8(0x7f);
    const auto controls = [&](const char* sixteen) noexcept {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(sixteen));
        const __m128i low = _mm_cmpeq_epi8(_mm_max_epu8(bytes, last_control), last_control);
        const __m128i found =
            _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low), _mm_cmpeq_epi8(bytes, rubout));
        return static_cast<unsigned>(_mm_movemask_epi8(found));
    };
    for (; end - from >= 16; from += 16) {
        const unsigned mask = controls(from);
        if (mask != 0) return from + std::countr_zero(mask);
    }
    if (from != begin) {  // the rest together with bytes before it, which are no controls
        const unsigned mask = controls(end - 16);
        return mask != 0 ? end - 16 + std::countr_zero(mask) : end;
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

#if defined(__SSE2__)

/// Sixteen bytes that begin in a target.
struct target_block {
    explicit target_block(const char* from) noexcept
        : bytes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))) {}

    __m128i where(char byte) const noexcept { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte)); }
    static unsigned mask_of(__m128i found) noexcept {
        return static_cast<unsigned>(_mm_movemask_epi8(found));
    }

    /// What may not stand in a target, or not in its path as it is; and some that may: one comparison is for
    /// '#', '%', '!' and '\'', one for '?' and DEL, one for all up to the space and from 0x80 on.
    unsigned not_plain() const noexcept {
        const __m128i escape = _mm_cmpeq_epi8(_mm_or_si128(bytes, _mm_set1_epi8(6)), _mm_set1_epi8('#' | 6));
        const __m128i query = _mm_cmpeq_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x40)), _mm_set1_epi8(0x7f));
        const __m128i outside = _mm_cmplt_epi8(bytes, _mm_set1_epi8('!'));
        return mask_of(_mm_or_si128(_mm_or_si128(escape, query), _mm_or_si128(outside, where('\\'))));
    }
    unsigned not_allowed() const noexcept {
        const __m128i space = _mm_set1_epi8(' ');
        return mask_of(_mm_or_si128(_mm_cmpeq_epi8(_mm_max_epu8(bytes, space), space),
                                    _mm_or_si128(where('#'), where(0x7f))));
    }
    unsigned questions() const noexcept { return mask_of(where('?')); }
    unsigned escapes() const noexcept { return mask_of(_mm_or_si128(where('%'), where('\\'))); }
    /// The second of "//" and "/.". `slash_before`: whether the byte before these is a slash; then whether
    /// their last is.
    unsigned twisted(unsigned& slash_before) const noexcept {
        const __m128i slashes = where('/');
        const unsigned slash = mask_of(slashes);
        const unsigned dot_or_slash = mask_of(_mm_or_si128(slashes, where('.')));
        return ((slash << 1) | std::exchange(slash_before, slash >> 15)) & dot_or_slash;
    }

    __m128i bytes;
};

#endif

/// What `target` is made of. Bytes up to `readable` may be looked at, beyond the target, too.
inline target_look look_at(std::string_view target, [[maybe_unused]] const char* readable) noexcept {
    target_look seen;
    seen.plain_path = target.starts_with('/');
    std::size_t at = 0;
#if defined(__SSE2__)
    unsigned slash_before = 0;
    for (; at < target.size() && readable - (target.data() + at) >= 16; at += 16) {
        const target_block block(target.data() + at);
        std::size_t path_bytes = std::min<std::size_t>(target.size() - at, 16);
        const unsigned inside = (1u << path_bytes) - 1;
        unsigned escapes = 0;
        if (seen.path_length < at || (block.not_plain() & inside) != 0) {
            seen.allowed = seen.allowed && (block.not_allowed() & inside) == 0;
            if (seen.path_length < at) continue;  // in the query
            if (const unsigned query = block.questions() & inside; query != 0)
                path_bytes = static_cast<std::size_t>(std::countr_zero(query));
            escapes = block.escapes();
        }
        const unsigned twisted = block.twisted(slash_before) | escapes;
        if ((twisted & ((1u << path_bytes) - 1)) != 0) seen.plain_path = false;
        seen.path_length += path_bytes;
    }
    if (at >= target.size()) return seen;
#endif
    return look_at_portable(target, at, seen);
}

#if defined(__SSE2__)

/// What a host's first 16 or 32 bytes are, a bit for each, the first at the bottom.
struct host_bytes {
    /// `value` lies in at least 16 bytes in front of `end`, all of which may be read.
    host_bytes(const char* value, const char* end) noexcept {
        if (end - value < 16) {  // the last of them, and those in front of it
            const char* const from = end - 16;
            add(from, 0);
            for (unsigned* const each : {&in_names, &digits, &dots, &colons})
                *each >>= value - from;
            return;
        }
        add(value, 0);
        if (size() == 16 && end - value >= 32) add(value + 16, 16);
    }
    void add(const char* from, unsigned place) noexcept {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
        const auto is = [](__m128i each, char what) noexcept {
            return _mm_cmpeq_epi8(each, _mm_set1_epi8(what));
        };
        const auto within = [](__m128i each, char first, char last) noexcept {
            const __m128i above = _mm_sub_epi8(each, _mm_set1_epi8(first));
            return _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8(static_cast<char>(last - first))), above);
        };
        const auto mask_of = [place](__m128i found) noexcept {
            return static_cast<unsigned>(_mm_movemask_epi8(found)) << place;
        };
        const __m128i figure = within(bytes, '0', '9');
        const __m128i point = is(bytes, '.');
        const __m128i letter = within(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z');
        digits |= mask_of(figure);
        dots |= mask_of(point);
        colons |= mask_of(is(bytes, ':'));
        in_names |= mask_of(_mm_or_si128(_mm_or_si128(letter, is(bytes, '-')), _mm_or_si128(figure, point)));
    }
    /// How many at the front are of a name or a port.
    std::size_t size() const noexcept { return static_cast<std::size_t>(std::countr_one(in_names | colons)); }
    /// Whether the first `size` bytes are a name such as nearly all are, perhaps with a port.
    [[gnu::always_inline]] bool is_usual(std::size_t size) const noexcept {
        if (size < 2 || size > 31) return false;
        const unsigned all = (1u << size) - 1;
        const unsigned colon = colons & (0 - colons) & all;  // the first
        const unsigned name = colon == 0 ? all : colon - 1;
        if (name <= 1 || (dots & (dots >> 1) & name) != 0) return false;  // two dots
        const bool short_port = colon == 0 || colon > all >> 6;
        return short_port && ((digits | name | colon) & all) == all;
    }
    unsigned in_names = 0;  // letters, digits, '-' and '.'
    unsigned digits = 0;
    unsigned dots = 0;
    unsigned colons = 0;
};

#endif

/// Whether a host is a name such as nearly all are, perhaps with a port. False: look at it byte by byte. All
/// of [begin, end) may be looked at.
inline bool is_usual_host([[maybe_unused]] std::string_view text, [[maybe_unused]] const char* begin,
                          [[maybe_unused]] const char* end) noexcept {
#if defined(__SSE2__)
    if (end - begin < 16) return false;
    const host_bytes seen(text.data(), end);
    return seen.size() == text.size() && seen.is_usual(text.size());
#else
    return false;
#endif
}

}  // namespace naru::http
