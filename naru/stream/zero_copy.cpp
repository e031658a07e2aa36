#include <naru/stream/zero_copy.hpp>

#include <naru/core/limits.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/os/system_calls.hpp>
#include <naru/stream/splice.hpp>

#include <cerrno>

namespace naru {

namespace {

constexpr std::size_t splice_turn = 64 * 1024;  // what a pipe holds by default (pipe(7))

// Bytes that the loop had received already (io_uring receives ahead) must go before any that splice moves.
// `readable` may be told of such bytes, too; only one after which there are none says that the loop has
// stopped receiving.
task<result<std::uint64_t>> forward_received(handle_stream& from, handle_stream& to) {
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

// splice(2) waits on a socket in blocking mode, and has no flag against it.
bool waits(const handle_stream& of) noexcept { return system_calls::is_blocking(of.borrow().get()); }

// Ends with EINVAL, and nothing moved, if these descriptors cannot be spliced.
task<result<std::uint64_t>> forward_by_splice(handle_stream& from, handle_stream& to, splice_pipe& pipe) {
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

// What cannot be spliced to `to` has come into the pipe already.
task<result<std::uint64_t>> drain(splice_pipe& pipe, handle_stream& to) {
    std::uint64_t moved = 0;
    while (pipe.held > 0) {
        auto buffer = co_await wait_for_buffer(to.home());
        if (!buffer) co_return fail(buffer.error());
        const mutable_slice room(buffer->bytes());
        const std::int64_t got = system_calls::read(pipe.read_end(), std::span(&room, 1));
        if (got < 0) co_return fail(outcome::to_error(got));
        buffer->keep_first(static_cast<std::size_t>(got));
        if (auto sent = co_await to.send(*buffer); !sent) co_return fail(sent.error());
        pipe.held -= static_cast<std::uint64_t>(got);
        moved += static_cast<std::uint64_t>(got);
    }
    co_return moved;
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

task<result<std::uint64_t>> detail::forward_plain(handle_stream& from, handle_stream& to, splice_pipe* pipe) {
    std::uint64_t total = 0;
    bool by_copy = pipe == nullptr || waits(from) || waits(to);
    if (!by_copy) {
        auto received = co_await forward_received(from, to);
        bool ended = !received && received.error() == errc::end_of_stream;
        if (!received && !ended) co_return received;
        if (received) total += *received;
        if (!ended) {
            auto spliced = co_await forward_by_splice(from, to, *pipe);
            by_copy = !spliced && spliced.error() == std::errc::invalid_argument;
            if (!spliced && !by_copy) co_return spliced;
            if (by_copy && pipe->held > 0) spliced = co_await drain(*pipe, to);
            if (!spliced && pipe->held > 0) co_return spliced;
            if (spliced) total += *spliced;
        }
    }
    if (by_copy) {
        auto copied = co_await forward_by_lease(from, to);
        if (!copied) co_return copied;
        total += *copied;
    }
    co_return total;
}

}  // namespace naru
