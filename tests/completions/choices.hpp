// What decides a run: bytes, one after the other, and zeros when they are used up, which decide for what is
// usual.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace naru::testing {

class choices {
 public:
    explicit choices(std::span<const std::uint8_t> bytes) noexcept : left_(bytes) {}

    bool ended() const noexcept { return left_.empty(); }
    unsigned byte() noexcept {
        if (left_.empty()) return 0;
        const unsigned value = left_.front();
        left_ = left_.subspan(1);
        return value;
    }
    unsigned below(std::size_t bound) noexcept { return byte() % static_cast<unsigned>(bound); }
    /// False for a zero.
    bool one_in(unsigned bound) noexcept { return byte() % bound == bound - 1; }
    template <class T, std::size_t size>
    T of(const T (&each)[size]) noexcept {
        return each[below(size)];
    }

 private:
    std::span<const std::uint8_t> left_;
};

/// Whether to say what happens, step by step, for who looks into a run.
inline bool traces() noexcept {
    static const bool wanted = std::getenv("NARU_TRACE_COMPLETIONS") != nullptr;
    return wanted;
}

/// A promise was broken: says so, and aborts.
[[noreturn]] inline void broken(const char* what, long long number = 0, long long other = 0) noexcept {
    std::fprintf(stderr, "broken: %s (%lld, %lld)\n", what, number, other);
    std::abort();
}

}  // namespace naru::testing
