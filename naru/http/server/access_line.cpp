#include <naru/http/server/access_line.hpp>

#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace naru::http {

namespace {

constexpr std::size_t most_per_byte = 6;  // of what a byte of a field may become: "\u0000"
constexpr std::size_t fixed_bytes = 640;  // names, numbers and times
constexpr char digits_of_hex[] = "0123456789abcdef";

bool is_plain(unsigned char byte) noexcept {
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

// Eight bytes at a time: not 0 if one of them is not plain.
std::uint64_t odd_ones(const char* eight) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101u;
    constexpr std::uint64_t highs = 0x8080808080808080u;
    std::uint64_t word = 0;
    std::memcpy(&word, eight, sizeof word);
    const auto equal = [word](unsigned char byte) {
        const std::uint64_t x = word ^ (ones * byte);
        return (x - ones) & ~x;
    };
    return (((word - ones * 0x20) & ~word) | word | equal(0x7f) | equal('"') | equal('\\')) & highs;
}

// The bytes in front that stand for themselves.
std::size_t plain_bytes(std::string_view text) noexcept {
    std::size_t at = 0;
#if defined(__SSE2__)
    const auto odd_of = [](const char* sixteen) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(sixteen));
        const __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));  // signed: all from 0x80 on, too
        const __m128i others = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)),
                                            _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                                         _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
        return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(low, others)));
    };
    for (; text.size() - at >= 16; at += 16) {
        const unsigned odd = odd_of(text.data() + at);
        if (odd != 0) return at + static_cast<std::size_t>(std::countr_zero(odd));
    }
    if (at > 0) {  // the rest together with bytes before it, which are plain
        const std::size_t last = text.size() - 16;
        const unsigned odd = odd_of(text.data() + last);
        return odd != 0 ? last + static_cast<std::size_t>(std::countr_zero(odd)) : text.size();
    }
#endif
    while (text.size() - at >= 8 && odd_ones(text.data() + at) == 0)
        at += 8;
    if (at > 0 && text.size() - at < 8 && odd_ones(text.data() + text.size() - 8) == 0) return text.size();
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

}  // namespace

void access_line::make_room(std::size_t bytes) {
    if (room_ < bytes) {
        memory_.reset();
        room_ = 0;
        memory_ = std::make_unique_for_overwrite<char[]>(std::bit_ceil(bytes));
        room_ = std::bit_ceil(bytes);
    }
    at_ = memory_.get();
}

void access_line::put(std::string_view text) noexcept {
    if (text.empty()) return;
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
}

void access_line::put_number(std::uint64_t number) noexcept {
    at_ = std::to_chars(at_, at_ + 20, number).ptr;
}

void access_line::put_padded(std::uint64_t number, std::size_t digits) noexcept {
    for (std::size_t each = digits; each > 0; --each) {
        at_[each - 1] = static_cast<char>('0' + number % 10);
        number /= 10;
    }
    at_ += digits;
}

