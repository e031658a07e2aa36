// What a file's content comes to in 64 bits, the same on every machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace naru::http {

/// XXH3 of what is added, in whatever pieces. It tells contents apart; it does not resist who wants two
/// alike.
class content_hash {
 public:
    content_hash() noexcept;
    void add(std::string_view bytes) noexcept;
    std::uint64_t value() const noexcept;

 private:
    alignas(64) std::array<std::byte, 576> state_;
};

}  // namespace naru::http
