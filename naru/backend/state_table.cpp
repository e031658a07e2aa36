#include <naru/backend/state_table.hpp>

#include <cstdio>
#include <cstdlib>

namespace naru {

void illegal_step(const char* machine, const char* from, const char* to) noexcept {
    std::fprintf(stderr, "naru: bug: %s goes from '%s' to '%s'\n", machine, from, to);
    std::abort();
}

}  // namespace naru
