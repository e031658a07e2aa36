#include <naru/net/accept_request.hpp>

namespace naru::detail {

void accept_awaiter::begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
    if (loop_ != &loop_of(in))
        fatal("bug: a listener of one loop was awaited on another: each loop has its own");
    waiting_ = waiting;
    loop_->submit(*this);
    in.add(*this);
}

void accept_awaiter::on_accept() noexcept {
    if (failed() && !stopped_) {
        const std::error_code why = error();
        if (concerns_one_connection(why)) {
            loop_->submit(*this);
            return;
        }
        if (is_shortage(why)) {
            pause_ = next_accept_pause(pause_);
            loop_->arm(*this, saturating_add(clock::now(), pause_));
            return;
        }
    }
    if (stop_entry::linked()) stop_entry::unlink();
    waiting_.resume();
}

void accept_awaiter::retry() noexcept {
    loop_->submit(*this);
    if (stopped_) loop_->cancel(*this);
}

void accept_awaiter::stop() noexcept {
    stopped_ = true;
    if (armed()) {
        loop_->arm(*this, instant::min());  // in a pause nothing is pending that could be cancelled
    } else {
        loop_->cancel(*this);
    }
}

}  // namespace naru::detail
