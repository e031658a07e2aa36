#include <naru/http/message/date.hpp>

#include <naru/loop/environment.hpp>

#include <algorithm>
#include <chrono>

namespace naru::http {

namespace {

using namespace std::chrono;

constexpr std::string_view days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view full_days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                          "Thursday", "Friday", "Saturday"};
constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void put_two(char* at, unsigned value) noexcept {
    at[0] = static_cast<char>('0' + value / 10);
    at[1] = static_cast<char>('0' + value % 10);
}

// Reads the text from front to back; any mismatch makes it bad for good.
class reader {
 public:
    explicit reader(std::string_view text) noexcept : text_(text) {}

    bool done() const noexcept { return good_ && text_.empty(); }

    void expect(std::string_view literal) noexcept {
        good_ = good_ && text_.starts_with(literal);
        if (good_) text_.remove_prefix(literal.size());
    }
    /// `digits` of them; with `padded`, the first may be a space.
    unsigned number(std::size_t digits, bool padded = false) noexcept {
        unsigned value = 0;
        good_ = good_ && text_.size() >= digits;
        for (std::size_t index = 0; good_ && index < digits; ++index) {
            const char byte = text_[index];
            if (padded && index == 0 && byte == ' ') continue;
            good_ = byte >= '0' && byte <= '9';
            value = value * 10 + static_cast<unsigned>(byte - '0');
        }
        if (good_) text_.remove_prefix(digits);
        return value;
    }
    template <std::size_t Count>
    unsigned one_of(const std::string_view (&names)[Count]) noexcept {
        for (unsigned index = 0; good_ && index < Count; ++index) {
            if (!text_.starts_with(names[index])) continue;
            text_.remove_prefix(names[index].size());
            return index;
        }
        good_ = false;
        return 0;
    }

 private:
    std::string_view text_;
    bool good_ = true;
};

struct fields {
    unsigned year, month, day, hour, minute, second;
};

void read_time(reader& text, fields& date) noexcept {
    date.hour = text.number(2);
    text.expect(":");
    date.minute = text.number(2);
    text.expect(":");
    date.second = text.number(2);
}

std::optional<std::int64_t> seconds_of(const fields& date) noexcept {
    const year_month_day day{year(static_cast<int>(date.year)), month(date.month),
                             std::chrono::day(date.day)};
    if (!day.ok() || date.hour > 23 || date.minute > 59 || date.second > 60) return std::nullopt;
    const auto since = sys_days(day).time_since_epoch();
    return duration_cast<seconds>(since).count() + date.hour * 3600 + date.minute * 60 + date.second;
}

}  // namespace

std::array<char, date_length> format_date(std::int64_t unix_seconds) noexcept {
    const sys_seconds when{seconds(std::clamp(unix_seconds, first_second, last_second))};
    const sys_days day = floor<std::chrono::days>(when);
    const year_month_day date(day);
    const hh_mm_ss<seconds> time(when - day);
    std::array<char, date_length> text{};
    std::string_view("Sun, 00 Jan 0000 00:00:00 GMT").copy(text.data(), date_length);
    days[weekday(day).c_encoding()].copy(text.data(), 3);
    put_two(&text[5], static_cast<unsigned>(date.day()));
    months[static_cast<unsigned>(date.month()) - 1].copy(&text[8], 3);
    const auto year_number = static_cast<unsigned>(static_cast<int>(date.year()));
    put_two(&text[12], year_number / 100 % 100);
    put_two(&text[14], year_number % 100);
    put_two(&text[17], static_cast<unsigned>(time.hours().count()));
    put_two(&text[20], static_cast<unsigned>(time.minutes().count()));
    put_two(&text[23], static_cast<unsigned>(time.seconds().count()));
    return text;
}

std::array<char, date_length> format_last_modified(std::int64_t unix_seconds) noexcept {
    return format_date(std::min(unix_seconds, environment::current().unix_seconds()));
}

std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) noexcept {
    fields date{};
    {  // IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
        reader in(text);
        (void)in.one_of(days);
        in.expect(", ");
        date.day = in.number(2);
        in.expect(" ");
        date.month = in.one_of(months) + 1;
        in.expect(" ");
        date.year = in.number(4);
        in.expect(" ");
        read_time(in, date);
        in.expect(" GMT");
        if (in.done()) return seconds_of(date);
    }
    {  // RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
        reader in(text);
        (void)in.one_of(full_days);
        in.expect(", ");
        date.day = in.number(2);
        in.expect("-");
        date.month = in.one_of(months) + 1;
        in.expect("-");
        const unsigned two_digits = in.number(2);
        in.expect(" ");
        read_time(in, date);
        in.expect(" GMT");
        if (in.done()) {
            const sys_days today = floor<std::chrono::days>(sys_seconds(seconds(now)));
            const auto this_year = static_cast<unsigned>(static_cast<int>(year_month_day(today).year()));
            date.year = this_year / 100 * 100 + two_digits;
            if (date.year > this_year + 50) date.year -= 100;
            return seconds_of(date);
        }
    }
    // asctime: Sun Nov  6 08:49:37 1994
    reader in(text);
    (void)in.one_of(days);
    in.expect(" ");
    date.month = in.one_of(months) + 1;
    in.expect(" ");
    date.day = in.number(2, true);
    in.expect(" ");
    read_time(in, date);
    in.expect(" ");
    date.year = in.number(4);
    return in.done() ? seconds_of(date) : std::nullopt;
}

}  // namespace naru::http
