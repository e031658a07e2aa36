// Requests read slowly and plainly, from a text that is there as a whole: what the parser and the body reader
// must come to, too. Nothing of theirs is used.
#pragma once

#include <cctype>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace naru::testing {

class plain_requests {
 public:
    explicit plain_requests(std::string text) : text_(std::move(text)) {}

    /// A line for each request that is whole; at the end "refused", or "more" if more would have to come.
    std::string outcome() {
        while (true) {
            const verdict then = request();
            if (then == verdict::good) continue;
            return said_ + (then == verdict::bad ? "refused" : "more");
        }
    }

 private:
    enum class verdict { good, bad, more };
    struct field {
        std::string name;  // in lower case
        std::string value;
    };
    struct head {
        std::string method;
        std::string target;
        bool is_1_0 = false;
        std::vector<field> fields;
    };

    static bool is_digit(char each) { return each >= '0' && each <= '9'; }
    static bool is_letter(char each) { return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z'); }
    static bool is_token(std::string_view text) {
        for (const char each : text)
            if (!is_digit(each) && !is_letter(each) &&
                std::string_view("!#$%&'*+-.^_`|~").find(each) == std::string_view::npos)
                return false;
        return !text.empty();
    }
    static bool is_bad_in_line(char each) {
        return (static_cast<unsigned char>(each) < 0x20 && each != '\t') || each == 0x7f;
    }
    static std::string lower(std::string_view text) {
        std::string made;
        for (const char each : text)
            made += each >= 'A' && each <= 'Z' ? static_cast<char>(each + 32) : each;
        return made;
    }
    static std::string trimmed(std::string_view text) {
        const std::size_t first = text.find_first_not_of(" \t");
        if (first == std::string_view::npos) return {};
        return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
    }
    static std::vector<std::string> elements(std::string_view list) {
        std::vector<std::string> all;
        while (true) {
            const std::size_t comma = list.find(',');
            if (const std::string one = trimmed(list.substr(0, comma)); !one.empty()) all.push_back(one);
            if (comma == std::string_view::npos) return all;
            list.remove_prefix(comma + 1);
        }
    }

    // The next line, without its CRLF.
    verdict line(std::string& into) {
        into.clear();
        for (; at_ < text_.size(); ++at_) {
            if (!is_bad_in_line(text_[at_])) {
                into += text_[at_];
                continue;
            }
            if (text_[at_] != '\r') return verdict::bad;
            if (at_ + 1 == text_.size()) return verdict::more;
            if (text_[at_ + 1] != '\n') return verdict::bad;
            at_ += 2;
            return verdict::good;
        }
        return verdict::more;
    }

    static bool is_port(std::string_view text) {
        for (const char each : text)
            if (!is_digit(each)) return false;
        return text.size() <= 5;
    }
    static bool is_host(std::string_view text) {
        if (text.starts_with('[')) {
            const std::size_t close = text.find(']');
            if (close == std::string_view::npos) return false;
            const std::string_view inside = text.substr(1, close - 1);
            bool colon = false;
            for (const char each : inside) {
                if (std::isxdigit(static_cast<unsigned char>(each)) == 0 && each != ':' && each != '.')
                    return false;
                colon = colon || each == ':';
            }
            const std::string_view behind = text.substr(close + 1);
            if (!behind.empty() && behind.front() != ':') return false;
            return colon && inside.find("..") == std::string_view::npos &&
                   (behind.empty() || is_port(behind.substr(1)));
        }
        const std::size_t colon = text.find(':');
        const std::string_view name = text.substr(0, colon);
        if (name.empty() || name == "." || name.find("..") != std::string_view::npos) return false;
        for (const char each : name)
            if (!is_digit(each) && !is_letter(each) &&
                std::string_view("-._~!$&'()*+,;=%").find(each) == std::string_view::npos)
                return false;
        return colon == std::string_view::npos || is_port(text.substr(colon + 1));
    }

    static bool read_request_line(std::string_view line, head& into) {
        const std::size_t first = line.find(' ');
        if (first == std::string_view::npos) return false;
        into.method = line.substr(0, first);
        if (!is_token(into.method)) return false;
        const std::string_view rest = line.substr(first + 1);
        const std::size_t second = rest.find(' ');
        if (second == std::string_view::npos) return false;
        const std::string_view version = rest.substr(second + 1);
        if (version != "HTTP/1.0" && version != "HTTP/1.1") return false;
        into.is_1_0 = version == "HTTP/1.0";
        into.target = rest.substr(0, second);
        if (into.target.empty()) return false;
        for (const char each : into.target)
            if (static_cast<unsigned char>(each) <= ' ' || each == '#' || each == 0x7f) return false;
        if (into.method == "CONNECT") return true;
        if (into.target == "*") {
            for (const char* each : {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"})
                if (into.method == each) return false;
            return true;
        }
        if (into.target.front() == '/') return true;
        const std::string whole = into.target;
        const std::size_t scheme = whole.find("://");
        if (scheme == std::string::npos) return false;
        const std::string name = lower(whole.substr(0, scheme));
        if (name != "http" && name != "https") return false;
        const std::string after = whole.substr(scheme + 3);
        const std::size_t path = after.find_first_of("/?");
        into.target = path == std::string::npos ? "" : after.substr(path);
        return is_host(std::string_view(after).substr(0, path));
    }

    static bool read_field(std::string_view line, head& into) {
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return false;
        into.fields.push_back({lower(line.substr(0, colon)), trimmed(line.substr(colon + 1))});
        const field& made = into.fields.back();
        if (into.fields.size() > 100) return false;
        if (made.name == "host") return count(into, "host") == 1 && is_host(made.value);
        if (made.name == "expect") return into.is_1_0 || lower(made.value) == "100-continue";
        if (made.name == "content-length") {
            const std::size_t zeros = std::min(made.value.find_first_not_of('0'), made.value.size());
            for (const char each : made.value)
                if (!is_digit(each)) return false;
            return count(into, "content-length") == 1 && !made.value.empty() &&
                   made.value.size() - zeros <= 18;
        }
        if (made.name == "transfer-encoding") {
            if (count(into, "transfer-encoding") > 1 || made.value.empty()) return false;
            if (lower(made.value) == "chunked") return true;
            unsigned chunked = 0;
            for (const std::string& each : elements(made.value)) {
                if (!is_token(each)) return false;
                chunked += lower(each) == "chunked" ? 1 : 0;
            }
            return chunked == 1 && made.value.front() != ',' && made.value.back() != ',';
        }
        return true;
    }

    static std::size_t count(const head& in, std::string_view name) {
        std::size_t found = 0;
        for (const field& each : in.fields)
            found += each.name == name ? 1 : 0;
        return found;
    }
    static std::string value(const head& in, std::string_view name) {
        for (const field& each : in.fields)
            if (each.name == name) return each.value;
        return {};
    }
    static bool has_option(const head& in, std::string_view option) {
        for (const field& each : in.fields) {
            if (each.name != "connection") continue;
            for (const std::string& one : elements(each.value))
                if (lower(one) == option) return true;
        }
        return false;
    }

    verdict request() {
        head read;
        std::string text;
        for (int empty = 0; text.empty(); ++empty) {
            if (empty == 5) return verdict::bad;
            if (const verdict then = line(text); then != verdict::good) return then;
        }
        if (!read_request_line(text, read)) return verdict::bad;
        while (true) {
            if (const verdict then = line(text); then != verdict::good) return then;
            if (text.empty()) break;
            if (!read_field(text, read)) return verdict::bad;
        }
        if (count(read, "host") == 0 && !read.is_1_0) return verdict::bad;
        const bool coded = count(read, "transfer-encoding") > 0;
        if (coded && (read.is_1_0 || count(read, "content-length") > 0)) return verdict::bad;
        if (coded && lower(value(read, "transfer-encoding")) != "chunked") return verdict::bad;
        const bool keeps = !has_option(read, "close") && (!read.is_1_0 || has_option(read, "keep-alive"));
        std::string body;
        const verdict then = coded ? chunks(body) : counted(value(read, "content-length"), body);
        if (then != verdict::good) return then;
        said_ += read.method + ' ' + read.target + (read.is_1_0 ? " 1.0 " : " 1.1 ") +
                 (keeps ? "keeps " : "closes ") + std::to_string(read.fields.size()) + " [" + body + "]\n";
        return verdict::good;
    }

    verdict counted(const std::string& length, std::string& body) {
        const std::size_t size = length.empty() ? 0 : std::stoull(length);
        if (size > text_.size() - at_) return verdict::more;
        body = text_.substr(at_, size);
        at_ += size;
        return verdict::good;
    }

    std::optional<char> take() {
        return at_ < text_.size() ? std::optional<char>(text_[at_++]) : std::nullopt;
    }

    // Up to the LF behind a CR that has been taken.
    verdict line_feed() {
        const auto each = take();
        if (!each) return verdict::more;
        return *each == '\n' ? verdict::good : verdict::bad;
    }

    verdict size_line(std::size_t& size) {
        const std::size_t begin = at_;
        std::string digits;
        bool extension = false;
        while (true) {
            const auto each = take();
            if (!each) return verdict::more;
            if (at_ - begin > 1024) return verdict::bad;
            if (*each == '\r') break;
            if (extension) {
                if (is_bad_in_line(*each)) return verdict::bad;
            } else if (std::isxdigit(static_cast<unsigned char>(*each)) != 0) {
                digits += *each;
                const std::size_t zeros = std::min(digits.find_first_not_of('0'), digits.size());
                if (digits.size() - zeros > 15) return verdict::bad;  // no body is of so many bytes
            } else if (*each == ';' && !digits.empty()) {
                extension = true;
            } else {
                return verdict::bad;
            }
        }
        if (digits.empty()) return verdict::bad;
        const auto value = std::stoull(digits, nullptr, 16);
        if (const verdict then = line_feed(); then != verdict::good) return then;
        size = static_cast<std::size_t>(value);
        return verdict::good;
    }

    verdict chunks(std::string& body) {
        while (true) {
            std::size_t size = 0;
            if (const verdict then = size_line(size); then != verdict::good) return then;
            if (size == 0) return trailer();
            if (size > text_.size() - at_) return verdict::more;
            body += text_.substr(at_, size);
            at_ += size;
            const auto end = take();
            if (!end) return verdict::more;
            if (*end != '\r') return verdict::bad;
            if (const verdict then = line_feed(); then != verdict::good) return then;
        }
    }

    verdict trailer() {
        while (true) {
            bool named = false;
            std::string name;
            while (true) {
                const auto each = take();
                if (!each) return verdict::more;
                if (*each == '\r' && (named || name.empty())) break;
                if (named) {
                    if (is_bad_in_line(*each)) return verdict::bad;
                } else if (*each == ':' && !name.empty()) {
                    named = true;
                } else if (is_token({&*each, 1})) {
                    name += *each;
                } else {
                    return verdict::bad;
                }
            }
            if (const verdict then = line_feed(); then != verdict::good) return then;
            if (!named) return verdict::good;
        }
    }

    std::string text_;
    std::size_t at_ = 0;
    std::string said_;
};

}  // namespace naru::testing
