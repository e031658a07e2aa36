#include <naru/net/acceptor.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace naru {

namespace {

using namespace std::chrono_literals;

constexpr duration first_pause = 5ms;
constexpr duration longest_pause = 1s;

// Accepts in a row of which each says that its connection has failed, before they no longer pass for
// accidents: a filter that forbids accept(2) answers each with EPERM, and a loop that only asks again has a
// busy core.
constexpr unsigned accepts_in_vain = 64;

}  // namespace

duration next_accept_pause(duration last) noexcept {
    return std::clamp(last * 2, first_pause, longest_pause);
}

bool is_shortage(std::error_code error) noexcept {
    if (error == errc::select_descriptor_limit || error == errc::handle_limit ||
        error == errc::direct_descriptor_limit)
        return true;
    if (error.category() != errno_category()) return false;
    switch (error.value()) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return true;
        default:
            return false;
    }
}

bool concerns_one_connection(std::error_code error) noexcept {
    if (error.category() != errno_category()) return false;
    switch (error.value()) {
        case ECONNABORTED:
        case ECONNRESET:
        case EPROTO:
        case EPERM:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTUNREACH:
        case ENETUNREACH:
        case ETIMEDOUT:
        case EINTR:
        case EAGAIN:
#if defined(__linux__)
        case EHOSTDOWN:
        case ENONET:
#endif
            return true;
        default:
            return false;
    }
}

acceptor::accept_step::accept_step(acceptor& of) noexcept
    : accept_operation([](operation& op) noexcept {
          auto& ended = static_cast<accept_step&>(op);
          ended.owner.on_accept(ended);
      }),
      owner(of) {}

acceptor::retry_timer::retry_timer(acceptor& of) noexcept
    : timer([](timer& expired) noexcept { static_cast<retry_timer&>(expired).owner.submit_all(); }),
      owner(of) {}

acceptor::acceptor(loop& on, handle listener, const events& callbacks) noexcept
    : loop_(on),
      events_(callbacks),
      accepts_(make_steps(*this, std::make_index_sequence<limits::accepts_at_once>())),
      retry_(*this) {
    for (accept_step& each : accepts_)
        each.set(listener, true);
}

void acceptor::start() noexcept { submit_all(); }

void acceptor::submit_all() noexcept {
    for (accept_step& each : accepts_) {
        if (each.idle()) loop_.submit(each);
    }
}

void acceptor::cancel_all() noexcept {
    for (accept_step& each : accepts_)
        loop_.cancel(each);
}

bool acceptor::is_idle() const noexcept {
    return std::ranges::all_of(accepts_, [](const accept_step& each) { return each.idle(); });
}

void acceptor::stop() noexcept {
    if (stopping_) return;
    stopping_ = true;
    loop_.disarm(retry_);
    // Also when nothing is pending (a pause, or a call from on_connection) the end is an operation's
    // completion: on_stopped never comes from inside stop.
    if (is_idle()) loop_.submit(accepts_.front());
    cancel_all();
}

// While it stops an accept is cancelled until it is told that nobody is left (operation.hpp, rule 9).
void acceptor::submit(accept_step& each) noexcept {
    loop_.submit(each);
    if (stopping_ || lost_) loop_.cancel(each);
}

void acceptor::on_accept(accept_step& each) noexcept {
    if (each.failed()) return on_failure(each, each.error());
    pause_ = duration(0);
    in_vain_ = 0;
    events_.on_connection(events_.context, handle::unpack(each.result));
    if (each.idle()) submit(each);  // else stopped by on_connection
}

void acceptor::on_failure(accept_step& failed, std::error_code why) noexcept {
    if (stopping_ || lost_) return end_if_idle();
    const bool is_short = is_shortage(why);
    if (is_short || concerns_one_connection(why)) {
        if (retry_.armed()) return;  // the others' pause is its own, too
        if (!is_short && ++in_vain_ % accepts_in_vain != 0) return submit(failed);
        pause_ = next_accept_pause(pause_);
        loop_.arm(retry_, saturating_add(clock::now(), pause_));
        if (events_.on_pause != nullptr) events_.on_pause(events_.context, why, pause_);
        return;
    }
    lost_ = why;
    loop_.disarm(retry_);
    cancel_all();
    end_if_idle();
}

void acceptor::end_if_idle() noexcept {
    if (!is_idle()) return;
    if (stopping_) {
        if (events_.on_stopped != nullptr) events_.on_stopped(events_.context);
    } else if (const std::error_code why = std::exchange(lost_, {})) {
        if (events_.on_failure != nullptr) events_.on_failure(events_.context, why);
    }
}

}  // namespace naru
