// Accept: the first step of the data path.
#include <naru/http/exchange/call.hpp>
#include <naru/http/server/worker.hpp>
#include <naru/loop/environment.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

worker::worker(loop& on, const server_options& options, const std::shared_ptr<const detail::site_data>& site,
               blocking_threads& threads, access_log* log, std::function<void(std::string_view)> report)
    : loop_(on),
      options_(options),
      report_(std::move(report)),
      threads_(threads),
      log_(on, log, options.log_format),
      id_prefix_(environment::current().entropy()),
      root_(on),
      frames_(on),
      upgrades_{.scope = &root_.scope(),
                .ended = [this] { stop_if_drained(); },
                .thrown =
                    [this](const std::exception_ptr& what) {
                        this->report([&] {
                            return fmt::format("a handler threw behind its upgrade: {}",
                                               what_was_thrown(what));
                        });
                    }},
      look_interval_(std::clamp<duration>(
          std::min(options.timeouts.write, options.least_rates.over) / (2 * limits::looks_per_time),
          limits::look_interval_when_scarce, limits::look_interval)),
      descriptors_(environment::current().descriptor_limit() / std::max(options.threads, 1u)),
      most_connections_(on.backend().most_connections(descriptors_)),
      addresses_(most_connections_) {
    replace(site);
}

worker::~worker() {
    if (spare_call_ != nullptr) calls_.destroy(*spare_call_);
    NARU_ASSERT(connections_.live() == 0 && upgrades_.running == 0 && proxy_readers_.live() == 0);
    // No tick for these: this may be another thread than the one whose submissions a ring takes.
    loop_.forget(sweep_);
    loop_.forget(turns_post_);
    loop_.forget(drain_order_);
    loop_.forget(retire_order_);
    const frame_pool::use frames(frames_);  // what handlers keep for the loop may have some
    sites_.clear();
    loop_.disarm(drain_deadline_);
    loop_.disarm(look_);
    loop_.disarm(settle_deadline_);
}

void worker::end_locals() noexcept {
    if (connections_.live() > 0 || upgrades_.running > 0) return;  // somebody else has ended the loop
    const frame_pool::use frames(frames_);
    for (const auto& each : sites_)
        each->locals.clear();
}

worker::listening::listening(worker& of, const listener_at& at) noexcept
    : owner(of),
      listener(at.listener),
      terms(at.terms),
      accepting(of.loop_, at.listener,
                {[](void* self, handle accepted) noexcept {
                     auto& on = *static_cast<listening*>(self);
                     on.owner.on_connection(accepted, on.terms);
                 },
                 [](void* self, std::error_code why, duration) noexcept {
                     static_cast<listening*>(self)->owner.on_pause(why);
                 },
                 [](void* self, std::error_code why) noexcept {
                     auto& failed = *static_cast<listening*>(self);
                     failed.owner.on_lost(failed, why);
                 },
                 [](void* self) noexcept {
                     auto& stopped = *static_cast<listening*>(self);
                     stopped.owner.on_stopped(stopped);
                 },
                 this}),
      outlives_server(at.outlives_server) {}

void worker::serve(const std::vector<listener_at>& listeners) {
    for (const listener_at& each : listeners)
        listening_.emplace_back(*this, each);
    for (listening& each : listening_)
        each.accepting.start();
}

void worker::on_connection(handle accepted, const connection_terms& under) noexcept {
    if (draining_) ++accepted_at_stop_;
    if (worker* const other = next_share()) return hand_on(accepted, *other, under);
    take(accepted, under);
}

void worker::take(handle accepted, const connection_terms& under) noexcept {
    if (ends_all_) return loop_.close(accepted);
    if (under.proxy_protocol) return begin_proxied(accepted, under);
    admit(accepted, under.tls, nullptr);
}

// Without the memory for one, this connection is refused and the others are served.
void worker::admit(handle accepted, const std::shared_ptr<tls_credentials>& tls,
                   const proxied_client* of_proxy) noexcept {
    if (options_.connection_rate != nullptr &&
        comes_too_often(of_proxy != nullptr ? of_proxy->where : peer_of(accepted).where)) {
        loop_.reset_on_close(accepted);
        loop_.close(accepted);
        return count_shed(shed_reason::connection_rate);
    }
    if (tls) {
        const auto secured = begin_tls(accepted, *tls);
        if (!secured) {
            loop_.close(accepted);
            if (secured.error() == std::errc::resource_unavailable_try_again)
                return count_shed(shed_reason::handshakes);
            return on_pause(secured.error());
        }
        accepted = *secured;
        ++counts_.secure_connections;
    }
    ++counts_.connections;
    if (log_.is_on()) name_client(accepted, of_proxy != nullptr ? of_proxy->where : peer_of(accepted).where);
    connection* made = nullptr;
    try {
        made = &connections_.make(*this, accepted);
        if (of_proxy != nullptr) {
            proxied_.emplace(made, *of_proxy);
            made->is_proxied_ = true;
        }
    } catch (const std::bad_alloc&) {
        if (made != nullptr) connections_.destroy(*made);
        loop_.close(accepted);
        return on_pause(std::error_code(ENOMEM, errno_category()));
    }
    if (ends_all_) return made->close();
    if (has_too_many(*made)) return made->shed(shed_reason::address);
    made->start();
}

// Once a second at most: the shortage may last.
void worker::on_pause(std::error_code why) noexcept {
    close_idle();
    if (reported_pause_ != instant::min() && loop_.now() - reported_pause_ < std::chrono::seconds(1)) return;
    reported_pause_ = loop_.now();
    report([&] {
        return fmt::format("accepting pauses with {} connections open: {}", connections_.live(),
                           why.message());
    });
}

// Whoever connects is refused from here on, and not left to wait for ever.
void worker::on_lost(listening& failed, std::error_code why) noexcept {
    report([&] {
        const auto where = loop_.local_address(failed.listener);
        return fmt::format("the listener{} has failed: {}; the server ends",
                           where ? " on " + where->text() : std::string(), why.message());
    });
    loop_.close(failed.listener);
    failed.closed = true;
    if (lost_listener_) lost_listener_();
    if (draining_) on_stopped(failed);
}

void worker::destroy(connection& ended) noexcept {
    if (ended.is_stream_) return ended.as_stream().end();
    addresses_.remove(ended.address_);
    if (ended.is_proxied_) proxied_.erase(&ended);
    connections_.destroy(ended);
    stop_if_drained();
}

// The clock on the wall is looked at once a second, when it is about to turn: the rest is the loop's time.
void worker::look_at_clock() noexcept {
    const auto wall = environment::current().time_of_day();
    const auto second = std::chrono::floor<std::chrono::seconds>(wall);
    second_ends_ = saturating_add(clock::now(), second + std::chrono::seconds(1) - wall);
    if (second_ == second.time_since_epoch().count()) return;
    second_ = second.time_since_epoch().count();
    date_ = format_date(second_);
}

connection::connection(worker& of, naru::handle socket) noexcept
    : receive_operation(&connection::received), timer(&connection::deadline_passed), worker_(of) {
    set(socket);
}

connection::connection(worker& of, of_a_session /*unused*/) noexcept
    : receive_operation(&connection::received),
      timer(&connection::deadline_passed),
      worker_(of),
      is_stream_(true) {}

void connection::start() noexcept {
    set_deadline(worker_.options_.timeouts.head);
    receive();
    if (worker_.settled_) drain();
}

}  // namespace naru::http
