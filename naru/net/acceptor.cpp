#include <naru/net/acceptor.hpp>

#include <algorithm>
#include <cerrno>

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

acceptor::accept_operation::accept_operation(acceptor& of) noexcept
    : operation(operation_kind::accept,
                [](operation& op) noexcept { static_cast<accept_operation&>(op).owner.on_accept(); }),
      owner(of) {}

acceptor::retry_timer::retry_timer(acceptor& of) noexcept
    : timer([](timer& expired) noexcept {
          acceptor& again = static_cast<retry_timer&>(expired).owner;
          again.loop_.submit(again.accept_);
      }),
      owner(of) {}

acceptor::acceptor(loop& on, handle listener, const events& callbacks) noexcept
    : loop_(on), events_(callbacks), accept_(*this), retry_(*this) {
    accept_.target = listener;
    accept_.flags = operation_flags::more;
}

void acceptor::start() noexcept { loop_.submit(accept_); }

void acceptor::stop() noexcept {
    if (stopping_) return;
    stopping_ = true;
    loop_.disarm(retry_);
    // Also when nothing is pending (a pause, or a call from on_connection) the end is an operation's
    // completion: on_stopped never comes from inside stop.
    if (accept_.idle()) loop_.submit(accept_);
    loop_.cancel(accept_);
}

void acceptor::on_accept() noexcept {
    if (!accept_.failed()) {
        pause_ = duration(0);
        in_vain_ = 0;
        events_.on_connection(events_.context, handle::unpack(accept_.result));
        if (!accept_.idle()) return;  // stopped by on_connection
        loop_.submit(accept_);
        if (stopping_) loop_.cancel(accept_);
        return;
    }
    const std::error_code why = accept_.error();
    if (stopping_) {
        if (events_.on_stopped != nullptr) events_.on_stopped(events_.context);
    } else if (is_shortage(why) || (concerns_one_connection(why) && ++in_vain_ % accepts_in_vain == 0)) {
        pause_ = next_accept_pause(pause_);
        loop_.arm(retry_, saturating_add(clock::now(), pause_));
        if (events_.on_pause != nullptr) events_.on_pause(events_.context, why, pause_);
    } else if (concerns_one_connection(why)) {
        loop_.submit(accept_);
    } else if (events_.on_failure != nullptr) {
        events_.on_failure(events_.context, why);
    }
}

}  // namespace naru
