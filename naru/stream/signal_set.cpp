#include <naru/stream/signal_set.hpp>

#include <naru/loop/environment.hpp>

#include <array>
#include <cerrno>
#include <new>
#include <utility>

namespace naru {

result<signal_set> signal_set::take(loop& on, std::span<const int> signals) noexcept {
    signal_set made;
    if (environment::other_than_the_systems() != nullptr) {
        made.none_come_.reset(new (std::nothrow) async_event());
        if (made.none_come_ == nullptr) return fail_errno(ENOMEM);
        return made;
    }
    auto pipe = signal_pipe::open(signals);
    if (!pipe) return fail(pipe.error());
    auto reader = pipe_stream::adopt(on, pipe->take_reader());
    if (!reader) return fail(reader.error());
    made.reader_ = std::move(*reader);
    made.pipe_.emplace(std::move(*pipe));
    return made;
}

task<result<int>> signal_set::next() {
    if (none_come_ != nullptr) {
        auto stopped = co_await none_come_->wait();
        co_return fail(stopped ? std::error_code(EBADF, errno_category()) : stopped.error());
    }
    if (!pipe_) co_return fail_errno(EBADF);
    std::array<unsigned char, 1> number{};
    auto got = co_await reader_.receive(number);
    if (!got)
        co_return fail(got.error() == errc::end_of_stream ? std::error_code(EBADF, errno_category())
                                                          : got.error());
    co_return number[0];
}

void signal_set::give_back() noexcept {
    pipe_.reset();
    if (none_come_ != nullptr) none_come_->set();
}

}  // namespace naru
