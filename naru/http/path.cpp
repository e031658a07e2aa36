#include <naru/http/path.hpp>

#include <cstddef>

namespace naru::http {

namespace {

int hex_value(char byte) noexcept {
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

void append_encoded(std::string& text, char byte) {
    constexpr char digits[] = "0123456789ABCDEF";
    const auto value = static_cast<unsigned char>(byte);
    text += {'%', digits[value >> 4], digits[value & 15]};
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t index = 0; index < text.size(); ++index) {
        char byte = text[index];
        if (byte == '%') {
            if (text.size() - index < 3) return std::nullopt;
            const int high = hex_value(text[index + 1]);
            const int low = hex_value(text[index + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            byte = static_cast<char>(high * 16 + low);
            index += 2;
        }
        if (byte == '\0' || byte == '\\') return std::nullopt;
        decoded.push_back(byte);
    }
    return decoded;
}

}  // namespace

std::string_view path_part(std::string_view target) noexcept { return target.substr(0, target.find('?')); }

std::string_view query_part(std::string_view target) noexcept {
    const std::size_t mark = target.find('?');
    return mark == std::string_view::npos ? std::string_view() : target.substr(mark);
}

std::optional<std::string> decode_path(std::string_view path) {
    const auto decoded = percent_decoded(path);
    if (!decoded || (!decoded->empty() && decoded->front() != '/')) return std::nullopt;
    std::string result;
    result.reserve(decoded->size());
    std::size_t begin = 1;
    while (begin <= decoded->size()) {
        std::size_t end = decoded->find('/', begin);
        const bool last = end == std::string::npos;
        if (last) end = decoded->size();
        const std::string_view segment(decoded->data() + begin, end - begin);
        if (segment == "..") {
            if (result.empty()) return std::nullopt;
            const std::size_t cut = result.rfind('/', result.size() - 2);
            result.resize(cut == std::string::npos ? 0 : cut + 1);
        } else if (!segment.empty() && segment != ".") {
            result += segment;
            if (!last) result += '/';
        }
        begin = end + 1;
    }
    return result;
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
