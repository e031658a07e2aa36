#include <naru/http/websocket/utf8.hpp>

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace naru::websocket {
namespace {

// States: what may come next. The first byte of a character decides how many continuations follow, and which
// range the first of them has, so that overlong forms, surrogates and what lies past U+10FFFF are refused.
enum state : std::uint8_t {
    boundary,
    one_more,    // 80..BF, then a boundary
    two_more,    // 80..BF, then one_more
    three_more,  // 80..BF, then two_more
    after_e0,    // A0..BF, then one_more
    after_ed,    // 80..9F, then one_more
    after_f0,    // 90..BF, then two_more
    after_f4,    // 80..8F, then two_more
    failed,
};

constexpr std::array<std::uint8_t, 256> make_first_bytes() noexcept {
    std::array<std::uint8_t, 256> next{};
    for (unsigned byte = 0x80; byte < 0x100; ++byte)
        next[byte] = failed;
    for (unsigned byte = 0xc2; byte <= 0xdf; ++byte)
        next[byte] = one_more;
    for (unsigned byte = 0xe1; byte <= 0xef; ++byte)
        next[byte] = two_more;
    for (unsigned byte = 0xf1; byte <= 0xf3; ++byte)
        next[byte] = three_more;
    next[0xe0] = after_e0;
    next[0xed] = after_ed;
    next[0xf0] = after_f0;
    next[0xf4] = after_f4;
    return next;
}
constexpr std::array<std::uint8_t, 256> first_bytes = make_first_bytes();

struct continuation {
    std::uint8_t least;
    std::uint8_t most;
    std::uint8_t next;
};
constexpr std::array<continuation, 8> continuations{{
    {0, 0, boundary},  // not used: a boundary looks at first_bytes
    {0x80, 0xbf, boundary},
    {0x80, 0xbf, one_more},
    {0x80, 0xbf, two_more},
    {0xa0, 0xbf, one_more},
    {0x80, 0x9f, one_more},
    {0x90, 0xbf, two_more},
    {0x80, 0x8f, two_more},
}};

/// The first byte that is not ASCII, or `end`.
const std::byte* skip_ascii(const std::byte* from, const std::byte* end) noexcept {
#if defined(__SSE2__)
    for (; end - from >= 64; from += 64) {
        const auto* const blocks = reinterpret_cast<const __m128i*>(from);
        const __m128i front = _mm_or_si128(_mm_loadu_si128(blocks), _mm_loadu_si128(blocks + 1));
        const __m128i back = _mm_or_si128(_mm_loadu_si128(blocks + 2), _mm_loadu_si128(blocks + 3));
        if (_mm_movemask_epi8(_mm_or_si128(front, back)) != 0) break;
    }
    for (; end - from >= 16; from += 16) {
        const int high = _mm_movemask_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
        if (high != 0) return from + __builtin_ctz(static_cast<unsigned>(high));
    }
#endif
    for (; end - from >= 8; from += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, from, 8);
        if ((word & 0x8080'8080'8080'8080u) != 0) break;
    }
    while (from != end && std::to_integer<unsigned>(*from) < 0x80)
        ++from;
    return from;
}

}  // namespace

bool utf8_validator::take(bytes_view piece) noexcept {
    const std::byte* from = piece.data();
    const std::byte* const end = from + piece.size();
    std::uint8_t now = state_;
    while (from != end && now != failed) {
        if (now == boundary) {
            from = skip_ascii(from, end);
            // Within other scripts characters follow each other closely: no look for ASCII between them.
            while (from != end && now == boundary) {
                const unsigned byte = std::to_integer<unsigned>(*from++);
                now = first_bytes[byte];
                if (byte < 0x80) break;
            }
            continue;
        }
        const unsigned byte = std::to_integer<unsigned>(*from++);
        const continuation& wanted = continuations[now];
        now = byte >= wanted.least && byte <= wanted.most ? wanted.next : std::uint8_t{failed};
    }
    state_ = now;
    return now != failed;
}

}  // namespace naru::websocket
