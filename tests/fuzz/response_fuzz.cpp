// The response reader: whatever the bytes, and however they are cut, the outcome is that of the whole, and
// skipping sees what reading does.
#include "client/response_cases.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

// The first five bytes say how the rest is cut, and whether it answers a HEAD.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 5) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 5, size - 5);
    const bool to_head = data[4] % 2 != 0;
    const std::string whole = naru::testing::response_outcome_of(text, {}, to_head);
    const std::vector<std::size_t> cuts{data[0] + 1u, data[1] + 1u, data[2] + 1u, data[3] + 1u};
    for (const std::vector<std::size_t>& sizes : {cuts, std::vector<std::size_t>{1}}) {
        const std::string cut = naru::testing::response_outcome_of(text, sizes, to_head);
        if (cut == whole && !whole.starts_with("skip: ")) continue;
        std::fprintf(stderr, "whole:%s\ncut:%s\n", whole.c_str(), cut.c_str());
        std::abort();
    }
    return 0;
}
