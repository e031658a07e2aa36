#include <naru/http/exchange/events.hpp>

#include <algorithm>

namespace naru::http {

namespace {

void put_field(std::string& to, std::string_view name, std::string_view value) {
    if (value.empty() || value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) return;
    to.append(name).append(": ").append(value).append("\n");
}

}  // namespace

std::string event_text(const event& of) {
    std::string text;
    put_field(text, "id", of.id);
    put_field(text, "event", of.name);
    if (of.retry) text.append("retry: ").append(std::to_string(of.retry->count())).append("\n");
    std::string_view left = of.data;
    while (true) {  // CRLF, CR and LF end a line
        const std::size_t end = std::min(left.find_first_of("\r\n"), left.size());
        text.append("data: ").append(left.substr(0, end)).append("\n");
        if (end == left.size()) break;
        left.remove_prefix(left.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
    }
    text += '\n';
    return text;
}

}  // namespace naru::http
