#include "redirect_target.hpp"

#include <naru/http/message/path.hpp>

#include <algorithm>
#include <cstddef>
#include <stdexcept>

#include <fmt/format.h>

namespace naru::program {

namespace {

void append_path(std::string& to, std::string_view decoded) {
    while (true) {
        const std::size_t slash = decoded.find('/');
        to += http::encode_segment(decoded.substr(0, slash));
        if (slash == std::string_view::npos) return;
        to += '/';
        decoded.remove_prefix(slash + 1);
    }
}

bool is_space_or_control(char each) {
    const auto byte = static_cast<unsigned char>(each);
    return byte <= ' ' || byte == 0x7f;
}

// A URL is of ASCII (RFC 3986 section 2); what else a configuration has is UTF-8.
std::string in_ascii(std::string_view text) {
    std::string encoded;
    for (const char each : text)
        encoded += static_cast<unsigned char>(each) < 0x80
                       ? std::string(1, each)
                       : fmt::format("%{:02X}", static_cast<unsigned char>(each));
    return encoded;
}

}  // namespace

redirect_target::redirect_target(std::string_view text, std::string_view pattern) {
    const bool leads_somewhere = (text.starts_with('/') && !text.starts_with("//")) ||
                                 text.starts_with("http://") || text.starts_with("https://");
    if (!leads_somewhere || text.starts_with("/{"))
        throw std::runtime_error(
            fmt::format("redirect wants a path that begins with a slash and a name, or a URL, not {}", text));
    if (std::ranges::any_of(text, is_space_or_control))
        throw std::runtime_error(
            "redirect holds a space or a control character, which no URL may: write %20");
    while (!text.empty()) {
        const std::size_t open = text.find('{');
        if (open > 0) pieces_.push_back({piece::kind::text, in_ascii(text.substr(0, open))});
        if (open == std::string_view::npos) break;
        const std::size_t close = text.find('}', open);
        if (close == std::string_view::npos)
            throw std::runtime_error(fmt::format("redirect {} opens a brace and does not close it", text));
        const std::string name(text.substr(open + 1, close - open - 1));
        if (name == "path") {
            pieces_.push_back({piece::kind::path, name});
        } else if (name == "query") {
            pieces_.push_back({piece::kind::query, name});
        } else if (pattern.find("{" + name + "...}") != std::string_view::npos) {
            pieces_.push_back({piece::kind::open_rest, name});
        } else if (pattern.find("{" + name + "}") != std::string_view::npos) {
            pieces_.push_back({piece::kind::parameter, name});
        } else if (name == "rest" && pattern.ends_with('/')) {
            pieces_.push_back({piece::kind::mount_rest, name});
        } else {
            throw std::runtime_error(fmt::format(
                "redirect knows no {{{}}}: want {{path}}, {{query}}, {{rest}} where the path ends in a "
                "slash, or a parameter of the path",
                name));
        }
        text.remove_prefix(close + 1);
    }
}

std::string redirect_target::of(const http::exchange& x) const {
    std::string target;
    for (const piece& each : pieces_) {
        switch (each.is) {
            case piece::kind::text:
                target += each.text;
                break;
            case piece::kind::path:
                append_path(target, x.path());
                break;
            case piece::kind::mount_rest:
                append_path(target, x.path_in_mount());
                break;
            case piece::kind::open_rest:
                append_path(target, x.param(each.text));
                break;
            case piece::kind::query:
                if (!x.query().empty()) target.append("?").append(x.query());
                break;
            case piece::kind::parameter:
                target += http::encode_segment(x.param(each.text));
                break;
        }
    }
    return target;
}

}  // namespace naru::program
