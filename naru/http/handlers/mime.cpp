#include <naru/http/handlers/mime.hpp>

#include <naru/http/handlers/media_types.hpp>
#include <naru/http/message/fields.hpp>

#include <algorithm>
#include <array>

namespace naru::http {

namespace {

constexpr std::size_t longest_extension = 16;

// Of the entry that `at` is in.
std::size_t begin_of_entry(std::size_t at) noexcept {
    const std::size_t end_before = at == 0 ? std::string_view::npos : media_types.rfind('|', at - 1);
    return end_before == std::string_view::npos ? 0 : end_before + 1;
}

char lower(char byte) noexcept { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte; }

bool is_extension(std::string_view text) noexcept {
    return !text.empty() && text.size() <= longest_extension &&
           text.find_first_of("./\\") == std::string_view::npos &&
           std::ranges::none_of(text, [](char byte) { return static_cast<unsigned char>(byte) <= ' '; });
}

}  // namespace

std::string_view type_of_extension(std::string_view extension) noexcept {
    std::size_t begin = 0;
    std::size_t end = media_types.size();
    while (begin < end) {
        const std::size_t entry = begin_of_entry(begin + (end - begin) / 2);
        const std::size_t behind = media_types.find('|', entry) + 1;
        const std::size_t space = media_types.find(' ', entry);
        const int order = media_types.substr(entry, space - entry).compare(extension);
        if (order == 0) return media_types.substr(space + 1, behind - 1 - (space + 1));
        if (order < 0) {
            begin = behind;
        } else {
            end = entry;
        }
    }
    return {};
}

bool is_media_type(std::string_view text) noexcept {
    const std::string_view essence = text.substr(0, text.find_first_of("; "));
    const std::size_t slash = essence.find('/');
    return slash != std::string_view::npos && is_token(essence.substr(0, slash)) &&
           is_token(essence.substr(slash + 1)) && text.size() <= 256 &&
           std::ranges::all_of(text, [](char byte) { return byte >= ' ' && byte < '\x7f'; });
}

std::optional<content_type> parse_content_type(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view extension =
        text.substr(text.starts_with('.') ? 1 : 0, equals - (text.starts_with('.') ? 1 : 0));
    const std::string_view type = text.substr(equals + 1);
    if (!is_extension(extension) || !is_media_type(type)) return std::nullopt;
    content_type made{std::string(extension), std::string(type)};
    std::ranges::transform(made.extension, made.extension.begin(), lower);
    return made;
}

std::string_view content_type_of(std::string_view name, std::span<const content_type> first) noexcept {
    constexpr std::string_view unknown = "application/octet-stream";
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return unknown;
    const std::string_view extension = name.substr(dot + 1);
    std::array<char, longest_extension> lowered{};
    if (extension.empty() || extension.size() > lowered.size()) return unknown;
    std::ranges::transform(extension, lowered.begin(), lower);
    const std::string_view key(lowered.data(), extension.size());
    for (const content_type& each : first) {
        if (each.extension == key) return each.type;
    }
    const std::string_view found = type_of_extension(key);
    return found.empty() ? unknown : found;
}

}  // namespace naru::http
