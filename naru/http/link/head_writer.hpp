// Heads of answers that are written into memory on the stack.
#pragma once

#include <naru/core/check.hpp>
#include <naru/http/message/status.hpp>

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

inline constexpr std::string_view close_line = "Connection: close\r\n";
inline constexpr std::string_view keep_alive_line = "Connection: keep-alive\r\n";

/// The Connection field, where the version's default is not meant.
constexpr std::string_view connection_line(bool keep_alive, unsigned minor_version) noexcept {
    if (!keep_alive) return close_line;
    return minor_version == 0 ? keep_alive_line : std::string_view();
}

/// What goes in is bounded: our own words, numbers and validators.
class head_writer {
 public:
    head_writer(unsigned status, std::string_view date) {
        add("HTTP/1.1 {} {}\r\nServer: naru\r\nDate: {}\r\n", status, phrase_of(status), date);
    }

    template <class... Arguments>
    void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        const auto [end, size] = fmt::format_to_n(text_.data() + size_, text_.size() - size_, format,
                                                  std::forward<Arguments>(arguments)...);
        NARU_ASSERT(size <= text_.size() - size_);
        size_ = static_cast<std::size_t>(end - text_.data());
    }

    /// The Connection field and the empty line.
    void end(bool keep_alive, unsigned minor_version) {
        add("{}\r\n", connection_line(keep_alive, minor_version));
    }

    std::string_view text() const noexcept { return {text_.data(), size_}; }

 private:
    std::array<char, 1024> text_;
    std::size_t size_ = 0;
};

/// Puts texts one behind the other into memory with room for them.
class text_cursor {
 public:
    explicit text_cursor(char* begin) noexcept : at_(begin) {}
    void put(std::string_view text) noexcept {
        if (text.empty()) return;
        std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
    }
    void put(std::uint64_t number) noexcept { at_ = std::to_chars(at_, at_ + 20, number).ptr; }
    void put_hexadecimal(std::uint64_t number) noexcept {
        at_ = std::to_chars(at_, at_ + 16, number, 16).ptr;
    }
    char* get() const noexcept { return at_; }

 private:
    char* at_;
};

}  // namespace naru::http
