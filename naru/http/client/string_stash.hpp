// Strings that requests have been made with, to be used again: a request on a kept connection allocates none.
#pragma once

#include <array>
#include <cstddef>
#include <string>

namespace naru::http {

/// One thread's.
class string_stash {
 public:
    /// An empty string into `into`, with the memory of one that was kept if there is any.
    void take(std::string& into) noexcept {
        if (count_ > 0) into.swap(kept_[--count_]);
        into.clear();
    }
    void keep(std::string& used) noexcept {
        constexpr std::size_t small = 32;
        constexpr std::size_t large = 4096;
        if (count_ == kept_.size() || used.capacity() < small || used.capacity() > large) return;
        kept_[count_++].swap(used);
    }

 private:
    std::array<std::string, 16> kept_;
    std::size_t count_ = 0;
};

}  // namespace naru::http
