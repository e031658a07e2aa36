#include <naru/http/server/access_line.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstring>
#include <type_traits>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace naru::http {

namespace {

constexpr std::size_t most_per_byte = 6;  // of what a byte of a field may become: "\u0000"
constexpr std::size_t fixed_bytes = 256;  // names, numbers and times
constexpr char digits_of_hex[] = "0123456789abcdef";

bool is_plain(unsigned char byte) noexcept {
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

// Eight bytes at a time: not 0 if one of them is not plain.
std::uint64_t odd_ones(std::uint64_t word) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101u;
    constexpr std::uint64_t highs = 0x8080808080808080u;
    const auto equal = [word](unsigned char byte) {
        const std::uint64_t x = word ^ (ones * byte);
        return (x - ones) & ~x;
    };
    return (((word - ones * 0x20) & ~word) | word | equal(0x7f) | equal('"') | equal('\\')) & highs;
}

constexpr std::uint64_t plain_high_bytes = 0x6161616161000000u;

template <class Word>
Word load_word(const char* from) noexcept {
    Word word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

#if defined(__SSE2__)

// Sixteen bytes at a time, none of which is looked at before the end.
class odd_bytes {
 public:
    static constexpr std::size_t size = 16;
    using block = __m128i;

    static block load(const char* from) noexcept {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    }
    static void store(char* to, block bytes) noexcept {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
    }
    void see(block bytes) noexcept {
        // Signed: from 0x7f on, one more is below all.
        const __m128i others = _mm_cmplt_epi8(_mm_add_epi8(bytes, _mm_set1_epi8(1)), _mm_set1_epi8(0x20 + 1));
        const __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                           _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
        seen_ = _mm_or_si128(seen_, _mm_or_si128(others, marks));
    }
    void see(std::uint64_t first, std::uint64_t second) noexcept {
        see(_mm_set_epi64x(static_cast<std::int64_t>(second), static_cast<std::int64_t>(first)));
    }
    bool any() const noexcept { return _mm_movemask_epi8(seen_) != 0; }

 private:
    __m128i seen_ = _mm_setzero_si128();
};

#else

class odd_bytes {
 public:
    static constexpr std::size_t size = 8;
    using block = std::uint64_t;

    static block load(const char* from) noexcept { return load_word<std::uint64_t>(from); }
    static void store(char* to, block bytes) noexcept { std::memcpy(to, &bytes, sizeof bytes); }
    void see(block bytes) noexcept { seen_ |= odd_ones(bytes); }
    void see(std::uint64_t first, std::uint64_t second) noexcept {
        see(first);
        see(second);
    }
    bool any() const noexcept { return seen_ != 0; }

 private:
    std::uint64_t seen_ = 0;
};

#endif

// Copies a text without a call, by blocks that may overlap, and sees each of its bytes.
inline void copy_text(char* to, std::string_view text, odd_bytes& seen) noexcept {
    const char* const from = text.data();
    const std::size_t size = text.size();
    const auto copy_block = [&](std::size_t at) {
        const odd_bytes::block bytes = odd_bytes::load(from + at);
        odd_bytes::store(to + at, bytes);
        seen.see(bytes);
    };
    if (size >= odd_bytes::size) {
        for (std::size_t at = 0; at < size - odd_bytes::size; at += odd_bytes::size)
            copy_block(at);
        copy_block(size - odd_bytes::size);
    } else if (size >= 8) {
        const auto first = load_word<std::uint64_t>(from);
        const auto last = load_word<std::uint64_t>(from + size - 8);
        std::memcpy(to, &first, sizeof first);
        std::memcpy(to + size - 8, &last, sizeof last);
        seen.see(first, last);
    } else if (size >= 4) {
        const auto first = load_word<std::uint32_t>(from);
        const auto last = load_word<std::uint32_t>(from + size - 4);
        std::memcpy(to, &first, sizeof first);
        std::memcpy(to + size - 4, &last, sizeof last);
        const std::uint64_t both = std::uint64_t{first} << 32 | last;
        seen.see(both, both);
    } else if (size > 0) {
        const auto byte = [from](std::size_t at) {
            return std::uint64_t{static_cast<unsigned char>(from[at])};
        };
        const std::uint64_t all = byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16 | plain_high_bytes;
        to[size / 2] = from[size / 2];
        to[size - 1] = from[size - 1];
        to[0] = from[0];
        seen.see(all, all);
    }
}

// The bytes in front that stand for themselves.
std::size_t plain_bytes(std::string_view text) noexcept {
    std::size_t at = 0;
    while (text.size() - at >= 8 && odd_ones(load_word<std::uint64_t>(text.data() + at)) == 0)
        at += 8;
    while (at < text.size() && is_plain(static_cast<unsigned char>(text[at])))
        ++at;
    return at;
}

// Bytes of the character of UTF-8 (RFC 3629) that text begins with; 0: it is none. Its number in `value`.
std::size_t character_at(std::string_view text, std::uint32_t& value) noexcept {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
    value = first & (0x7fu >> size);
    for (std::size_t each = 1; each < size; ++each) {
        const auto byte = static_cast<unsigned char>(text[each]);
        if ((byte & 0xc0) != 0x80) return 0;
        value = value << 6 | (byte & 0x3fu);
    }
    const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
    const bool surrogate = value >= 0xd800 && value < 0xe000;
    return overlong || surrogate || value > 0x10ffff ? 0 : size;
}

constexpr auto powers_of_ten = [] {
    std::array<std::uint64_t, 20> made{1};
    for (std::size_t each = 1; each < made.size(); ++each)
        made[each] = 10 * made[each - 1];
    return made;
}();

std::size_t digits_of(std::uint64_t number) noexcept {
    const auto least = static_cast<std::size_t>(std::bit_width(number | 1)) * 1233 >> 12;  // by log10(2)
    return least + (number >= powers_of_ten[least] ? 1 : 0) + (number == 0 ? 1 : 0);
}

constexpr auto pairs_of_digits = [] {
    std::array<char, 200> made{};
    for (std::size_t each = 0; each < 100; ++each) {
        made[2 * each] = static_cast<char>('0' + each / 10);
        made[2 * each + 1] = static_cast<char>('0' + each % 10);
    }
    return made;
}();

// Behind a place where there is room for all of it.
class line_text {
 public:
    explicit line_text(char* at) noexcept : at_(at) {}

    char* end() const noexcept { return at_; }
    template <std::size_t Size>
    void put_word(const char (&text)[Size]) noexcept {
        put_array(text, std::integral_constant<std::size_t, Size - 1>());
    }
    template <std::size_t Size>
    void put_array(const std::array<char, Size>& text) noexcept {
        put_array(text.data(), std::integral_constant<std::size_t, Size>());
    }
    void put(std::string_view text) noexcept {
        odd_bytes ignored;
        copy_text(at_, text, ignored);
        at_ += text.size();
    }
    void put_long(std::string_view text) noexcept {
        std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
    }
    // Two digits at a time, from behind, each at its place.
    void put_number(std::uint64_t number) noexcept {
        char* last = at_ += digits_of(number);
        while (number >= 100) {
            last -= 2;
            std::memcpy(last, &pairs_of_digits[2 * (number % 100)], 2);
            number /= 100;
        }
        if (number >= 10)
            std::memcpy(last - 2, &pairs_of_digits[2 * number], 2);
        else
            last[-1] = static_cast<char>('0' + number);
    }
    /// An even number of digits.
    template <std::size_t Digits>
    void put_padded(std::uint32_t number) noexcept {
        static_assert(Digits % 2 == 0);
        for (std::size_t each = Digits; each > 0; each -= 2) {
            std::memcpy(at_ + each - 2, &pairs_of_digits[std::size_t{2} * (number % 100)], 2);
            number /= 100;
        }
        at_ += Digits;
    }
    void put_three(std::uint32_t number) noexcept {
        *at_++ = static_cast<char>('0' + number / 100);
        put_padded<2>(number % 100);
    }

 protected:
    template <std::size_t Size>
    void put_array(const char* text, std::integral_constant<std::size_t, Size> /*size*/) noexcept {
        std::memcpy(at_, text, Size);  // of a size that is known: no call
        at_ += Size;
    }
    char* at_;
};

// Of texts that need no escape, as nearly all: whether they do is known in the end.
class plain_text : public line_text {
 public:
    using line_text::line_text;
    bool was_plain() const noexcept { return !seen_.any(); }
    void put_escaped(std::string_view text) noexcept {
        if (text.empty()) return put_word("-");
        put_json(text);
    }
    void put_json(std::string_view text) noexcept {
        copy_text(at_, text, seen_);
        at_ += text.size();
    }

 private:
    odd_bytes seen_;
};

// Of any.
class escaped_text : public line_text {
 public:
    using line_text::line_text;

    // As httpd does: \xHH, and "-" for nothing.
    void put_escaped(std::string_view text) noexcept {
        if (text.empty()) return put_word("-");
        while (true) {
            const std::size_t plain = plain_bytes(text);
            put(text.substr(0, plain));
            if (plain == text.size()) return;
            const auto byte = static_cast<unsigned char>(text[plain]);
            const char escaped[] = {'\\', 'x', digits_of_hex[byte >> 4], digits_of_hex[byte & 15]};
            put({escaped, sizeof escaped});
            text.remove_prefix(plain + 1);
        }
    }

    void put_json(std::string_view text) noexcept {
        while (true) {
            const std::size_t plain = plain_bytes(text);
            put(text.substr(0, plain));
            text.remove_prefix(plain);
            if (text.empty()) return;
            text.remove_prefix(put_odd(text));
        }
    }

 private:
    // What begins with a byte that is not plain. Returns the bytes that have been put.
    std::size_t put_odd(std::string_view text) noexcept {
        const auto byte = static_cast<unsigned char>(text.front());
        if (byte == '"' || byte == '\\') {
            const char escaped[] = {'\\', text.front()};
            put({escaped, sizeof escaped});
            return 1;
        }
        std::uint32_t value = byte;
        const std::size_t size = byte < 0x80 ? 1 : character_at(text, value);
        if (size == 0) {
            const char shown[] = {'\\', '\\', 'x', digits_of_hex[byte >> 4], digits_of_hex[byte & 15]};
            put({shown, sizeof shown});
            return 1;
        }
        if (value < 0xa0) {  // controls
            const char escaped[] = {
                '\\', 'u', '0', '0', digits_of_hex[value >> 4], digits_of_hex[value & 15]};
            put({escaped, sizeof escaped});
        } else {
            put(text.substr(0, size));
        }
        return size;
    }
};

template <class Text, std::size_t Size>
void put_json_field(Text& to, const char (&name)[Size], std::string_view text) noexcept {
    if (text.empty()) return;
    to.put_word(name);
    to.put_json(text);
    to.put_word("\"");
}

// The same for what is known to be plain.
template <class Text, std::size_t Size>
void put_plain_field(Text& to, const char (&name)[Size], std::string_view text) noexcept {
    if (text.empty()) return;
    to.put_word(name);
    to.put(text);
    to.put_word("\"");
}

}  // namespace

// Once a second.
void access_line::look_at_time(std::int64_t unix_seconds) noexcept {
    if (unix_seconds == second_) return;
    second_ = unix_seconds;
    using namespace std::chrono;
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const sys_seconds when{seconds(unix_seconds)};
    const sys_days day = floor<std::chrono::days>(when);
    const year_month_day date(day);
    const hh_mm_ss<seconds> time(when - day);
    const auto year = static_cast<std::uint32_t>(std::clamp(static_cast<int>(date.year()), 0, 9999));
    const auto month = static_cast<unsigned>(date.month());
    const auto put_time = [&time](line_text& to) {
        to.put_padded<2>(static_cast<std::uint32_t>(time.hours().count()));
        to.put_word(":");
        to.put_padded<2>(static_cast<std::uint32_t>(time.minutes().count()));
        to.put_word(":");
        to.put_padded<2>(static_cast<std::uint32_t>(time.seconds().count()));
    };
    line_text combined(combined_time_.data());
    combined.put_padded<2>(static_cast<unsigned>(date.day()));
    combined.put_word("/");
    combined.put(months.substr(std::size_t{3} * (month - 1), 3));
    combined.put_word("/");
    combined.put_padded<4>(year);
    combined.put_word(":");
    put_time(combined);
    combined.put_word(" +0000");
    line_text json(json_time_.data());
    json.put_word("{\"time\":\"");
    json.put_padded<4>(year);
    json.put_word("-");
    json.put_padded<2>(month);
    json.put_word("-");
    json.put_padded<2>(static_cast<unsigned>(date.day()));
    json.put_word("T");
    put_time(json);
    json.put_word(".");
}

template <class Text>
void access_line::begin_combined(Text& to, const access_entry& entry, const char* begin, std::size_t& split) {
    to.put(entry.host.empty() ? std::string_view("-") : entry.host);
    to.put_word(" - - [");
    to.put_array(combined_time_);
    to.put_word("] \"");
    to.put_escaped(entry.request_line);
    to.put(entry.request_line_end);
    to.put_word("\"");
    split = static_cast<std::size_t>(to.end() - begin);
    to.put_word(" \"");
    to.put_escaped(entry.referer);
    to.put_word("\" \"");
    to.put_escaped(entry.user_agent);
    to.put_word("\"");
    if (!entry.refused) return;
    to.put_word(" \"");
    to.put_escaped(entry.reason);
    to.put_word("\"");
}

template <class Text>
void access_line::begin_json(Text& to, const access_entry& entry) {
    to.put_array(json_time_);
    to.put_three(entry.milliseconds);
    to.put_word("Z\"");
    put_plain_field(to, ",\"client\":\"", entry.host);
    put_plain_field(to, ",\"id\":\"", entry.id);
    put_json_field(to, ",\"tls\":\"", entry.tls);
    put_json_field(to, ",\"connection\":\"", entry.connection);
    put_json_field(to, ",\"host\":\"", entry.asked_host);
    to.put_word(",\"request\":\"");
    to.put_json(entry.request_line);
    to.put(entry.request_line_end);
    to.put_word("\"");
    put_json_field(to, ",\"route\":\"", entry.route);
    put_json_field(to, ",\"referer\":\"", entry.referer);
    put_json_field(to, ",\"user_agent\":\"", entry.user_agent);
    put_json_field(to, ",\"reason\":\"", entry.reason);
}

void access_line::begin(log_format as, const access_entry& entry, std::string& into, std::size_t& split) {
    look_at_time(entry.unix_seconds);
    split = 0;
    const auto write = [&]<class Text>(Text& to, const char* begin) {
        as == log_format::json ? begin_json(to, entry) : begin_combined(to, entry, begin, split);
    };
    const std::size_t texts = entry.host.size() + entry.request_line.size() + entry.request_line_end.size() +
                              entry.referer.size() + entry.user_agent.size() + entry.id.size() +
                              entry.asked_host.size() + entry.connection.size() + entry.tls.size() +
                              entry.route.size() + entry.reason.size();
    into.resize_and_overwrite(fixed_bytes + texts, [&](char* at, std::size_t /*room*/) {
        plain_text to(at);
        write(to, at);
        return to.was_plain() ? static_cast<std::size_t>(to.end() - at) : std::size_t{0};
    });
    if (!into.empty()) return;
    const std::size_t most = fixed_bytes + most_per_byte * texts;
    if (room_ < most) {
        memory_.reset();
        room_ = 0;
        memory_ = std::make_unique_for_overwrite<char[]>(std::bit_ceil(most));
        room_ = std::bit_ceil(most);
    }
    escaped_text to(memory_.get());
    write(to, memory_.get());
    into.assign(memory_.get(), static_cast<std::size_t>(to.end() - memory_.get()));
}

std::size_t access_line::room_for_end(const access_entry& entry, std::string_view begun) noexcept {
    return fixed_bytes + begun.size() + entry.cut.size();
}

char* access_line::end(char* at, log_format as, const access_entry& entry, std::string_view begun,
                       std::size_t split) noexcept {
    line_text to(at);
    if (as == log_format::combined) {
        to.put_long(begun.substr(0, split));
        to.put_word(" ");
        to.put_number(entry.status);
        to.put_word(" ");
        to.put_number(entry.bytes);
        to.put_long(begun.substr(split));
        to.put_word("\n");
        return to.end();
    }
    const auto time = static_cast<std::uint64_t>(std::max<std::int64_t>(entry.microseconds, 0));
    to.put_long(begun);
    to.put_word(",\"status\":");
    to.put_number(entry.status);
    to.put_word(",\"bytes\":");
    to.put_number(entry.bytes);
    to.put_word(",\"sent\":");
    to.put_number(entry.sent);
    if (entry.is_upgraded) {
        to.put_word(",\"received\":");
        to.put_number(entry.received);
    }
    to.put_word(",\"seconds\":");
    to.put_number(time / 1'000'000);
    to.put_word(".");
    to.put_padded<6>(static_cast<std::uint32_t>(time % 1'000'000));
    put_plain_field(to, ",\"cut\":\"", entry.cut);
    to.put_word("}\n");
    return to.end();
}

namespace {

std::string whole_line(log_format as, const access_entry& entry) {
    access_line made;
    std::size_t split = 0;
    std::string begun;
    made.begin(as, entry, begun, split);
    std::string line(access_line::room_for_end(entry, begun), '\0');
    line.resize(
        static_cast<std::size_t>(access_line::end(line.data(), as, entry, begun, split) - line.data()));
    return line;
}

}  // namespace

std::string combined_line(const access_entry& entry) { return whole_line(log_format::combined, entry); }
std::string json_line(const access_entry& entry) { return whole_line(log_format::json, entry); }

}  // namespace naru::http
