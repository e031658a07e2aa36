#include <naru/os/pipe.hpp>

#include <cerrno>

namespace naru {

result<std::pair<unique_descriptor, unique_descriptor>> make_pipe() noexcept { return fail_errno(ENOTSUP); }

result<unique_descriptor> reopen_non_blocking(int) noexcept { return fail_errno(ENOTSUP); }

result<unique_descriptor> duplicate(int) noexcept { return fail_errno(ENOTSUP); }

result<file_type> type_of(int) noexcept { return fail_errno(ENOTSUP); }

}  // namespace naru
