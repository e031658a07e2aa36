// No system call of Windows is made to fail.
#include "model/faults.hpp"

namespace naru::testing::faults {

bool possible() { return false; }
void begin(std::uint64_t, unsigned, bool) {}
void calm() {}
std::vector<kind> possible_on(bool, bool) { return {}; }
std::array<std::uint64_t, static_cast<std::size_t>(kind::count_)> happened() { return {}; }
std::string name_of(kind) { return {}; }
pause::pause() : before_(false) {}
pause::~pause() { (void)before_; }

}  // namespace naru::testing::faults