// As httpd does: \xHH, and "-" for nothing.
void access_line::put_escaped(std::string_view text) noexcept {
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

void access_line::put_json(std::string_view text) noexcept {
    while (true) {
        const std::size_t plain = plain_bytes(text);
        put(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) return;
        const auto byte = static_cast<unsigned char>(text.front());
        const char high = digits_of_hex[byte >> 4];
        const char low = digits_of_hex[byte & 15];
        std::size_t used = 1;
        if (byte == '"' || byte == '\\') {
            const char escaped[] = {'\\', text.front()};
            put({escaped, sizeof escaped});
        } else if (byte < 0x80) {
            const char escaped[] = {'\\', 'u', '0', '0', high, low};
            put({escaped, sizeof escaped});
        } else {
            std::uint32_t value = 0;
            const std::size_t size = character_at(text, value);
            if (size == 0) {
                const char shown[] = {'\\', '\\', 'x', high, low};
                put({shown, sizeof shown});
            } else if (value < 0xa0) {  // controls
                const char escaped[] = {
                    '\\', 'u', '0', '0', digits_of_hex[value >> 4], digits_of_hex[value & 15]};
                put({escaped, sizeof escaped});
                used = size;
            } else {
                put(text.substr(0, size));
                used = size;
            }
        }
        text.remove_prefix(used);
    }
}

// Once a second.
void access_line::look_at_time(std::int64_t unix_seconds) noexcept {
    if (unix_seconds == second_) return;
    second_ = unix_seconds;
    using namespace std::chrono;
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const sys_seconds when{seconds(unix_seconds)};
    const sys_days day = floor<days>(when);
    const year_month_day date(day);
    const hh_mm_ss<seconds> time(when - day);
    const auto year = static_cast<std::uint64_t>(std::clamp(static_cast<int>(date.year()), 0, 9999));
    const auto month = static_cast<unsigned>(date.month());
    char* const before = at_;
    const auto put_time = [&] {
        put_padded(static_cast<std::uint64_t>(time.hours().count()), 2);
        put_word(":");
        put_padded(static_cast<std::uint64_t>(time.minutes().count()), 2);
        put_word(":");
        put_padded(static_cast<std::uint64_t>(time.seconds().count()), 2);
    };
    at_ = combined_time_.data();
    put_padded(static_cast<unsigned>(date.day()), 2);
    put_word("/");
    put(months.substr(std::size_t{3} * (month - 1), 3));
    put_word("/");
    put_padded(year, 4);
    put_word(":");
    put_time();
    put_word(" +0000");
    at_ = json_time_.data();
    put_padded(year, 4);
    put_word("-");
    put_padded(month, 2);
    put_word("-");
    put_padded(static_cast<unsigned>(date.day()), 2);
    put_word("T");
    put_time();
    at_ = before;
}

void access_line::begin_combined(const access_entry& entry, std::size_t& split) {
    put(entry.host.empty() ? std::string_view("-") : entry.host);
    put_word(" - - [");
    put({combined_time_.data(), combined_time_.size()});
    put_word("] \"");
    put_escaped(entry.request_line);
    put(entry.request_line_end);
    put_word("\"");
    split = static_cast<std::size_t>(at_ - memory_.get());
    put_word(" \"");
    put_escaped(entry.referer);
    put_word("\" \"");
    put_escaped(entry.user_agent);
    put_word("\"");
    if (!entry.refused) return;
    put_word(" \"");
    put_escaped(entry.reason);
    put_word("\"");
}

void access_line::begin_json(const access_entry& entry) {
    put_word("{\"time\":\"");
    put({json_time_.data(), json_time_.size()});
    put_word(".");
    put_padded(entry.milliseconds, 3);
    put_word("Z\"");
    put_plain_field(",\"client\":\"", entry.host);
    put_plain_field(",\"id\":\"", entry.id);
    put_plain_field(",\"tls\":\"", entry.tls);
    put_json_field(",\"host\":\"", entry.asked_host);
    put_word(",\"request\":\"");
    put_json(entry.request_line);
    put(entry.request_line_end);
    put_word("\"");
    put_json_field(",\"route\":\"", entry.route);
    put_json_field(",\"referer\":\"", entry.referer);
    put_json_field(",\"user_agent\":\"", entry.user_agent);
    put_json_field(",\"reason\":\"", entry.reason);
}

std::string_view access_line::begin(log_format as, const access_entry& entry, std::size_t& split) {
    make_room(fixed_bytes +
              most_per_byte * (entry.host.size() + entry.request_line.size() + entry.referer.size() +
                               entry.user_agent.size() + entry.id.size() + entry.asked_host.size() +
                               entry.tls.size() + entry.route.size() + entry.reason.size()));
    look_at_time(entry.unix_seconds);
    split = 0;
    if (as == log_format::json) {
        begin_json(entry);
    } else {
        begin_combined(entry, split);
    }
    return {memory_.get(), static_cast<std::size_t>(at_ - memory_.get())};
}

std::string_view access_line::end(log_format as, const access_entry& entry, std::string_view begun,
                                  std::size_t split) {
    make_room(fixed_bytes + begun.size() + most_per_byte * entry.cut.size());
    if (as == log_format::combined) {
        put(begun.substr(0, split));
        put_word(" ");
        put_number(entry.status);
        put_word(" ");
        put_number(entry.bytes);
        put(begun.substr(split));
        put_word("\n");
    } else {
        const auto time = static_cast<std::uint64_t>(std::max<std::int64_t>(entry.microseconds, 0));
        put(begun);
        put_word(",\"status\":");
        put_number(entry.status);
        put_word(",\"bytes\":");
        put_number(entry.bytes);
        put_word(",\"sent\":");
        put_number(entry.sent);
        put_word(",\"seconds\":");
        put_number(time / 1'000'000);
        put_word(".");
        put_padded(time % 1'000'000, 6);
        put_json_field(",\"cut\":\"", entry.cut);
        put_word("}\n");
    }
    return {memory_.get(), static_cast<std::size_t>(at_ - memory_.get())};
}

namespace {

std::string whole_line(log_format as, const access_entry& entry) {
    access_line made;
    std::size_t split = 0;
    const std::string begun(made.begin(as, entry, split));
    return std::string(made.end(as, entry, begun, split));
}

}  // namespace

std::string combined_line(const access_entry& entry) { return whole_line(log_format::combined, entry); }
std::string json_line(const access_entry& entry) { return whole_line(log_format::json, entry); }

}  // namespace naru::http
