#include <naru/stream/standard_stream.hpp>

#include <naru/coro/offload.hpp>
#include <naru/os/pipe.hpp>
#include <naru/os/system_calls.hpp>
#include <naru/stream/pipe_stream.hpp>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

namespace naru {

namespace {

/// The socket of a standard stream: of any family.
class given_socket : public socket_stream {
 public:
    given_socket(loop& on, handle taken) noexcept : socket_stream(on, taken) {}
};

}  // namespace

struct standard_stream::state {
    state(loop& on, worker_pool& pool) noexcept : home(&on), workers(&pool) {}

    result<std::size_t> call(std::span<mutable_slice> pieces) const noexcept {
        return size_of(system_calls::read(descriptor.get(), pieces));
    }
    result<std::size_t> call(std::span<const slice> pieces) const noexcept {
        return size_of(system_calls::write(descriptor.get(), pieces));
    }
    static result<std::size_t> size_of(std::int64_t outcome) noexcept {
        if (outcome < 0) return fail(outcome::to_error(outcome));
        return static_cast<std::size_t>(outcome);
    }

    loop* home;
    worker_pool* workers;
    std::optional<given_socket> socket;
    std::optional<pipe_stream> pipe;
    // Without either of them: a call on a worker, once the loop says that there is something to be had, if it
    // can say.
    unique_descriptor descriptor;
    owned_handle watched;
    async_mutex reading;
    async_mutex writing;
};

void standard_stream::deleter::operator()(state* of) const noexcept { delete of; }

standard_stream::state& standard_stream::inside() const noexcept {
    if (state_ == nullptr) fatal("bug: a standard stream was used that never was opened");
    return *state_;
}

result<standard_stream> standard_stream::input(loop& on, worker_pool& workers) { return of(on, workers, 0); }
result<standard_stream> standard_stream::output(loop& on, worker_pool& workers) { return of(on, workers, 1); }
result<standard_stream> standard_stream::error(loop& on, worker_pool& workers) { return of(on, workers, 2); }

result<standard_stream> standard_stream::of(loop& on, worker_pool& workers, int descriptor) {
    const auto type = type_of(descriptor);
    if (!type) return fail(type.error());
    auto own = duplicate(descriptor);
    if (!own) return fail(own.error());
    std::unique_ptr<state, deleter> made(new state(on, workers));
    if (*type == file_type::socket) {
        const auto attached = on.attach(own->release(), descriptor_kind::stream, ownership::shared);
        if (!attached) return fail(attached.error());
        made->socket.emplace(on, *attached);
        return standard_stream(std::move(made));
    }
    if (*type == file_type::pollable) {
        if (auto second = reopen_non_blocking(descriptor)) {
            const auto attached = on.attach(second->release(), descriptor_kind::pipe, ownership::own);
            if (!attached) return fail(attached.error());
            made->pipe.emplace(on, *attached);
            return standard_stream(std::move(made));
        }
        auto watched = duplicate(descriptor);
        if (!watched) return fail(watched.error());
        const auto attached = on.attach(watched->release(), descriptor_kind::other, ownership::shared);
        if (!attached) return fail(attached.error());
        made->watched = owned_handle(on, *attached);
    }
    made->descriptor = std::move(*own);
    return standard_stream(std::move(made));
}

namespace {

// What is pollable is waited for by the loop, so that a worker is not held by a terminal at which nobody
// types.
template <class Request>
task<result<void>> until_ready(loop& on, handle watched) {
    if (!watched) co_return {};
    co_return co_await Request(on, watched);
}

}  // namespace

task<result<std::size_t>> standard_stream::receive(std::span<mutable_slice> pieces) {
    state& in = inside();
    if (in.socket) co_return co_await in.socket->receive(pieces);
    if (in.pipe) co_return co_await in.pipe->receive(pieces);
    if (std::ranges::all_of(pieces, [](const mutable_slice& each) { return each.size == 0; }))
        co_return fail_errno(EINVAL);
    auto turn = co_await in.reading.lock();
    if (!turn) co_return fail(turn.error());
    while (true) {
        auto ready = co_await until_ready<readable_request>(*in.home, in.watched.get());
        if (!ready) co_return fail(ready.error());
        auto call = [&in, pieces] { return in.call(pieces); };
        auto got = co_await offload(*in.workers, call);
        const bool was_taken = !got && got.error() == std::errc::resource_unavailable_try_again;
        if (!was_taken || !in.watched.get()) co_return got;
    }
}

task<result<std::size_t>> standard_stream::receive_into(mutable_bytes memory) {
    mutable_slice one(memory);
    co_return co_await receive(std::span(&one, 1));
}

task<result<lease>> standard_stream::receive() {
    state& in = inside();
    if (in.socket) co_return co_await in.socket->receive();
    if (in.pipe) co_return co_await in.pipe->receive();
    auto buffer = co_await wait_for_buffer(*in.home);
    if (!buffer) co_return fail(buffer.error());
    auto got = co_await receive_into(buffer->bytes());
    if (!got) co_return fail(got.error());
    buffer->keep_first(*got);
    co_return std::move(*buffer);
}

task<result<std::size_t>> standard_stream::send_slices(std::span<slice> pieces, send_extent extent) {
    state& out = inside();
    if (out.socket && extent == send_extent::some) co_return co_await out.socket->send_some(pieces);
    if (out.socket) co_return co_await out.socket->send(pieces);
    if (out.pipe && extent == send_extent::some) co_return co_await out.pipe->send_some(pieces);
    if (out.pipe) co_return co_await out.pipe->send(pieces);
    auto turn = co_await out.writing.lock();
    if (!turn) co_return fail(turn.error());
    std::size_t sent = 0;
    while (total_size(pieces) > 0) {
        auto ready = co_await until_ready<writable_request>(*out.home, out.watched.get());
        if (!ready) co_return fail(ready.error());
        auto call = [&out, pieces] { return out.call(std::span<const slice>(pieces)); };
        auto step = co_await offload(*out.workers, call);
        const bool full = !step && step.error() == std::errc::resource_unavailable_try_again;
        if (full && out.watched.get()) continue;
        if (!step) co_return step;
        advance(pieces, *step);
        sent += *step;
        if (extent == send_extent::some) break;
        while (!pieces.empty() && pieces.front().size == 0)
            pieces = pieces.subspan(1);
    }
    co_return sent;
}

task<result<std::size_t>> standard_stream::send_bytes(bytes_view bytes, send_extent extent) {
    slice one(bytes);
    co_return co_await send_slices(std::span(&one, 1), extent);
}

task<result<void>> standard_stream::shutdown() {
    state& out = inside();
    if (out.socket) co_return co_await out.socket->shutdown();
    if (out.pipe) co_return co_await out.pipe->shutdown();
    auto turn = co_await out.writing.lock();
    if (!turn) co_return fail(turn.error());
    out.descriptor.reset();
    co_return {};
}

task<result<void>> standard_stream::close() {
    state& all = inside();
    if (all.socket) co_return co_await all.socket->close();
    if (all.pipe) co_return co_await all.pipe->close();
    if (all.watched.get()) {
        auto ended = co_await close_request(std::move(all.watched));
        if (!ended) co_return ended;
    }
    auto last_read = co_await all.reading.lock();
    auto last_write = co_await all.writing.lock();
    all.descriptor.reset();
    co_return {};
}

void standard_stream::reset_on_close() noexcept {
    if (inside().socket) inside().socket->reset_on_close();
}

namespace {

result<endpoint> either(result<address> internet, result<unix_address> local) {
    if (internet) return endpoint(*internet);
    if (local) return endpoint(*local);
    return fail(internet.error());
}

}  // namespace

result<endpoint> standard_stream::peer_address() const {
    if (!inside().socket) return endpoint();
    const borrowed_descriptor socket = inside().socket->borrow();
    return either(address::peer_of(socket.get()), unix_address::peer_of(socket.get()));
}

result<endpoint> standard_stream::local_address() const {
    if (!inside().socket) return endpoint();
    const borrowed_descriptor socket = inside().socket->borrow();
    return either(address::local_of(socket.get()), unix_address::local_of(socket.get()));
}

loop& standard_stream::home() const noexcept { return *inside().home; }

standard_stream::way standard_stream::how() const noexcept {
    return inside().socket || inside().pipe ? way::loop : way::worker;
}

}  // namespace naru
