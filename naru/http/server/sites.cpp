// The sites of a worker: the one that new requests are for, and those that have been replaced.
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

worker::sweep_post::sweep_post(worker& of) noexcept
    : posted([](posted& self) noexcept {
          auto& due = static_cast<sweep_post&>(self);
          due.queued = false;
          due.owner.sweep();
      }),
      owner(of) {}

void worker::replace(const std::shared_ptr<const detail::site_data>& by) {
    auto made = std::make_unique<served_site>(loop_, by, site_, caches_, threads_, [this] {
        sweep_soon();
        stop_if_drained();
    });
    for (const std::string& each : by->patterns)
        made->counted_as.push_back(counts_.place_of(each));
    made->enter_logs(log_);
    sites_.push_back(std::move(made));
    site_ = sites_.back().get();
    sweep_soon();
}

void worker::replace_or_report(const std::shared_ptr<const detail::site_data>& by) noexcept {
    try {
        replace(by);
    } catch (const std::exception& error) {
        report([&] { return fmt::format("the site was not replaced: {}", error.what()); });
    }
    if (sites_.size() > limits::site_generations) end_oldest_site();
}

void worker::sweep_soon() noexcept {
    if (sites_.size() < 2 || std::exchange(sweep_.queued, true)) return;
    loop_.defer(sweep_);
}

void worker::sweep() noexcept {
    // One by one: of two that share what looks at the disk, the second is then the last.
    for (auto each = sites_.begin(); each != sites_.end();) {
        const bool ends = each->get() != site_ && (*each)->uses == 0 && (*each)->may_end();
        each = ends ? sites_.erase(each) : std::next(each);
    }
}

void worker::end_oldest_site() noexcept {
    const served_site* const oldest = sites_.front().get();
    turns_.for_each([oldest](turn& each) {
        if (each.serves == oldest && !each.owner.is_closing()) each.owner.close();
    });
}

void worker::end_connections(const std::function<bool(std::string_view)>& which) noexcept {
    connections_.for_each([&](connection& each) {
        if (each.is_secure() && (each.is_shaking_hands() || which(each.negotiated_name()))) each.retire();
    });
}

bool worker::looks_at_disk() const noexcept {
    return !std::ranges::all_of(sites_, [](const auto& each) { return each->idle(); });
}

bool worker::disk_hangs() const noexcept { return looks_at_disk(); }

}  // namespace naru::http
