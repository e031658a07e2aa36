#include <naru/net/tcp_listener.hpp>

#include <algorithm>

namespace naru {

result<tcp_listener> tcp_listener::bind(loop& on, const address& where,
                                        const listen_options& options) noexcept {
    const auto opened = on.open_listener(where, options);
    if (!opened) return fail(opened.error());
    return tcp_listener(on, *opened);
}

result<tcp_listener> tcp_listener::bind(loop& on, std::string_view where,
                                        const listen_options& options) noexcept {
    const auto parsed = address::parse(where);
    if (!parsed) return fail(parsed.error());
    return bind(on, *parsed, options);
}

void tcp_listener::accept_request::awaiter::begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
    if (loop_ != &detail::loop_of(in))
        fatal("bug: a listener of one loop was awaited on another: each loop has its own");
    waiting_ = waiting;
    loop_->submit(*this);
    in.add(*this);
}

void tcp_listener::accept_request::awaiter::on_accept() noexcept {
    if (failed() && !stopped_) {
        const std::error_code why = error();
        if (concerns_one_connection(why)) {
            loop_->submit(*this);
            return;
        }
        if (is_shortage(why)) {
            pause_ = next_accept_pause(pause_);
            loop_->arm(*this, saturating_add(clock::now(), pause_));
            return;
        }
    }
    if (stop_entry::linked()) stop_entry::unlink();
    waiting_.resume();
}

void tcp_listener::accept_request::awaiter::retry() noexcept {
    loop_->submit(*this);
    if (stopped_) loop_->cancel(*this);
}

void tcp_listener::accept_request::awaiter::stop() noexcept {
    stopped_ = true;
    if (armed()) {
        loop_->arm(*this, instant::min());  // in a pause nothing is pending that could be cancelled
    } else {
        loop_->cancel(*this);
    }
}

result<tcp_stream> tcp_listener::accept_request::awaiter::await_resume() noexcept {
    if (failed()) return fail(error());
    return tcp_stream(*loop_, handle::unpack(operation::result));
}

}  // namespace naru
