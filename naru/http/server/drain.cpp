// Drain: how a worker stops. First nobody can connect any more; then whoever has is accepted, and what waits
// to be read is read; then the listeners and the idle connections are closed; then the last answers are sent.
#include <naru/http/limits.hpp>
#include <naru/http/server/worker.hpp>
#include <naru/os/pipe.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace naru::http {

namespace {

result<handle> one_end_of_a_pipe(loop& on) noexcept {
    auto made = make_pipe();
    if (!made) return fail(made.error());
    return on.attach(made->first.release(), descriptor_kind::pipe, ownership::own);
}

}  // namespace

worker::drain_timer::drain_timer(worker& of) noexcept
    : timer([](timer& expired) noexcept {
          worker& late = static_cast<drain_timer&>(expired).owner;
          if (late.ending_) return late.ended_();
          late.end_all();
      }),
      owner(of) {}

worker::settle_timer::settle_timer(worker& of) noexcept
    : timer([](timer& expired) noexcept { static_cast<settle_timer&>(expired).owner.settle(); }), owner(of) {}

worker::flush_operation::flush_operation(worker& of) noexcept
    : close_operation([](operation& op) noexcept { static_cast<flush_operation&>(op).owner.on_flushed(); }),
      owner(of) {}

worker::order::order(worker& of, void (worker::*what)() noexcept) noexcept
    : posted([](posted& self) noexcept {
          auto& what_is_asked = static_cast<order&>(self);
          what_is_asked.carried_out = true;
          (what_is_asked.owner.*what_is_asked.carry_out)();
      }),
      owner(of),
      carry_out(what) {}

void worker::order::give() noexcept {
    if (!given.exchange(true)) owner.loop_.post(static_cast<posted&>(*this));
}

bool worker::order::close() noexcept {
    if (carried_out) return true;
    carried_out = !given.exchange(true);
    return carried_out;
}

void worker::drain() noexcept {
    const instant now = clock::now();
    if (retiring_) return hurry(now);
    if (draining_) return stop_if_drained();
    draining_ = true;
    shed_reported_ = instant::min();
    report_shed(now);
    loop_.arm(drain_deadline_, saturating_add(now, options_.timeouts.drain));
    accept_until_ =
        saturating_add(now, std::min<duration>(options_.timeouts.drain, limits::accept_drain_time));
    bool leaves_queues = false;
    bool empties_queues = false;
    for (listening& each : listening_) {
        if (each.closed) continue;
        if (each.outlives_server) {  // what waits there is for the next
            each.accepting.stop();
            leaves_queues = true;
        } else {
            loop_.refuse_connections(each.listener);
            empties_queues = true;
        }
    }
    if (leaves_queues && !empties_queues) return stop_accepting();
    settle_later(now);
    stop_if_drained();
}

void worker::retire() noexcept {
    if (draining_) return stop_if_drained();
    draining_ = retiring_ = true;
    shed_reported_ = instant::min();
    report_shed(clock::now());
    stop_accepting();
}

// There is no time for a next request any more.
void worker::hurry(instant now) noexcept {
    retiring_ = false;
    loop_.arm(drain_deadline_, saturating_add(now, options_.timeouts.drain));
    if (!listens()) drain_others();  // else when it has stopped accepting
    end_idle();
    stop_if_drained();
}

void worker::end_now() noexcept {
    retiring_ = false;
    if (!std::exchange(draining_, true)) {
        shed_reported_ = instant::min();
        report_shed(clock::now());
    }
    loop_.disarm(settle_deadline_);
    if (!settled_) stop_accepting();
    if (!ending_) end_all();
}

void worker::end_all() noexcept {
    ends_all_ = true;
    root_.scope().stop();
    connections_.for_each([](connection& each) { each.close_requests(); });
    end_proxy_headers();
    stop_if_drained();
}

// A connection that is closed with something unread, or dropped from a listener's queue, is reset, and its
// request lost. So nothing is closed before nothing has come for a while.
void worker::settle() noexcept {
    const instant now = clock::now();
    if (now >= accept_until_) return stop_accepting();
    if (!is_quiet()) return settle_later(now);
    flushes_ = 0;
    if (!flush()) stop_accepting();
}

