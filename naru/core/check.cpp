#include <naru/core/check.hpp>

#include <cstdio>
#include <cstdlib>

namespace naru::detail {

void check_failed(const char* condition, const char* file, int line) noexcept {
    std::fprintf(stderr, "naru: bug: %s does not hold at %s:%d\n", condition, file, line);
    std::abort();
}

}  // namespace naru::detail

namespace naru {

void fatal(const char* what) noexcept {
    std::fprintf(stderr, "naru: %s\n", what);
    std::abort();
}

}  // namespace naru
