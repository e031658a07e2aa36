#include <naru/http/exchange/forwarded.hpp>

#include <naru/http/limits.hpp>
#include <naru/http/message/fields.hpp>

#include <algorithm>
#include <array>

namespace naru::http::detail {

namespace {

bool same_name(std::string_view given, std::string_view lower) noexcept {
    return given.size() == lower.size() && equals_lower(given, lower);
}

// The elements of a field that may come in several lines, the last one first; so many of them.
class words_from_the_right {
 public:
    words_from_the_right(const field_list& fields, std::string_view name, bool may_be_quoted) noexcept {
        std::array<std::string_view, limits::forwarded_hops> lines;  // the last ones
        std::size_t count = 0;
        for (const auto& each : fields) {
            if (same_name(each.name, name)) lines[count++ % lines.size()] = each.value;
        }
        for (std::size_t line = 0; line < std::min(count, lines.size()); ++line)
            take(lines[(count - 1 - line) % lines.size()], may_be_quoted);
    }
    std::size_t size() const noexcept { return size_; }
    std::string_view operator[](std::size_t which) const noexcept { return words_[which]; }

 private:
    // From its end: what a client has written stands in front, and an open quote in it takes nothing of what
    // the proxy has put behind.
    void take(std::string_view line, bool may_be_quoted) noexcept {
        bool quoted = false;
        std::size_t end = line.size();
        for (std::size_t at = line.size(); at-- > 0;) {
            if (may_be_quoted && line[at] == '"' && !is_escaped(line, at)) quoted = !quoted;
            if (line[at] != ',' || quoted) continue;
            add(line.substr(at + 1, end - at - 1));
            end = at;
        }
        add(line.substr(0, end));
    }
    void add(std::string_view word) noexcept {
        word = trimmed(word);
        if (!word.empty() && size_ < words_.size()) words_[size_++] = word;
    }
    static bool is_escaped(std::string_view line, std::size_t at) noexcept {
        std::size_t before = 0;
        while (before < at && line[at - 1 - before] == '\\')
            ++before;
        return before % 2 == 1;
    }

    std::array<std::string_view, limits::forwarded_hops> words_;
    std::size_t size_ = 0;
};

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80".
std::optional<address> address_of(std::string_view text) noexcept {
    if (text.empty() || text.size() > 56 || text.find_first_not_of("0123456789abcdefABCDEF:.[]") != text.npos)
        return std::nullopt;
    std::array<char, 64> whole;
    char* at = whole.data();
    const auto put = [&at](std::string_view piece) { at = std::ranges::copy(piece, at).out; };
    const bool bare_six = text.front() != '[' && std::ranges::count(text, ':') > 1;
    if (bare_six) put("[");
    put(text);
    if (bare_six) put("]");
    const bool has_port =
        !bare_six && (text.front() == '[' ? text.back() != ']' : text.find(':') != std::string_view::npos);
    if (!has_port) put(":0");
    const auto parsed = address::parse({whole.data(), static_cast<std::size_t>(at - whole.data())});
    if (!parsed || parsed->is_every()) return std::nullopt;
    return *parsed;
}

// The value of a parameter of a Forwarded element, without its quotes; an escape in it is no address's. A
// semicolon in quotes ends it early, which makes it no address either.
std::string_view parameter(std::string_view element, std::string_view name) noexcept {
    while (!element.empty()) {
        const std::size_t end = std::min(element.find(';'), element.size());
        const std::string_view pair = trimmed(element.substr(0, end));
        element.remove_prefix(std::min(end + 1, element.size()));
        const std::size_t equals = pair.find('=');
        if (equals == std::string_view::npos || !same_name(pair.substr(0, equals), name)) continue;
        std::string_view value = pair.substr(equals + 1);
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
            value = value.substr(1, value.size() - 2);
        return value;
    }
    return {};
}

}  // namespace

forwarded_facts read_forwarded(const field_list& fields, const trusted_proxies& by,
                               const std::optional<address>& sender) noexcept {
    forwarded_facts facts{sender, {}};
    const bool standard = by.told_by() == trusted_proxies::fields::forwarded;
    if (by.told_by() == trusted_proxies::fields::none) return facts;
    if (sender ? !by.trusts(*sender) : !by.trusts_local()) return facts;
    const words_from_the_right hops(fields, standard ? "forwarded" : "x-forwarded-for", standard);
    std::size_t hop = 0;  // the client's
    for (std::size_t at = 0; at < hops.size(); ++at) {
        const auto named = address_of(standard ? parameter(hops[at], "for") : hops[at]);
        hop = at;
        if (!named) break;
        facts.client = *named;
        if (!by.trusts(*named)) break;
    }
    if (standard) {
        if (hops.size() > 0) facts.scheme = parameter(hops[hop], "proto");
        return facts;
    }
    const words_from_the_right schemes(fields, "x-forwarded-proto", false);
    if (schemes.size() > 0) facts.scheme = schemes[schemes.size() == hops.size() ? hop : 0];
    return facts;
}

}  // namespace naru::http::detail
