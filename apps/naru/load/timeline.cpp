#include <load/timeline.hpp>

#include <algorithm>

namespace naru::load {

void timeline::add(std::size_t index, std::uint64_t requests, std::uint64_t errors,
                   const histogram& latencies) {
    const std::lock_guard lock(mutex_);
    auto found =
        std::find_if(open_.begin(), open_.end(), [&](const auto& each) { return each->index == index; });
    if (found == open_.end()) {
        open_.push_back(std::make_unique<open_second>());
        found = std::prev(open_.end());
        (*found)->index = index;
    }
    open_second& each = **found;
    each.sums.requests += requests;
    each.sums.errors += errors;
    each.latencies.merge(latencies);
    if (++each.delivered < threads_) return;
    finish(each);
    open_.erase(found);
    done_until_ = std::max(done_until_, index + 1);
}

void timeline::finish(open_second& each) {
    each.sums.samples = each.latencies.count();
    each.sums.p50 = each.latencies.percentile(50);
    each.sums.p99 = each.latencies.percentile(99);
    each.sums.max = each.latencies.max();
    if (done_.size() <= each.index) done_.resize(each.index + 1);
    done_[each.index] = each.sums;
}

std::vector<second> timeline::complete() const {
    const std::lock_guard lock(mutex_);
    return {done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(done_until_)};
}

bool timeline::last(second& into, std::size_t& index) const {
    const std::lock_guard lock(mutex_);
    if (done_until_ == 0) return false;
    index = done_until_ - 1;
    into = done_[index];
    return true;
}

std::vector<second> timeline::all() {
    const std::lock_guard lock(mutex_);
    for (const auto& each : open_)
        finish(*each);
    open_.clear();
    return done_;
}

}  // namespace naru::load
