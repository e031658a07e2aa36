// A line of the access log: made in two steps, because what is known of a request is gone when its answer has
// ended.
#pragma once

#include <naru/http/server/server_options.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace naru::http {

/// What a line says; the views are lent.
struct access_entry {
    // Known when the answer is made.
    std::string_view host;  ///< the client's
    std::int64_t unix_seconds = 0;
    unsigned milliseconds = 0;
    std::string_view request_line;
    std::string_view request_line_end;  ///< "/2.0", where the version is another than that of its text
    std::string_view referer;
    std::string_view user_agent;
    std::string_view id;          ///< the request's
    std::string_view asked_host;  ///< of the Host field
    std::string_view tls;         ///< its version, "TLSv1.3"; empty: none
    std::string_view route;       ///< the pattern
    std::string_view reason;      ///< why it was not answered as asked, in a sentence
    bool refused = false;         ///< it was not understood: then the combined format tells the reason, too

    // Known when it has ended.
    unsigned status = 0;
    std::uint64_t bytes = 0;  ///< of the body, that have left
    std::uint64_t sent = 0;   ///< of all of it
    std::int64_t microseconds = 0;
    std::string_view cut;  ///< why not all of it has left; empty: it has
};

/// Memory to write a line in, used again and again.
class access_line {
 public:
    /// The first step: what is known of the request. `split` is for the second. Allocates only for lines that
    /// are longer than any before. Throws std::bad_alloc.
    std::string_view begin(log_format as, const access_entry& entry, std::size_t& split);
    /// The second: the whole line, with its line feed. `begun`: what the first has made, in other memory.
    std::string_view end(log_format as, const access_entry& entry, std::string_view begun, std::size_t split);

 private:
    void make_room(std::size_t bytes);
    void begin_combined(const access_entry& entry, std::size_t& split);
    void begin_json(const access_entry& entry);
    void put(std::string_view text) noexcept;
    template <std::size_t Size>
    void put_word(const char (&text)[Size]) noexcept {
        std::memcpy(at_, text, Size - 1);  // of a size that is known: no call
        at_ += Size - 1;
    }
    void put_number(std::uint64_t number) noexcept;
    void put_escaped(std::string_view text) noexcept;
    void put_json(std::string_view text) noexcept;
    template <std::size_t Size>
    void put_json_field(const char (&name)[Size], std::string_view text) noexcept {
        if (text.empty()) return;
        put_word(name);
        put_json(text);
        *at_++ = '"';
    }
    /// The same for what is known to be plain.
    template <std::size_t Size>
    void put_plain_field(const char (&name)[Size], std::string_view text) noexcept {
        if (text.empty()) return;
        put_word(name);
        put(text);
        *at_++ = '"';
    }
    void put_padded(std::uint64_t number, std::size_t digits) noexcept;
    void look_at_time(std::int64_t unix_seconds) noexcept;

    std::unique_ptr<char[]> memory_;
    std::size_t room_ = 0;
    char* at_ = nullptr;
    std::int64_t second_ = -1;
    std::array<char, 26> combined_time_{};  // "04/Mar/2021:05:06:07 +0000"
    std::array<char, 19> json_time_{};      // "2021-03-04T05:06:07"
};

/// `host - - [time] "request" status bytes "referer" "user agent"`, quotes and what is not ASCII text
/// escaped; behind it, of a refused request, the reason.
std::string combined_line(const access_entry& entry);
/// An object of JSON. Valid UTF-8: bytes that are none are shown as \xHH, what cannot be printed as JSON
/// does.
std::string json_line(const access_entry& entry);

}  // namespace naru::http
