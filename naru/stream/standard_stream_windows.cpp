#include <naru/stream/standard_stream.hpp>

#include <cerrno>

namespace naru {

struct standard_stream::state {};

void standard_stream::deleter::operator()(state* of) const noexcept { delete of; }

standard_stream::state& standard_stream::inside() const noexcept {
    fatal("bug: a standard stream was used that never was opened");
}

result<standard_stream> standard_stream::input(loop&, worker_pool&) { return fail_errno(ENOTSUP); }
result<standard_stream> standard_stream::output(loop&, worker_pool&) { return fail_errno(ENOTSUP); }
result<standard_stream> standard_stream::error(loop&, worker_pool&) { return fail_errno(ENOTSUP); }
result<standard_stream> standard_stream::of(loop&, worker_pool&, int) { return fail_errno(ENOTSUP); }

task<result<lease>> standard_stream::receive() { co_return fail_errno(ENOTSUP); }
task<result<std::size_t>> standard_stream::receive(std::span<mutable_slice>) {
    co_return fail_errno(ENOTSUP);
}
task<result<std::size_t>> standard_stream::receive_into(mutable_bytes) { co_return fail_errno(ENOTSUP); }
task<result<std::size_t>> standard_stream::send_bytes(bytes_view, send_extent) {
    co_return fail_errno(ENOTSUP);
}
task<result<std::size_t>> standard_stream::send_slices(std::span<slice>, send_extent) {
    co_return fail_errno(ENOTSUP);
}
task<result<void>> standard_stream::shutdown() { co_return fail_errno(ENOTSUP); }
task<result<void>> standard_stream::close() { co_return fail_errno(ENOTSUP); }
void standard_stream::reset_on_close() noexcept {}
result<endpoint> standard_stream::peer_address() const { return fail_errno(ENOTSUP); }
result<endpoint> standard_stream::local_address() const { return fail_errno(ENOTSUP); }
loop& standard_stream::home() const noexcept {
    fatal("bug: a standard stream was used that never was opened");
}
standard_stream::way standard_stream::how() const noexcept { return way::worker; }

}  // namespace naru
