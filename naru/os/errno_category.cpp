#include <naru/core/result.hpp>

namespace naru {

const std::error_category& errno_category() noexcept { return std::system_category(); }

}  // namespace naru
