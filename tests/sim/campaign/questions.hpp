// What the campaign asks, and what must come back: the model that the server and the client are held against,
// as plain as it can be.
#pragma once

#include <cstdint>
#include <string>

namespace naru::campaign {

/// Small, and the same everywhere (splitmix64).
class dice {
 public:
    explicit dice(std::uint64_t seed) noexcept : state_(seed) {}
    std::uint64_t roll() noexcept {
        std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15u;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
        return mixed ^ (mixed >> 31);
    }
    /// Less than `bound`.
    std::uint64_t below(std::uint64_t bound) noexcept { return roll() % bound; }
    std::uint64_t between(std::uint64_t least, std::uint64_t most) noexcept {
        return least + below(most - least + 1);
    }
    bool one_in(std::uint64_t bound) noexcept { return below(bound) == 0; }

 private:
    std::uint64_t state_;
};

enum class kind : std::uint8_t { plain, head, late, pieces, echo, sum, work, file, range, absent, steps };

/// One request. Its id stands in its target, and in the answer's body.
struct question {
    kind what = kind::plain;
    std::uint64_t id = 0;
    std::string method = "GET";
    std::string target;
    std::string range;  ///< the field's value; empty: none
    std::string body;
    bool chunked = false;
    bool last = false;  ///< the connection is to be closed behind it
};

struct reply {
    unsigned status = 0;
    std::string body;
    bool any_body = false;  ///< an error's page: its words are the server's
    bool operator==(const reply&) const = default;
};

/// None of kind::steps, which take a client that waits.
question draw_question(dice& from, std::uint64_t id);
/// As it goes out.
std::string text_of(const question& of);
reply expected_of(const question& of);
/// Of a stream that goes on when what it has sent has been seen: piece `each` of /steps/ID/COUNT.
std::string step_of(std::uint64_t id, std::uint64_t each);
bool matches(const reply& got, const reply& expected);

/// The files of the server's disk.
inline constexpr std::uint64_t file_sizes[] = {0, 100, 5'000, 70'000};
const std::string& content_of_file(std::size_t which);

}  // namespace naru::campaign
