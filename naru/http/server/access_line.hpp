// A line of the access log: made in two steps, because what is known of a request is gone when its answer has
// ended.
#pragma once

#include <naru/http/server/server_options.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
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
    std::string_view connection;  ///< what the proxy before this server calls it
    std::string_view asked_host;  ///< of the Host field
    std::string_view tls;         ///< its version, "TLSv1.3"; empty: none
    std::string_view route;       ///< the pattern
    std::string_view reason;      ///< why it was not answered as asked, in a sentence
    bool refused = false;         ///< it was not understood: then the combined format tells the reason, too

    // Known when it has ended.
    unsigned status = 0;
    std::uint64_t bytes = 0;     ///< of the body, that have left
    std::uint64_t sent = 0;      ///< of all of it
    std::uint64_t received = 0;  ///< of a connection that spoke another protocol, after its request
    bool is_upgraded = false;    ///< it is of one
    std::int64_t microseconds = 0;
    std::string_view cut;  ///< why not all of it has left, in plain text; empty: it has
};

/// Makes lines; its memory is used again and again.
class access_line {
 public:
    /// The first step: what is known of the request. `split` is for the second. Allocates only where `into`,
    /// or a line that needs escapes, is longer than any before. Throws std::bad_alloc.
    void begin(log_format as, const access_entry& entry, std::string& into, std::size_t& split);
    /// The second: the whole line, with its line feed. `begun`: what the first has made. `at`: room_for_end
    /// bytes. Returns its end.
    static char* end(char* at, log_format as, const access_entry& entry, std::string_view begun,
                     std::size_t split) noexcept;
    static std::size_t room_for_end(const access_entry& entry, std::string_view begun) noexcept;

 private:
    template <class Text>
    void begin_combined(Text& to, const access_entry& entry, const char* begin, std::size_t& split);
    template <class Text>
    void begin_json(Text& to, const access_entry& entry);
    void look_at_time(std::int64_t unix_seconds) noexcept;

    std::unique_ptr<char[]> memory_;
    std::size_t room_ = 0;
    std::int64_t second_ = -1;
    std::array<char, 26> combined_time_{};  // "04/Mar/2021:05:06:07 +0000"
    std::array<char, 29> json_time_{};      // {"time":"2021-03-04T05:06:07.
};

/// `host - - [time] "request" status bytes "referer" "user agent"`, quotes and what is not ASCII text
/// escaped; behind it, of a refused request, the reason.
std::string combined_line(const access_entry& entry);
/// An object of JSON. Valid UTF-8: bytes that are none are shown as \xHH, what cannot be printed as JSON
/// does.
std::string json_line(const access_entry& entry);

}  // namespace naru::http
