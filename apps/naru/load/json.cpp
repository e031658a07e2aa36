#include <load/json.hpp>

#include <cstdlib>

#include <fmt/format.h>

namespace naru::load {

namespace {

constexpr unsigned nesting_max = 64;

}  // namespace

std::string json_text(std::string_view text) {
    std::string quoted = "\"";
    for (const char byte : text) {
        if (byte == '"' || byte == '\\') quoted += '\\';
        if (static_cast<unsigned char>(byte) < 0x20) {
            quoted += fmt::format("\\u{:04x}", static_cast<unsigned char>(byte));
        } else {
            quoted += byte;
        }
    }
    return quoted + '"';
}

class json_reader {
 public:
    explicit json_reader(std::string_view text) : text_(text) {}

    or_words<json_value> read() {
        json_value made;
        if (!value(made, 0)) return problem();
        skip_space();
        if (at_ != text_.size()) {
            why_ = "something behind the value";
            return problem();
        }
        return made;
    }

 private:
    std::unexpected<std::string> problem() const {
        return std::unexpected(fmt::format("{} at byte {}", why_, at_));
    }
    bool is_wrong(const char* why) {
        why_ = why;
        return false;
    }
    void skip_space() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
            ++at_;
    }
    bool take(char wanted) {
        skip_space();
        if (at_ >= text_.size() || text_[at_] != wanted) return false;
        ++at_;
        return true;
    }
    bool take_word(std::string_view word) {
        if (!text_.substr(at_).starts_with(word)) return false;
        at_ += word.size();
        return true;
    }

    bool value(json_value& into, unsigned depth) {
        if (depth > nesting_max) return is_wrong("too many levels");
        skip_space();
        if (at_ >= text_.size()) return is_wrong("an end where a value belongs");
        switch (text_[at_]) {
            case '{':
                return object(into, depth);
            case '[':
                return array(into, depth);
            case '"':
                return string(into.value_.emplace<std::string>());
            case 't':
                into.value_ = true;
                return take_word("true") || is_wrong("an unknown word");
            case 'f':
                into.value_ = false;
                return take_word("false") || is_wrong("an unknown word");
            case 'n':
                return take_word("null") || is_wrong("an unknown word");
            default:
                return number(into);
        }
    }

    bool number(json_value& into) {
        const std::size_t end = std::min(text_.find_first_not_of("+-.0123456789eE", at_), text_.size());
        const std::string digits(text_.substr(at_, end - at_));
        char* stopped = nullptr;
        const double read = std::strtod(digits.c_str(), &stopped);
        if (digits.empty() || *stopped != '\0') return is_wrong("no value");
        into.value_ = read;
        at_ = end;
        return true;
    }

    bool string(std::string& into) {
        ++at_;
        while (at_ < text_.size() && text_[at_] != '"') {
            char byte = text_[at_++];
            if (static_cast<unsigned char>(byte) < 0x20) return is_wrong("a control character in a string");
            if (byte == '\\') {
                if (at_ >= text_.size()) break;
                byte = text_[at_++];
                constexpr std::string_view names = "nrtbf";
                constexpr std::string_view bytes = "\n\r\t\b\f";
                if (byte == 'u') {
                    if (at_ + 4 > text_.size()) break;
                    const std::string digits(text_.substr(at_, 4));
                    const auto code = std::strtoul(digits.c_str(), nullptr, 16);
                    at_ += 4;
                    byte = code < 0x80 ? static_cast<char>(code) : '?';  // we write no others
                } else if (const std::size_t name = names.find(byte); name != std::string_view::npos) {
                    byte = bytes[name];
                }
            }
            into += byte;
        }
        if (at_ >= text_.size()) return is_wrong("a string without its end");
        ++at_;
        return true;
    }

    bool array(json_value& into, unsigned depth) {
        auto& elements = into.value_.emplace<json_value::array>();
        ++at_;
        if (take(']')) return true;
        do {
            if (!value(elements.emplace_back(), depth + 1)) return false;
        } while (take(','));
        return take(']') || is_wrong("no ] where one belongs");
    }

    bool object(json_value& into, unsigned depth) {
        auto& members = into.value_.emplace<json_value::object>();
        ++at_;
        if (take('}')) return true;
        do {
            skip_space();
            std::string name;
            if (at_ >= text_.size() || text_[at_] != '"') return is_wrong("no name where one belongs");
            if (!string(name)) return false;
            if (!take(':')) return is_wrong("no : where one belongs");
            if (!value(members[name], depth + 1)) return false;
        } while (take(','));
        return take('}') || is_wrong("no } where one belongs");
    }

    std::string_view text_;
    std::size_t at_ = 0;
    const char* why_ = "";
};

or_words<json_value> json_value::parse(std::string_view text) { return json_reader(text).read(); }

const json_value* json_value::find(std::string_view path) const {
    const json_value* at = this;
    while (true) {
        const auto* members = std::get_if<object>(&at->value_);
        if (members == nullptr) return nullptr;
        if (const auto whole = members->find(path); whole != members->end()) return &whole->second;
        const std::size_t dot = path.find('.');
        const auto found = members->find(path.substr(0, dot));
        if (found == members->end() || dot == std::string_view::npos) return nullptr;
        at = &found->second;
        path.remove_prefix(dot + 1);
    }
}

double json_value::number(double otherwise) const {
    const auto* value = std::get_if<double>(&value_);
    return value != nullptr ? *value : otherwise;
}

bool json_value::truth(bool otherwise) const {
    const auto* value = std::get_if<bool>(&value_);
    return value != nullptr ? *value : otherwise;
}

std::string_view json_value::text() const {
    const auto* value = std::get_if<std::string>(&value_);
    return value != nullptr ? std::string_view(*value) : std::string_view();
}

const json_value::array& json_value::elements() const {
    static const array none;
    const auto* value = std::get_if<array>(&value_);
    return value != nullptr ? *value : none;
}

}  // namespace naru::load
