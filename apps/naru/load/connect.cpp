// Connect: a connection's beginning, its end, and what goes wrong in between.
#include <load/generator.hpp>
#include <load/target.hpp>

#include <naru/os/socket.hpp>
#include <naru/os/socket_options.hpp>

#include <algorithm>
#include <cerrno>

namespace naru::load {

namespace {

failure kind_of(const std::error_code& error) noexcept {
    if (error == errc::end_of_stream) return failure::closed_early;
    if (error.category() != errno_category()) return failure::other;
    switch (error.value()) {
        case ECONNREFUSED:
            return failure::refused;
        case ECONNRESET:
        case ECONNABORTED:
        case EPIPE:
            return failure::reset;
        case ETIMEDOUT:
            return failure::timed_out;
        case EADDRNOTAVAIL:
            return failure::no_port;
        default:
            return failure::other;
    }
}

}  // namespace

client::receive_step::receive_step(client& of) noexcept
    : operation(operation_kind::recv,
                [](operation& op) noexcept { static_cast<receive_step&>(op).owner.on_received(); }),
      owner(of) {}

client::write_step::write_step(client& of) noexcept
    : send_operation([](operation& op) noexcept {
          client& self = static_cast<write_step&>(op).owner;
          op.kind == operation_kind::send ? self.on_written() : self.on_connected();
      }),
      owner(of) {}

client::deadline_step::deadline_step(client& of) noexcept
    : timer([](timer& expired) noexcept { static_cast<deadline_step&>(expired).owner.on_deadline(); }),
      owner(of) {}

client::client(generator& of, std::uint32_t index, bool idle, flight* flights) noexcept
    : generator_(of),
      flights_(flights),
      receive_(*this),
      write_(*this),
      deadline_(*this),
      index_(index),
      idle_(idle) {}

result<handle> client::make_socket() noexcept {
    const address& target = generator_.options().target;
    auto made = stream_socket_for(target);
    if (!made) return fail_errno(made.error().value());
    (void)socket_options::set_no_delay(made->get(), true);
    if (const address* source = generator_.source_of(index_)) {
        if (const int error = bind_source(made->get(), *source); error != 0) return fail_errno(error);
    }
    return generator_.loop().attach(made->release(), descriptor_kind::socket, ownership::own);
}

void client::open() noexcept {
    state_ = state::connecting;
    carried_ = secured_ = has_room_ = false;
    http2_.reset();
    if (in_flight_ == 0) first_ = 0;
    generator_.on_connecting();
    const auto made = make_socket();
    if (!made) {
        fail(kind_of(made.error()), made.error().message().c_str());
        return;
    }
    socket_ = *made;
    const address& target = generator_.options().target;
    write_.kind = operation_kind::connect;
    write_.target = socket_;
    write_.address = target.data();
    write_.count = target.size();
    generator_.loop().submit(write_);
    generator_.loop().arm(deadline_, saturating_add(generator_.loop().now(), generator_.options().timeout));
}

void client::on_connected() noexcept {
    if (state_ == state::ending) return settle();
    if (write_.failed()) return fail(write_);
    if (generator_.options().tls.context && !secured_) return begin_tls();
    if (generator_.options().http2) return begin_http2();
    reader_.reset();
    receive();
    become_open();
}

void client::become_open() noexcept {
    state_ = state::open;
    if (in_flight_ > 0) send_again();
    generator_.on_connected(*this);
}

void client::begin_tls() noexcept {
    const auto made = generator_.tls().begin(generator_.loop(), socket_, generator_.options().tls);
    if (!made) return fail(kind_of(made.error()), made.error().message().c_str());
    secured_ = true;
    socket_ = *made;
    write_.kind = operation_kind::writable;
    write_.target = socket_;
    generator_.loop().submit(write_);
}

void client::fail(const operation& failed) noexcept {
    if (secured_) {
        if (const std::string why = tls_beginnings::why(generator_.loop(), socket_); !why.empty())
            return fail(failure::other, why.c_str());
    }
    const std::error_code error = failed.error();
    const bool system = error.category() == errno_category();
    fail(kind_of(error), system ? error.message().c_str() : "");
}

/// Whatever is under way on this connection has failed.
void client::fail(failure kind, const char* what) noexcept {
    const instant now = clock::now();
    if (state_ == state::connecting) generator_.on_connect_failed();
    if (in_flight_ == 0 || idle_) {
        generator_.count_failure(kind, what);
        in_flight_ = 0;
    }
    while (in_flight_ > 0)
        generator_.record_failure(pop_flight(), kind, what, now);
    generator_.settle(*this);
    drop_at_once();
}

// A reset leaves no connection in TIME_WAIT, whose port the next connection or the next run might want.
void client::drop_at_once() noexcept {
    if (socket_) generator_.loop().reset_on_close(socket_);
    drop();
}

/// Ends the connection; the generator opens it again.
void client::drop() noexcept {
    if (linked()) unlink();
    generator_.loop().disarm(deadline_);
    state_ = state::ending;
    unsent_ = 0;
    if (socket_) generator_.loop().close(socket_);
    socket_ = {};
    settle();
}

void client::settle() noexcept {
    if (!receive_.idle() || !write_.idle()) return;
    state_ = state::closed;
    generator_.on_closed(*this);
}

void client::wait_to_open(duration pause) noexcept {
    generator_.loop().arm(deadline_, saturating_add(generator_.loop().now(), pause));
}

void client::stop() noexcept {
    if (linked()) unlink();
    generator_.loop().disarm(deadline_);
    if (state_ == state::closed || state_ == state::ending) return;
    in_flight_ = 0;
    drop_at_once();
}

// The deadline is set once and looked at when it has come: a request does not move it.
void client::on_deadline() noexcept {
    switch (state_) {
        case state::closed:
            generator_.on_pause_over(*this);
            return;
        case state::connecting:
            fail(failure::timed_out, "");
            return;
        case state::open: {
            if (in_flight_ == 0) return;
            if (http2_) return time_streams_out();
            const instant due = saturating_add(flights_[first_].sent, generator_.options().timeout);
            if (generator_.loop().now() >= due) return fail(failure::timed_out, "");
            generator_.loop().arm(deadline_, due);
            return;
        }
        case state::finishing:
            generator_.on_not_ended();
            drop_at_once();
            return;
        case state::ending:
            return;
    }
}

}  // namespace naru::load
