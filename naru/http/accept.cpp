// Accept: the first step of the data path. Connections come in; when the server stops, they end here, too.
#include <naru/http/worker.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <new>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

worker::drain_timer::drain_timer(worker& of) noexcept
    : timer([](timer& expired) noexcept {
          worker& late = static_cast<drain_timer&>(expired).owner;
          if (late.ending_) return late.loop_.stop();
          late.connections_.for_each([](connection& each) { each.close(); });
          late.stop_if_drained();
      }),
      owner(of) {}

worker::worker(loop& on, const server_options& options, std::shared_ptr<const directory_root> root,
               disk_threads& threads, access_log* log, std::function<void(std::string_view)> report)
    : loop_(on),
      options_(options),
      log_(log),
      report_(std::move(report)),
      disk_(on, options, std::move(root), cache_, threads, [this] { stop_if_drained(); }),
      look_interval_(std::clamp<duration>(
          std::min(options.timeouts.write, options.least_rates.over) / (2 * limits::looks_per_time),
          limits::look_interval_when_scarce, limits::look_interval)),
      descriptors_(descriptor_limit() / std::max(options.threads, 1u)) {
    most_connections_ = loop_.backend().most_connections(descriptors_);
}

worker::~worker() {
    NARU_ASSERT(connections_.live() == 0);
    loop_.disarm(drain_deadline_);
    loop_.disarm(look_);
}

void worker::serve(handle listener) noexcept {
    listener_ = listener;
    listener_closed_ = false;
    const acceptor::events events{
        [](void* self, handle accepted) noexcept { static_cast<worker*>(self)->on_connection(accepted); },
        [](void* self, std::error_code why, duration) noexcept { static_cast<worker*>(self)->on_pause(why); },
        [](void* self, std::error_code why) noexcept {
            static_cast<worker*>(self)->report_(fmt::format("the listener has failed: {}", why.message()));
        },
        [](void* self) noexcept {
            auto& stopped = *static_cast<worker*>(self);
            stopped.loop_.close(stopped.listener_);
            stopped.listener_closed_ = true;
            stopped.drain_others();
            stopped.stop_if_drained();
        },
        this};
    acceptor_.emplace(loop_, listener, events);
    acceptor_->start();
}

void worker::on_connection(handle accepted) noexcept {
    if (worker* const other = next_share()) return hand_on(accepted, *other);
    take(accepted);
}

// Without the memory for one, this connection is refused and the others are served.
void worker::take(handle accepted) noexcept {
    connection* made = nullptr;
    try {
        made = &connections_.make(*this, accepted);
    } catch (const std::bad_alloc&) {
        loop_.close(accepted);
        return on_pause(std::error_code(ENOMEM, errno_category()));
    }
    if (has_too_many(*made)) return made->shed(shed_reason::address);
    made->start();
}

// Once a second at most: the shortage may last.
void worker::on_pause(std::error_code why) noexcept {
    close_idle();
    if (reported_pause_ != instant::min() && loop_.now() - reported_pause_ < std::chrono::seconds(1)) return;
    reported_pause_ = loop_.now();
    try {
        report_(
            fmt::format("accepting pauses with {} connections open: {}", connections_.live(), why.message()));
    } catch (const std::bad_alloc&) {  // the line is lost
    }
}

void worker::drain() noexcept {
    if (draining_) return;
    draining_ = true;
    shed_reported_ = instant::min();
    report_shed(loop_.now());
    loop_.arm(drain_deadline_, saturating_add(clock::now(), options_.timeouts.drain));
    if (acceptor_) acceptor_->stop();
    connections_.for_each([](connection& each) { each.drain(); });
    stop_if_drained();
}

void worker::destroy(connection& ended) noexcept {
    addresses_.remove(ended.address_);
    connections_.destroy(ended);
    stop_if_drained();
}

void worker::stop_if_drained() noexcept {
    if (!draining_ || !listener_closed_ || connections_.live() > 0 || leaving_ > 0) return;
    if (arriving_.load(std::memory_order_acquire) != 0) return;
    if (disk_.idle()) return loop_.stop();
    if (std::exchange(ending_, true)) return;
    disk_.cancel_queued();
    loop_.arm(drain_deadline_, saturating_add(clock::now(), limits::disk_hangs_after));
}

std::int64_t worker::unix_seconds() noexcept { return std::time(nullptr); }

std::string_view worker::date() noexcept {
    const std::int64_t now = unix_seconds();
    if (now != date_second_) {
        date_second_ = now;
        date_ = format_date(now);
    }
    return {date_.data(), date_.size()};
}

connection::connection(worker& of, naru::handle socket) noexcept
    : operation(operation_kind::recv, &connection::received),
      timer(&connection::deadline_passed),
      worker_(of) {
    target = socket;
}

void connection::start() noexcept {
    set_deadline(worker_.options_.timeouts.head);
    receive();
    if (worker_.draining_) drain();
}

void connection::drain() noexcept {
    keep_alive_ = false;
    if (phase_ == phase::idle) worker_.loop_.cancel(*this);  // ends in on_received, with data if it was there
}

}  // namespace naru::http
