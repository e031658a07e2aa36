#include <naru/http/message/form.hpp>

#include <naru/http/message/hex.hpp>

#include <cstddef>

namespace naru::http {

namespace {

/// Calls `visit(name, value)`, both encoded, until it returns false.
template <class Visit>
void for_each_pair(std::string_view form, Visit visit) {
    while (!form.empty()) {
        const std::size_t end = form.find('&');
        const std::string_view pair = form.substr(0, end);
        form = end == std::string_view::npos ? std::string_view() : form.substr(end + 1);
        if (pair.empty()) continue;
        const std::size_t equals = pair.find('=');
        const bool has_value = equals != std::string_view::npos;
        if (!visit(pair.substr(0, equals), has_value ? pair.substr(equals + 1) : std::string_view())) return;
    }
}

}  // namespace

std::string decode_form(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t index = 0; index < text.size(); ++index) {
        const char byte = text[index];
        if (byte == '%' && text.size() - index > 2) {
            const int high = hex_value(text[index + 1]);
            const int low = hex_value(text[index + 2]);
            if (high >= 0 && low >= 0) {
                decoded += static_cast<char>(high * 16 + low);
                index += 2;
                continue;
            }
        }
        decoded += byte == '+' ? ' ' : byte;
    }
    return decoded;
}

std::optional<std::string> form_value(std::string_view form, std::string_view name) {
    std::optional<std::string> found;
    for_each_pair(form, [&](std::string_view key, std::string_view value) {
        if (key != name && decode_form(key) != name) return true;
        found = decode_form(value);
        return false;
    });
    return found;
}

std::vector<std::pair<std::string, std::string>> form_values(std::string_view form) {
    std::vector<std::pair<std::string, std::string>> all;
    for_each_pair(form, [&](std::string_view key, std::string_view value) {
        all.emplace_back(decode_form(key), decode_form(value));
        return true;
    });
    return all;
}

}  // namespace naru::http
