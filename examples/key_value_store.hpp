// The protocol and the store of the key-value example; without I/O.
//
//     GET key\n             VALUE <32 bytes>\n, or NONE\n
//     SET key <32 bytes>\n  STORED\n
//
// Keys have 1 to 32 bytes above the space; the bytes of a value may be any.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace key_value {

inline constexpr std::size_t value_bytes = 32;
inline constexpr std::size_t most_key_bytes = 32;
inline constexpr std::size_t most_keys = 1'000'000;

struct hash_text {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return std::hash<std::string_view>{}(text);
    }
};
using value = std::array<char, value_bytes>;
using store = std::unordered_map<std::string, value, hash_text, std::equal_to<>>;

inline bool is_key(std::string_view key) {
    if (key.empty() || key.size() > most_key_bytes) return false;
    for (const char each : key) {
        if (static_cast<unsigned char>(each) <= ' ') return false;
    }
    return true;
}

inline bool get(const store& values, std::string_view key, std::string& answers) {
    if (!is_key(key)) return false;
    const auto found = values.find(key);
    if (found == values.end()) {
        answers += "NONE\n";
    } else {
        answers += "VALUE ";
        answers.append(found->second.data(), value_bytes);
        answers += '\n';
    }
    return true;
}

inline bool set(store& values, std::string_view key, std::string_view content, std::string& answers) {
    if (!is_key(key)) return false;
    auto found = values.find(key);
    if (found == values.end()) {
        if (values.size() >= most_keys) return false;
        found = values.emplace(key, value()).first;
    }
    std::memcpy(found->second.data(), content.data(), value_bytes);
    answers += "STORED\n";
    return true;
}

// Answers the whole requests at the front of `input`, which loses them. False: one is not a request.
inline bool answer(store& values, std::string_view& input, std::string& answers) {
    while (!input.empty()) {
        if (input.starts_with("GET ")) {
            const std::size_t end = input.find('\n');
            if (end == input.npos) return input.size() <= 4 + most_key_bytes;
            if (!get(values, input.substr(4, end - 4), answers)) return false;
            input.remove_prefix(end + 1);
        } else if (input.starts_with("SET ")) {
            // The value may have any bytes: it ends by its length.
            const std::size_t space = input.find(' ', 4);
            if (space == input.npos) return input.size() <= 4 + most_key_bytes;
            if (input.size() < space + 1 + value_bytes + 1) return space - 4 <= most_key_bytes;
            if (input[space + 1 + value_bytes] != '\n' ||
                !set(values, input.substr(4, space - 4), input.substr(space + 1, value_bytes), answers))
                return false;
            input.remove_prefix(space + 1 + value_bytes + 1);
        } else {
            return input.size() < 4 && (std::string_view("GET ").starts_with(input) ||
                                        std::string_view("SET ").starts_with(input));
        }
    }
    return true;
}

}  // namespace key_value
