// As much of an XML parser as it takes to say whether a drawing is well-formed: nesting, attributes,
// references, and characters that do not belong.
#pragma once

#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace naru::lab {

class xml_check {
 public:
    /// What is wrong, or nothing.
    static std::string problem_of(std::string_view text) {
        xml_check made(text);
        made.run();
        return made.problem_;
    }

 private:
    explicit xml_check(std::string_view text) : text_(text) {}

    void fail(const std::string& why) {
        if (problem_.empty())
            problem_ = why + " at byte " + std::to_string(at_) + ": " + std::string(text_.substr(at_, 60));
    }
    bool is_fine() const { return problem_.empty(); }
    char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    void run() {
        while (is_fine() && at_ < text_.size()) {
            if (next() == '<') {
                tag();
            } else {
                character();
            }
        }
        if (is_fine() && !open_.empty()) fail("<" + open_.back() + "> is not closed");
        if (is_fine() && text_.find("nan") != std::string_view::npos &&
            text_.find("\"nan") != std::string_view::npos)
            fail("a coordinate is not a number");
    }

    void character() {
        if (next() == '&') {
            const std::size_t end = text_.find(';', at_);
            const std::string name(text_.substr(at_, end == std::string_view::npos ? 0 : end - at_ + 1));
            static const std::set<std::string> known = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
            if (!known.contains(name)) return fail("an unknown reference");
            at_ = end;
        } else if (static_cast<unsigned char>(next()) < 0x20 && next() != '\n' && next() != '\t') {
            return fail("a control character");
        }
        ++at_;
    }

    std::string name() {
        const std::size_t start = at_;
        while (std::isalnum(static_cast<unsigned char>(next())) || next() == '-' || next() == ':')
            ++at_;
        return std::string(text_.substr(start, at_ - start));
    }

    void tag() {
        ++at_;
        if (next() == '/') {
            ++at_;
            const std::string closed = name();
            if (open_.empty() || open_.back() != closed) return fail("</" + closed + "> closes nothing");
            open_.pop_back();
            if (next() != '>') return fail("no >");
            ++at_;
            return;
        }
        const std::string opened = name();
        if (opened.empty()) return fail("a < that is no tag");
        attributes();
        if (!is_fine()) return;
        if (next() == '/') {
            ++at_;
        } else {
            open_.push_back(opened);
        }
        if (next() != '>') return fail("no >");
        ++at_;
    }

    void attributes() {
        std::set<std::string> seen;
        for (;;) {
            while (next() == ' ' || next() == '\n')
                ++at_;
            if (next() == '>' || next() == '/' || at_ >= text_.size()) return;
            const std::string attribute = name();
            if (attribute.empty() || !seen.insert(attribute).second)
                return fail("an attribute that is none, or twice");
            if (next() != '=') return fail("no =");
            ++at_;
            const char quote = next();
            if (quote != '"' && quote != '\'') return fail("no quote");
            ++at_;
            while (is_fine() && at_ < text_.size() && next() != quote) {
                if (next() == '<') return fail("< in an attribute");
                character();
            }
            if (!is_fine()) return;
            ++at_;
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<std::string> open_;
    std::string problem_;
};

}  // namespace naru::lab