void worker::settle_later(instant now) noexcept {
    loop_.arm(settle_deadline_, saturating_add(now, limits::accept_settle_time));
}

// A thread of the kernel (io_uring's SQPOLL) may have accepted or read what we have not been told of yet. It
// has told us when something is closed that was asked for behind that: a socket, or a pipe where the process
// has given up making sockets. It looks at what has come to a waiting read only after what it is asked for,
// and at so many at a time: hence several of them.
bool worker::flush() noexcept {
    if (!listens()) return false;
    const auto first = std::ranges::find_if(listening_, [this](const listening& each) {
        return !each.closed && loop_.local_address(each.listener);
    });
    result<handle> nothing = fail_errno(EAFNOSUPPORT);  // all of the UNIX domain
    if (first != listening_.end()) nothing = loop_.open_stream(*loop_.local_address(first->listener), {});
    if (!nothing) nothing = one_end_of_a_pipe(loop_);
    if (!nothing) return false;
    flush_.set(*nothing);
    loop_.submit(flush_);
    return true;
}

void worker::on_flushed() noexcept {
    if (settled_) return stop_if_drained();  // nobody waits for that any more
    const instant now = clock::now();
    if (now < accept_until_) {
        if (!is_quiet()) return settle_later(now);
        if (++flushes_ < limits::flushes_at_stop && flush()) return;
    }
    stop_accepting();
}

void worker::stop_accepting() noexcept {
    settled_ = true;
    for (listening& each : listening_) {
        if (!each.closed) each.accepting.stop();
    }
    if (!listens()) drain_others();
    end_idle();
    stop_if_drained();
}

// Nothing has been accepted since the last look, and nothing waits to be.
bool worker::is_quiet() noexcept {
    bool quiet = accepted_at_stop_ == std::exchange(accepted_before_, accepted_at_stop_) &&
                 arriving_.load(std::memory_order_acquire) == 0;
    for (const listening& each : listening_) {
        if (!each.closed && loop_.has_connection_waiting(each.listener)) quiet = false;
    }
    return quiet;
}

void worker::on_stopped(listening& stopped) noexcept {
    if (!stopped.closed) loop_.close(stopped.listener);
    stopped.closed = true;
    if (listens()) return;
    drain_others();
    end_idle();
    stop_if_drained();
}

bool worker::listens() const noexcept {
    return std::any_of(listening_.begin(), listening_.end(),
                       [](const listening& each) { return !each.closed; });
}

void worker::end_idle() noexcept {
    if (!retiring_) end_proxy_headers();
    connections_.for_each([](connection& each) { each.drain(); });
}

void worker::stop_if_drained() noexcept {
    if (!draining_ || listens() || connections_.live() > 0 || proxy_readers_.live() > 0 ||
        upgrades_.running > 0 || leaving_ > 0 || !flush_.idle())
        return;
    if (arriving_.load(std::memory_order_acquire) != 0) return;
    if (!drain_order_.close() || !retire_order_.close()) return;
    if (!looks_at_disk()) return ended_();
    if (std::exchange(ending_, true)) return;
    for (const auto& each : sites_)
        each->cancel_queued();
    loop_.arm(drain_deadline_, saturating_add(clock::now(), limits::disk_hangs_after));
}

// What goes through its tunnels has been told to stop, and says so to its peers.
void connection::close_requests() noexcept {
    if (phase_ != phase::multiplexed || !session_->end_requests()) close();
}

void connection::drain() noexcept {
    if (worker_.retiring_ && phase_ != phase::multiplexed) return;  // its next answer is its last
    keep_alive_ = false;
    if (phase_ == phase::multiplexed) return session_->drain();
    if (phase_ != phase::idle) return;
    // To its client a TLS handshake has ended before we have all of it: the first request is on its way.
    if (!asked_ && is_secure()) {
        const instant latest = saturating_add(worker_.loop_.now(), limits::first_request_wait);
        return worker_.loop_.arm(*this, armed() ? std::min(deadline, latest) : latest);
    }
    worker_.loop_.cancel(*this);  // ends in on_received, with data if it was there
}

}  // namespace naru::http
