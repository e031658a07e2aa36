#include <naru/net/tcp_listener.hpp>

#include <algorithm>

namespace naru {

result<tcp_listener> tcp_listener::bind(loop& on, const address& where,
                                        const listen_options& options) noexcept {
    auto made = listen_on(where, options);
    if (!made) return fail(made.error());
    const auto attached = on.attach(made->release(), descriptor_kind::listener, ownership::own);
    if (!attached) return fail(attached.error());
    return tcp_listener(on, *attached);
}

result<tcp_listener> tcp_listener::bind(loop& on, std::string_view where,
                                        const listen_options& options) noexcept {
    const auto parsed = address::parse(where);
    if (!parsed) return fail(parsed.error());
    return bind(on, *parsed, options);
}

void tcp_listener::accept_awaiter::on_accept() noexcept {
    if (op_.failed() && !stop_requested()) {
        const std::error_code why = op_.error();
        if (concerns_one_connection(why)) {
            loop_->submit(op_);
            return;
        }
        if (is_shortage(why)) {
            // In the pause nothing is pending that a stop could cancel; the retry looks for one.
            pause_ = next_accept_pause(pause_);
            loop_->arm(retry_, saturating_add(clock::now(), pause_));
            return;
        }
    }
    stop_watching();
    waiting_.resume();
}

void tcp_listener::accept_awaiter::retry() noexcept {
    loop_->submit(op_);
    if (stop_requested()) loop_->cancel(op_);
}

result<tcp_stream> tcp_listener::accept_awaiter::await_resume() noexcept {
    const std::int64_t raw = outcome_of(op_);
    if (raw < 0) return fail(outcome::to_error(raw));
    return tcp_stream(*loop_, handle::unpack(raw));
}

}  // namespace naru
