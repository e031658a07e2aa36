#include <naru/http/message/path.hpp>

#include <naru/http/message/hex.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace naru::http {

namespace {

void append_encoded(std::string& text, char byte) {
    constexpr char digits[] = "0123456789ABCDEF";
    const auto value = static_cast<unsigned char>(byte);
    text += {'%', digits[value >> 4], digits[value & 15]};
}

// Whether decoding would change nothing but the slash in front.
bool is_plain(std::string_view path) noexcept {
    char before = '\0';
    for (const char byte : path) {
        if (byte == '%' || byte == '\\' || byte == '\0') return false;
        if (before == '/' && (byte == '/' || byte == '.')) return false;
        before = byte;
    }
    return true;
}

// Into memory with room for `text`. Nothing if it is malformed.
std::optional<std::span<char>> percent_decoded(std::string_view text, std::span<char> into) noexcept {
#if defined(_WIN32)
    constexpr bool backslash_is_a_byte = false;
#else
    constexpr bool backslash_is_a_byte = true;
#endif
    std::size_t size = 0;
    for (std::size_t index = 0; index < text.size(); ++index) {
        char byte = text[index];
        if (byte == '\\') return std::nullopt;
        if (byte == '%') {
            if (text.size() - index < 3) return std::nullopt;
            const int high = hex_value(text[index + 1]);
            const int low = hex_value(text[index + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            byte = static_cast<char>(high * 16 + low);
            index += 2;
            if (byte == '\\' && !backslash_is_a_byte) return std::nullopt;
        }
        if (byte == '\0') return std::nullopt;
        into[size++] = byte;
    }
    return into.first(size);
}

}  // namespace

std::string_view query_part(std::string_view target) noexcept {
    const std::size_t mark = target.find('?');
    return mark == std::string_view::npos ? std::string_view() : target.substr(mark);
}

std::optional<std::string_view> decode_path(std::string_view path, std::span<char> scratch) noexcept {
    if (path.empty()) return path;
    if (path.front() == '/' && is_plain(path)) return path.substr(1);
    const auto decoded = percent_decoded(path, scratch);
    if (!decoded || decoded->front() != '/') return std::nullopt;
    // Segment by segment to the front of the same memory: never behind where it is read.
    const std::string_view text(decoded->data(), decoded->size());
    std::size_t size = 0;
    std::size_t begin = 1;
    while (begin <= text.size()) {
        std::size_t end = text.find('/', begin);
        const bool last = end == std::string_view::npos;
        if (last) end = text.size();
        const std::string_view segment = text.substr(begin, end - begin);
        if (segment == "..") {
            if (size == 0) return std::nullopt;
            const std::size_t cut = text.rfind('/', size - 2);  // before the slash at the end
            size = cut == std::string_view::npos ? 0 : cut + 1;
        } else if (!segment.empty() && segment != ".") {
            std::memmove(scratch.data() + size, segment.data(), segment.size());
            size += segment.size();
            if (!last) scratch[size++] = '/';
        }
        begin = end + 1;
    }
    return std::string_view(scratch.data(), size);
}

std::optional<std::string> decode_path(std::string_view path) {
    std::string scratch(path.size(), '\0');
    const auto decoded = decode_path(path, scratch);
    return decoded ? std::optional<std::string>(*decoded) : std::nullopt;
}

bool has_dotfile(std::string_view decoded) noexcept {
    std::size_t begin = 0;
    while (begin < decoded.size()) {
        const std::size_t end = std::min(decoded.find('/', begin), decoded.size());
        const std::string_view name = decoded.substr(begin, end - begin);
        if (name.starts_with('.') && (begin != 0 || name != ".well-known")) return true;
        begin = end + 1;
    }
    return false;
}

std::string encode_segment(std::string_view name) {
    constexpr std::string_view plain = "-._~!$&'()*+,;=@";
    std::string encoded;
    encoded.reserve(name.size());
    for (const char byte : name) {
        const bool alphanumeric =
            (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (alphanumeric || plain.find(byte) != std::string_view::npos) {
            encoded.push_back(byte);
        } else {
            append_encoded(encoded, byte);
        }
    }
    return encoded;
}

std::string encode_high_bytes(std::string_view text) {
    std::string encoded;
    encoded.reserve(text.size());
    for (const char byte : text) {
        if (static_cast<unsigned char>(byte) < 0x80) {
            encoded.push_back(byte);
        } else {
            append_encoded(encoded, byte);
        }
    }
    return encoded;
}

std::string escape_html(std::string_view text) {
    std::string escaped;
    escaped.reserve(text.size());
    for (const char byte : text) {
        switch (byte) {
            case '&':
                escaped += "&amp;";
                break;
            case '<':
                escaped += "&lt;";
                break;
            case '>':
                escaped += "&gt;";
                break;
            case '"':
                escaped += "&quot;";
                break;
            case '\'':
                escaped += "&#39;";
                break;
            default:
                escaped.push_back(byte);
        }
    }
    return escaped;
}

}  // namespace naru::http
