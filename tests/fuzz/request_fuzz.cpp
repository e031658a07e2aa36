// The parser and the body reader: whatever the bytes, and however they are cut, the outcome is that of the
// whole.
#include "http/parser_cases.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

// The first four bytes say how the rest is cut; longer inputs would meet the limit of a head, which counts
// what is there at once (see -max_len in CMakeLists.txt).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 4) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 4, size - 4);
    const std::string whole = naru::testing::outcome_of(text);
    const std::vector<std::size_t> cuts{data[0] + 1u, data[1] + 1u, data[2] + 1u, data[3] + 1u};
    for (const std::vector<std::size_t>& sizes : {cuts, std::vector<std::size_t>{1}}) {
        const std::string cut = naru::testing::outcome_of(text, sizes);
        if (cut == whole) continue;
        std::fprintf(stderr, "whole:%s\ncut:%s\n", whole.c_str(), cut.c_str());
        std::abort();
    }
    return 0;
}
