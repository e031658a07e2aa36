// Random programs of operations against the contract, on every backend.
#include "model/run_programs.hpp"

namespace naru::testing {
namespace {

class Model : public ::testing::TestWithParam<backend_variant> {};
NARU_ON_EVERY_BACKEND(Model);
INSTANTIATE_TEST_SUITE_P(Late, Model, ::testing::Values(late_variant()),
                         [](const auto& each) { return each.param.name; });

TEST_P(Model, RandomProgramsKeepTheContract) {
    run_programs(GetParam(), 60, [](std::uint64_t, world&) {});
}

}  // namespace
}  // namespace naru::testing
