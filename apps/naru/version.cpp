#include "version.hpp"

#include <naru/backend/choose_backend.hpp>

#include <string>

#include <fmt/format.h>

namespace naru::program {

namespace {

std::string compiler() {
#if defined(__clang__)
    return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
    return fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

std::string engines() {
    std::string all;
    for (const engine each : all_engines())
        all += fmt::format("{}{}", all.empty() ? "" : ", ", name_of(each));
    return all;
}

std::string libraries() {
    std::string all =
        fmt::format("fmt {}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100);
    if (const std::string others = NARU_BUILT_WITH; !others.empty()) all += ", " + others;
    return all;
}

}  // namespace

std::string version_text() {
#ifdef NARU_CHECKS
    const char* const assertions = ", with assertions";
#else
    const char* const assertions = "";
#endif
    return fmt::format("naru {}\nbuild: {}{}\ncompiler: {}\nengines: {}\nlibraries: {}", NARU_VERSION,
                       NARU_BUILD, assertions, compiler(), engines(), libraries());
}

}  // namespace naru::program
