#include <naru/coro/root.hpp>

#include <naru/coro/operations.hpp>

#include <cstdio>
#include <new>
#include <unordered_map>
#include <utility>

namespace naru {

namespace detail {

result<lease> lease_awaiter::await_resume() const noexcept {
    if (gave_up_ && operation::result == outcome::canceled) return fail(errc::buffers_held);
    if (failed()) return fail(error());
    if (target) loop_->buffers().note_holder(data, target);
    root_->receive_begins();  // this lease may be the last
    return lease(loop_->buffers(), mutable_bytes(data, static_cast<std::size_t>(operation::result)));
}

void root::watch() noexcept {
    given_back_ = home_->buffers().given_back();
    home_->arm(watch_, saturating_add(clock::now(), home_->buffers().patience()));
}

namespace {

void report_holders(loop& of) {
    const buffer_pool& pool = of.buffers();
    std::unordered_map<handle, std::size_t> held;
    for (std::size_t index = 0; index < pool.capacity(); ++index) {
        if (const handle by = pool.holder(index)) ++held[by];
    }
    std::size_t total = 0;
    handle most;
    for (const auto& [by, count] : held) {
        total += count;
        if (!most || count > held[most]) most = by;
    }
    std::fprintf(
        stderr,
        "naru: coroutines hold %zu of the loop's %zu receive buffers and give none back, so a receive "
        "failed: %zu of %zu are from one connection (descriptor %d), the rest from %zu others; keep "
        "copies, not leases\n",
        total, pool.capacity(), most ? held[most] : 0, total, most ? of.descriptor(most) : -1,
        held.empty() ? 0 : held.size() - 1);
}

}  // namespace

void root::look() noexcept {
    buffer_pool& pool = home_->buffers();
    if (!pool.scarce()) {
        reported_ = false;
        return;
    }
    if (pool.given_back() == given_back_) fail_starved();
    watch();
}

// Without memory for this it is tried again at the next look.
void root::fail_starved() noexcept try {
    bool failed = false;
    scope_access::for_each(
        scope_,
        [](void* context, stop_entry& entry) {
            lease_awaiter* const waits = lease_awaiter::of(entry);
            if (waits == nullptr || !waits->waits_for_buffer()) return;
            waits->give_up();
            *static_cast<bool*>(context) = true;
        },
        &failed);
    if (failed && !std::exchange(reported_, true)) report_holders(*home_);
} catch (const std::bad_alloc&) {  // asked again at the next look
}

}  // namespace detail

}  // namespace naru
