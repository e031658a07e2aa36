#include <naru/coro/group.hpp>

#include <cstdio>

namespace naru {

std::string child_failure::text() const {
    if (error) return error.message();
    try {
        if (exception) std::rethrow_exception(exception);
    } catch (const std::exception& thrown) {
        return thrown.what();
    } catch (...) {
        return "an exception of an unknown type";
    }
    return "no failure";
}

// An end by a stop is no failure: who stopped knows of it.
void task_group::failed(child_failure failure) noexcept {
    if (scope().stopped() && failure.error == std::errc::operation_canceled) {
        canceled_ = true;
        return;
    }
    if (report_ != nullptr) {
        try {
            report_(context_, failure);
            return;
        } catch (...) {
            failure = child_failure();
            failure.exception = std::current_exception();
        }
    }
    if (!first_) first_ = std::move(failure);
    scope().stop();
}

void task_group::join_request::awaiter::begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
    if (in.within(group_->scope()) && !in.within(group_->body_))
        fatal("bug: a child waits for its own group (join), which waits for the child");
    waiting_ = waiting;
    group_->joiners_.push_back(static_cast<joiner&>(*this));
    in.add(*this);
}

void task_group::join_request::awaiter::wake_up() noexcept {
    if (stop_entry::linked()) stop_entry::unlink();
    detail::loop_of(group_->scope()).defer(*this);
}

void print_failure(const child_failure& failure) {
    std::fprintf(stderr, "naru: a coroutine has failed: %s\n", failure.text().c_str());
}

}  // namespace naru
