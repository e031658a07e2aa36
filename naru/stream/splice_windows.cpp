#include <naru/stream/splice.hpp>

namespace naru {

std::int64_t splice_step(int /*from*/, int /*to*/, std::uint64_t /*count*/) noexcept { return -EINVAL; }

result<pipe_ends> make_splice_pipe() noexcept { return fail_errno(ENOTSUP); }

}  // namespace naru
