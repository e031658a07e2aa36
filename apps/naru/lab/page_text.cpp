#include <lab/page_text.hpp>

#include <cmath>
#include <cstdint>

#include <fmt/format.h>

namespace naru::lab {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

struct character {
    std::size_t bytes = 1;
    char32_t code = 0xfffd;
};

bool belongs_in_xml(char32_t code) {
    if (code < 0x20) return code == '\t' || code == '\n';
    return code != 0x7f && (code < 0xd800 || code > 0xdfff) && (code & 0xfffe) != 0xfffe && code <= 0x10ffff;
}

// The first character of a text that is not empty; U+FFFD, one byte long, for what is none.
character first_of(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80) return {1, belongs_in_xml(lead) ? lead : char32_t{0xfffd}};
    const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
    char32_t code = lead & (0xffU >> (bytes + 1));
    for (std::size_t at = 1; at < bytes; ++at) {
        const auto next = static_cast<unsigned char>(text[at]);
        if ((next & 0xc0U) != 0x80) return {};
        code = code << 6U | (next & 0x3fU);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[bytes] || !belongs_in_xml(code)) return {};
    return {bytes, code};
}

template <typename Each>
void each_character(std::string_view text, Each each) {
    while (!text.empty()) {
        const character first = first_of(text);
        each(first.code, first.code == 0xfffd ? replacement : text.substr(0, first.bytes));
        text.remove_prefix(first.bytes);
    }
}

std::size_t characters_in(std::string_view text) {
    std::size_t count = 0;
    each_character(text, [&](char32_t, std::string_view) { ++count; });
    return count;
}

std::string grouped(double whole) {
    std::string digits = fmt::format("{:.0f}", std::fabs(whole));
    for (std::size_t at = digits.size(); at > 3; at -= 3)
        digits.insert(at - 3, 1, ',');
    return (whole < 0 ? "\u2212" : "") + digits;
}

std::string with_minus(std::string text) {
    if (!text.empty() && text[0] == '-') text.replace(0, 1, "\u2212");
    return text;
}

}  // namespace

std::string escaped(std::string_view text) {
    std::string safe;
    safe.reserve(text.size());
    each_character(text, [&](char32_t code, std::string_view bytes) {
        switch (code) {
            case '&':
                safe += "&amp;";
                break;
            case '<':
                safe += "&lt;";
                break;
            case '>':
                safe += "&gt;";
                break;
            case '"':
                safe += "&quot;";
                break;
            case '\'':
                safe += "&#39;";
                break;
            default:
                safe += bytes;
        }
    });
    return safe;
}

std::string json_string(std::string_view text) {
    std::string quoted = "\"";
    each_character(text, [&](char32_t code, std::string_view bytes) {
        if (code < 0x20 || code == '<' || code == '>' || code == '&' || code == '\'') {
            quoted += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code));
        } else {
            if (code == '"' || code == '\\') quoted += '\\';
            quoted += bytes;
        }
    });
    return quoted + '"';
}

std::string json_number(double value) { return std::isfinite(value) ? fmt::format("{}", value) : "null"; }

std::string number_text(double value) {
    const double size = std::fabs(value);
    if (!std::isfinite(value)) return "\u2013";
    if (size >= 1e15) return with_minus(fmt::format("{:.3g}", value));
    if (size >= 99.95 || value == std::floor(value)) return grouped(std::round(value));
    return with_minus(fmt::format("{:.3g}", value));
}

std::string tick_text(double value) {
    const double size = std::fabs(value);
    if (size >= 1e15) return with_minus(fmt::format("{:.3g}", value));
    if (size >= 1e9) return with_minus(fmt::format("{:g}G", value / 1e9));
    if (size >= 1e6) return with_minus(fmt::format("{:g}M", value / 1e6));
    if (size >= 1e5) return with_minus(fmt::format("{:g}k", value / 1e3));
    if (size >= 1e3 && value == std::floor(value)) return grouped(value);
    return with_minus(fmt::format("{:g}", value));
}

std::string size_text(double bytes) {
    constexpr const char* units[] = {"", " KiB", " MiB", " GiB", " TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < std::size(units)) {
        bytes /= 1024;
        ++unit;
    }
    return fmt::format("{:g}{}", bytes, units[unit]);
}

double text_width(std::string_view text, double font_size) {
    constexpr double wide = 1.0;
    constexpr double usual = 0.59;
    double ems = 0;
    each_character(text, [&](char32_t code, std::string_view) { ems += code >= 0x1100 ? wide : usual; });
    return ems * font_size;
}

std::vector<std::string> wrapped(std::string_view text, std::size_t columns, std::size_t most) {
    std::vector<std::string> lines;
    std::string word;
    std::size_t used = 0;  // characters in the last line
    const auto end_word = [&] {
        if (word.empty()) return;
        const std::size_t length = characters_in(word);
        if (lines.empty() || used + 1 + length > columns) {
            lines.emplace_back();
            used = 0;
        }
        if (used > 0) {
            lines.back() += ' ';
            ++used;
        }
        lines.back() += word;
        used += length;
        word.clear();
    };
    std::size_t length = 0;
    each_character(text, [&](char32_t code, std::string_view bytes) {
        const bool is_space = code == ' ' || code == '\n' || code == '\t';
        if (is_space || length >= columns) {
            end_word();
            length = 0;
        }
        if (!is_space) {
            word += bytes;
            ++length;
        }
    });
    end_word();
    if (lines.size() > most) {
        lines.resize(most);
        if (most > 0) lines.back() += "\u2026";
    }
    return lines;
}

std::string place_text(std::string_view axis_name, double x) {
    const bool is_size = axis_name.find("byte") != std::string_view::npos && x >= 1024 &&
                         x / 1024 == static_cast<double>(static_cast<long long>(x / 1024));
    return is_size ? size_text(x) : number_text(x);
}

std::string shortened(std::string_view text, std::size_t columns) {
    const auto lines = wrapped(text, columns, 1);
    return lines.empty() ? std::string() : lines[0];
}

std::string id_text(std::string_view text) {
    std::string id;
    for (const char byte : text) {
        const bool is_plain =
            (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
        id += is_plain ? byte : '-';
    }
    return id;
}

}  // namespace naru::lab
