#include <naru/http/exchange/answer_head.hpp>

#include <naru/http/h1/scan.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/message/fields.hpp>

#include <algorithm>

namespace naru::http {

namespace {

bool same_name(std::string_view a, std::string_view b) noexcept {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

bool is_field(std::string_view name, std::string_view value) noexcept {
    const char* const end = value.data() + value.size();
    return is_token(name) && find_control(value.data(), end) == end;
}

std::optional<std::string_view> answer_head::field(std::string_view name) const noexcept {
    const std::string_view lines = lines_;
    for (std::size_t begin = 0; begin < lines.size();) {
        const std::size_t end = std::min(lines.find("\r\n", begin), lines.size());
        const std::string_view line = lines.substr(begin, end - begin);
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos && same_name(line.substr(0, colon), name))
            return trimmed(line.substr(colon + 1));
        begin = end + 2;
    }
    return std::nullopt;
}

bool answer_head::add(std::string_view name, std::string_view value) {
    if (!is_field(name, value) ||
        lines_.size() + name.size() + value.size() + 4 > limits::answer_fields_bytes)
        return false;
    lines_.append(name).append(": ").append(value).append("\r\n");
    return true;
}

void answer_head::remove(std::string_view name) noexcept {
    for (std::size_t begin = 0; begin < lines_.size();) {
        const std::size_t end = std::min(lines_.find("\r\n", begin), lines_.size());
        const std::size_t colon = lines_.find(':', begin);
        if (colon < end && same_name(std::string_view(lines_).substr(begin, colon - begin), name)) {
            lines_.erase(begin, end + 2 - begin);
        } else {
            begin = end + 2;
        }
    }
}

}  // namespace naru::http
