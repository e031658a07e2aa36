// The io_uring engine against a kernel that completes in any order and with any outcome, and a user who does
// anything that the contract allows: tests/completions.
#include "completions/judge.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    naru::testing::judge_completions({data, size});
    return 0;
}
