// Decoding of gzip (RFC 1952), piece by piece into memory of a fixed size.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace naru::http {

class gunzip {
 public:
    /// Whether this build can: on Windows it has no zlib.
    static bool available() noexcept;

    gunzip() noexcept;
    gunzip(gunzip&&) noexcept;
    gunzip& operator=(gunzip&&) noexcept;
    ~gunzip();

    /// Takes the memory for it. False without it, and where it is not available.
    [[nodiscard]] bool begin() noexcept;
    bool begun() const noexcept { return state_ != nullptr; }

    enum class outcome : unsigned char { more, bad, no_memory };
    /// Decodes from the front of `input` until that is used up or `into` is full. more: `made` bytes are
    /// there; bad: this is not gzip. Several members in a row are one text.
    outcome decode(std::string_view& input, std::span<char> into, std::size_t& made) noexcept;

    /// Whether a member has just ended: what ends before that is cut off.
    bool at_end() const noexcept;

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace naru::http
