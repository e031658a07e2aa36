#include <naru/stream/zero_copy.hpp>

#include <naru/core/limits.hpp>
#include <naru/coro/combine.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/stream/splice.hpp>

#include <cerrno>

namespace naru {

namespace {

constexpr std::size_t splice_turn = 64 * 1024;  // what a pipe holds by default (pipe(7))

// Bytes that the loop had received already (io_uring receives ahead) must go before any that splice moves.
// `readable` may be told of such bytes, too; only one after which there are none says that the loop has
// stopped receiving.
task<result<std::uint64_t>> forward_received(tcp_stream& from, tcp_stream& to) {
    std::uint64_t moved = 0;
    stop_scope only_what_is_there;
    only_what_is_there.stop();
    while (true) {
        if (auto ready = co_await from.readable(); !ready) co_return fail(ready.error());
        const std::uint64_t before = moved;
        while (true) {
            auto data = co_await with_stop(only_what_is_there, from.receive());
            if (!data && data.error() == std::errc::operation_canceled) break;
            if (!data) co_return fail(data.error());
            if (auto sent = co_await to.send(*data); !sent) co_return fail(sent.error());
            moved += data->size();
        }
        if (moved == before) co_return moved;
    }
}

task<result<std::uint64_t>> forward_by_copy(tcp_stream& from, tcp_stream& to) {
    std::uint64_t moved = 0;
    while (true) {
        auto data = co_await from.receive();
        if (!data && data.error() == errc::end_of_stream) co_return moved;
        if (!data) co_return fail(data.error());
        if (auto sent = co_await to.send(*data); !sent) co_return fail(sent.error());
        moved += data->size();
    }
}

// Ends with EINVAL, and nothing moved, if these descriptors cannot be spliced.
task<result<std::uint64_t>> forward_by_splice(tcp_stream& from, tcp_stream& to, splice_pipe& pipe) {
    std::uint64_t moved = 0;
    std::uint64_t turn_ends = limits::forward_turn;
    while (true) {
        if (moved >= turn_ends) {
            // Neither peer has to be waited for: the rest of the loop comes first.
            turn_ends = moved + limits::forward_turn;
            if (auto turned = co_await sleep_until(instant::min()); !turned) co_return fail(turned.error());
        }
        while (pipe.held > 0) {
            const borrowed_descriptor sink = to.borrow();
            const std::int64_t out = splice_step(pipe.read_end(), sink.get(), pipe.held);
            if (out > 0) {
                pipe.held -= static_cast<std::uint64_t>(out);
                moved += static_cast<std::uint64_t>(out);
            } else if (out == -EAGAIN || out == 0) {
                if (auto ready = co_await to.writable(); !ready) co_return fail(ready.error());
            } else {
                co_return fail(outcome::to_error(out));
            }
        }
        const borrowed_descriptor source = from.borrow();
        const std::int64_t in = splice_step(source.get(), pipe.write_end(), splice_turn);
        if (in > 0) {
            pipe.held += static_cast<std::uint64_t>(in);
        } else if (in == 0) {
            co_return moved;
        } else if (in == -EAGAIN) {
            if (auto ready = co_await from.readable(); !ready) co_return fail(ready.error());
        } else {
            co_return fail(outcome::to_error(in));
        }
    }
}

}  // namespace

result<splice_pipe> splice_pipe::make() noexcept {
    const auto ends = make_splice_pipe();
    if (!ends) return fail(ends.error());
    splice_pipe made;
    made.read_end_.reset(ends->read);
    made.write_end_.reset(ends->write);
    return made;
}

namespace {

task<result<std::uint64_t>> forward_to_the_end(tcp_stream& from, tcp_stream& to, splice_pipe* pipe) {
    std::uint64_t total = 0;
    bool by_copy = pipe == nullptr;
    if (pipe != nullptr) {
        auto received = co_await forward_received(from, to);
        bool ended = !received && received.error() == errc::end_of_stream;
        if (!received && !ended) co_return received;
        if (received) total += *received;
        if (!ended) {
            auto spliced = co_await forward_by_splice(from, to, *pipe);
            by_copy = !spliced && spliced.error() == std::errc::invalid_argument && pipe->held == 0;
            if (!spliced && !by_copy) co_return spliced;
            if (spliced) total += *spliced;
        }
    }
    if (by_copy) {
        auto copied = co_await forward_by_copy(from, to);
        if (!copied) co_return copied;
        total += *copied;
    }
    co_return total;
}

task<> one_direction(tcp_stream& from, tcp_stream& to, splice_pipe* pipe, stop_scope& both,
                     std::uint64_t& moved, std::error_code& failure) {
    const auto done = co_await with_stop(both, forward(from, to, pipe));
    if (done) {
        moved = *done;
        co_return;
    }
    if (!failure)
        failure = done.error();  // the first one: what follows from it is that the other is cancelled
    both.stop();
}

}  // namespace

task<result<std::uint64_t>> forward(tcp_stream& from, tcp_stream& to, splice_pipe* pipe) {
    auto moved = co_await forward_to_the_end(from, to, pipe);
    if (moved) {
        (void)to.shutdown_send();
    } else {
        to.home().backend().reset_on_close(to.native());
    }
    co_return moved;
}

task<result<forwarded>> forward_both(tcp_stream& left, tcp_stream& right, splice_pipe* there,
                                     splice_pipe* back) {
    forwarded moved;
    std::error_code failure;
    stop_scope both;
    co_await when_all(one_direction(left, right, there, both, moved.there, failure),
                      one_direction(right, left, back, both, moved.back, failure));
    if (failure) co_return fail(failure);
    co_return moved;
}

}  // namespace naru
