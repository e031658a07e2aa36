// Why there is no io_uring here, and what would change that.
#pragma once

#include <string>

namespace naru {

enum class uring_call { setup, enter, registration };

/// One sentence for people on what it means that one of io_uring's system calls has failed with this errno:
/// what most likely is in the way, as far as the system says, and the way out.
std::string explain_uring_refusal(uring_call call, int error);

}  // namespace naru
