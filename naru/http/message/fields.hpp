// The text that HTTP is made of (RFC 9110, section 5.6), for requests and responses.
#pragma once

#include <array>
#include <string_view>

namespace naru::http {

/// A set of bytes.
using byte_table = std::array<bool, 256>;

/// Letters, digits and `extra`.
constexpr byte_table make_byte_table(std::string_view extra) noexcept {
    byte_table table{};
    for (unsigned char byte = '0'; byte <= '9'; ++byte)
        table[byte] = true;
    for (unsigned char byte = 'a'; byte <= 'z'; ++byte)
        table[byte] = true;
    for (unsigned char byte = 'A'; byte <= 'Z'; ++byte)
        table[byte] = true;
    for (const char byte : extra)
        table[static_cast<unsigned char>(byte)] = true;
    return table;
}

inline bool all_in(const byte_table& table, std::string_view text) noexcept {
    bool good = true;
    for (const char byte : text)
        good &= table[static_cast<unsigned char>(byte)];
    return good;
}

/// token (RFC 9110, section 5.6.2).
inline constexpr byte_table token_bytes = make_byte_table("!#$%&'*+-.^_`|~");
inline bool is_token(std::string_view text) noexcept { return !text.empty() && all_in(token_bytes, text); }

/// Compares with a literal in lower case. One pass without a branch for each byte: the literal is known when
/// it is compiled, and with it which of its bytes are letters.
inline bool equals_lower(std::string_view name, std::string_view lower) noexcept {
    if (name.size() != lower.size()) return false;
    unsigned difference = 0;
    for (std::size_t index = 0; index < name.size(); ++index) {
        const auto expected = static_cast<unsigned char>(lower[index]);
        const unsigned small = expected >= 'a' && expected <= 'z' ? 0x20u : 0u;
        difference |= (static_cast<unsigned char>(name[index]) | small) ^ expected;
    }
    return difference == 0;
}

/// Without the white space around it.
inline std::string_view trimmed(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

/// Takes the next element off a comma-separated list; it may be empty.
inline std::string_view next_element(std::string_view& list) noexcept {
    const std::size_t comma = list.find(',');
    const std::string_view element = trimmed(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    return element;
}

/// Calls `visit` with each element of a comma-separated list, empty ones left out; stops when it returns
/// false.
template <class Visit>
void for_each_element(std::string_view list, Visit visit) {
    while (!list.empty()) {
        const std::string_view element = next_element(list);
        if (!element.empty() && !visit(element)) return;
    }
}

/// Whether `token`, which is in lower case, is an element of the list, in any case.
inline bool list_has(std::string_view list, std::string_view token) noexcept {
    bool found = false;
    for_each_element(list, [&](std::string_view each) {
        found = equals_lower(each, token);
        return !found;
    });
    return found;
}

}  // namespace naru::http
