#include <naru/backend/iocp/backend.hpp>

#include <naru/core/push.hpp>
#include <naru/os/system_calls.hpp>
#include <naru/os/wait_time.hpp>

#include <cerrno>
#include <new>

namespace naru {

iocp_backend::iocp_backend(std::size_t pool_buffers)
    : backend(pool_buffers, {operation_kind::open_file, operation_kind::read_file}) {}

iocp_backend::~iocp_backend() {
    operation_queue none;
    for (std::uint32_t slot = 0; slot < records_.size(); ++slot) {
        record& left = records_.at(slot);
        if ((left.generation & 1u) == 0) continue;
        NARU_ASSERT(left.reads.empty() && left.writes.empty());
        cancel_all(left, none);
    }
    // The memory of a request must outlive it, so its last completion is waited for.
    while (requests_.live() + accept_requests_.live() > 0) {
        for (const OVERLAPPED_ENTRY& each : port_.wait(-1))
            on_completion(iocp_request::of(each.lpOverlapped), none);
    }
    for (std::uint32_t slot = 0; slot < records_.size(); ++slot) {
        record& left = records_.at(slot);
        if (left.accepts) {
            for (const int socket : left.accepts->waiting)
                system_calls::close(socket);
        }
        if (left.descriptor >= 0) system_calls::close(left.descriptor);
    }
}

result<handle> iocp_backend::attach(int descriptor, descriptor_kind kind, ownership /*whose*/) noexcept {
    if (descriptor < 0) return fail_errno(EBADF);
    const auto made = name_descriptor(descriptor, kind);
    if (!made) system_calls::close(descriptor);
    return made;
}

result<handle> iocp_backend::reserve_file() noexcept { return name_descriptor(-1, descriptor_kind::file); }

result<handle> iocp_backend::name_descriptor(int descriptor, descriptor_kind kind) noexcept {
    handle made;
    try {
        made = records_.acquire();
    } catch (const std::bad_alloc&) {
        return fail_errno(ENOMEM);
    }
    if (!made) return fail(errc::handle_limit);
    record& fresh = records_.at(made.slot);
    fresh.descriptor = descriptor;
    fresh.kind = kind;
    fresh.associated = fresh.skips = fresh.read_ready = fresh.starved = false;
    // An empty send buffer: a send is worth trying.
    fresh.write_ready = kind == descriptor_kind::stream || kind == descriptor_kind::datagram;
    fresh.read_error = 0;
    return made;
}

int iocp_backend::descriptor(handle of) noexcept {
    const record* found = records_.find(of);
    return found != nullptr && found->closer == nullptr ? found->descriptor : -1;
}

std::optional<descriptor_kind> iocp_backend::kind_of(handle of) noexcept {
    const record* found = records_.find(of);
    if (found == nullptr || found->closer != nullptr) return std::nullopt;
    return found->kind;
}

void iocp_backend::submit(operation_queue& batch, operation_queue& done) noexcept {
    while (operation* op = batch.pop())
        start(*op, done);
}

void iocp_backend::start(operation& op, operation_queue& done) noexcept {
    const bool closes = op.kind == operation_kind::close || op.kind == operation_kind::release;
    record* found = records_.find(op.target);
    if (op.state == operation_state::canceling && !closes) {
        // Who has been accepted already is not lost to a cancel.
        std::int64_t result = outcome::canceled;
        const bool has_accepted = op.kind == operation_kind::accept && found != nullptr &&
                                  found->closer == nullptr && found->reads.empty() &&
                                  found->accepts != nullptr && !found->accepts->waiting.empty();
        if (has_accepted) (void)try_accept(op.target.slot, *found, result);
        complete(op, result, done);
        return;
    }
    const bool is_open = found != nullptr && found->closer == nullptr;
    if (is_refused(op, is_open ? &found->kind : nullptr, done)) return;
    if (closes) {
        close(op.target.slot, *found, op, done);
        return;
    }
    const direction way = direction_of(op.kind);
    const bool first = found->waiting(way).empty();
    found->waiting(way).push(op);
    if (first) advance(op.target.slot, way, done);
}

// Tries what waits in one direction, in order, until something must wait.
void iocp_backend::advance(std::uint32_t slot, direction way, operation_queue& done) noexcept {
    record& of = records_.at(slot);
    while (operation* op = of.waiting(way).front()) {
        if (of.request(way) != nullptr) return;  // its completion goes on from here
        std::int64_t result = 0;
        const attempt outcome = try_now(slot, of, *op, result);
        if (outcome == attempt::paused) {
            handle name;
            name.slot = slot;
            name.generation = of.generation;
            push_or_end(paused_, turn{name, way});
        }
        if (outcome != attempt::finished) return;
        of.waiting(way).pop();
        complete(*op, result, done);
        if (op->kind == operation_kind::connect) advance(slot, direction::read, done);  // they have waited
    }
}

attempt iocp_backend::try_now(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept {
    switch (op.kind) {
        case operation_kind::accept:
            return try_accept(slot, of, result);
        case operation_kind::recv:
        case operation_kind::recv_into:
            return try_recv(slot, of, op, result);
        case operation_kind::readable:
            return try_readable(slot, of, op, result);
        case operation_kind::writable:
            return try_writable(slot, of, result);
        case operation_kind::connect:
            return try_connect(slot, of, op, result);
        case operation_kind::send:
            return try_send(slot, of, op, result);
        case operation_kind::send_file:
            return try_send_file(slot, of, op, result);
        case operation_kind::receive_from:
            return try_receive_from(slot, of, op, result);
        case operation_kind::send_to:
            return try_send_to(slot, of, op, result);
        case operation_kind::open_file:
        case operation_kind::read_file:
            return try_file(slot, of, op, result);
        case operation_kind::shutdown:
            result = system_calls::shutdown_send(of.descriptor);
            return attempt::finished;
        default:  // the loop's (file_operation.hpp, worker_pool.hpp)
            break;
    }
    result = outcome::from_errno(EINVAL);
    return attempt::finished;
}

std::int64_t iocp_backend::associate(record& of) noexcept {
    if (of.associated) return 0;
    bool skips = false;
    const std::int64_t refusal = port_.associate(of.descriptor, skips);
    of.associated = refusal == 0;
    of.skips = skips;
    return refusal;
}

// Null without the memory for one: what wanted it ends with ENOMEM.
iocp_stream_request* iocp_backend::lend(iocp_request::kind what, std::uint32_t slot, record& of,
                                        std::int64_t& result) noexcept {
    iocp_stream_request* made = nullptr;
    try {
        made = &requests_.make(what, slot);
    } catch (const std::bad_alloc&) {
        result = outcome::from_errno(ENOMEM);
        return nullptr;
    }
    ++of.outstanding;
    const bool writes = what == iocp_request::kind::wait_writable || what == iocp_request::kind::connect;
    of.request(writes ? direction::write : direction::read) = made;
    return made;
}

// What follows from how a request began; one that is complete or has failed is given back. `finished` with a
// result of 0 or more: complete at once.
attempt iocp_backend::began(iocp_started start, iocp_stream_request& request, record& of,
                            std::int64_t& result) noexcept {
    if (start.how == iocp_start::pending) return attempt::blocked;
    result = start.how == iocp_start::failed ? start.error : static_cast<std::int64_t>(request.bytes());
    (of.reading == &request ? of.reading : of.writing) = nullptr;
    --of.outstanding;
    requests_.destroy(request);
    return attempt::finished;
}

bool iocp_backend::lends_memory(const iocp_request* request) noexcept {
    if (request == nullptr) return false;
    return request->what != iocp_request::kind::wait_readable &&
           request->what != iocp_request::kind::wait_writable;
}

void iocp_backend::cancel(operation& op, operation_queue& done) noexcept {
    record* found = records_.find(op.target);
    NARU_ASSERT(found != nullptr);         // a handle is not released before its operations have ended
    if (found->closer != nullptr) return;  // it is being ended anyway
    const direction way = direction_of(op.kind);
    const bool was_first = found->waiting(way).front() == &op;
    iocp_stream_request* const request = found->request(way);
    if (was_first && lends_memory(request)) {
        // Its memory is the kernel's until the completion comes; that may still bring bytes.
        CancelIoEx(windows::handle_of(found->descriptor), &request->overlapped);
        return;
    }
    // A wait has no operation's memory: it stays, for whoever is next.
    const std::uint32_t slot = op.target.slot;
    if (found->cancel_waiting(op, done)) advance(slot, way, done);
}

void iocp_backend::wait(instant until, operation_queue& done) noexcept {
    resume_paused(done);
    retry_starved(done);
    const bool busy = !done.empty() || !paused_.empty();
    for (const OVERLAPPED_ENTRY& each : port_.wait(busy ? 0 : milliseconds_until(until)))
        on_completion(iocp_request::of(each.lpOverlapped), done);
}

void iocp_backend::wake() noexcept { port_.wake(); }

void iocp_backend::on_completion(iocp_request& request, operation_queue& done) noexcept {
    const std::uint32_t slot = request.slot;
    const iocp_request::kind what = request.what;
    record& of = records_.at(slot);
    if (what == iocp_request::kind::accept) {
        auto& accepted = static_cast<iocp_accept_request&>(request);
        keep_accepted(of, accepted);
        accept_requests_.destroy(accepted);
    } else {
        auto& completed = static_cast<iocp_stream_request&>(request);
        on_stream_completion(completed, of, done);
        requests_.destroy(completed);
    }
    --of.outstanding;
    if (of.closer != nullptr) {
        if (of.outstanding == 0) finish_close(slot, of, done);
        return;
    }
    const bool writes = what == iocp_request::kind::wait_writable || what == iocp_request::kind::connect;
    advance(slot, writes ? direction::write : direction::read, done);
}

// The request's part in its handle's queue; what is behind it is advance's.
void iocp_backend::on_stream_completion(iocp_stream_request& request, record& of,
                                        operation_queue& done) noexcept {
    (of.reading == &request ? of.reading : of.writing) = nullptr;
    switch (request.what) {
        case iocp_request::kind::wait_readable:
            on_readable(request, of, done);
            break;
        case iocp_request::kind::wait_writable:
            on_writable(of, done);
            break;
        case iocp_request::kind::receive:
        case iocp_request::kind::read_file:
            on_read(request, of, done);
            break;
        case iocp_request::kind::connect:
            if (operation* op = of.writes.pop()) {
                const int error = windows::errno_of_status(request.status());
                complete(*op, connected(of, *op, outcome::from_errno(error)), done);
                if (of.closer == nullptr) advance(request.slot, direction::read, done);
            }
            break;
        case iocp_request::kind::accept:
            break;
    }
}

void iocp_backend::retry_starved(operation_queue& done) noexcept {
    if (starved_.empty() || !buffers_.available()) return;
    serve_starved(starved_, scratch_, records_,
                  [&](std::uint32_t slot) { advance(slot, direction::read, done); });
}

void iocp_backend::resume_paused(operation_queue& done) noexcept {
    if (paused_.empty()) return;
    resumed_.swap(paused_);
    for (const turn& each : resumed_) {
        const record* found = records_.find(each.on);
        if (found != nullptr && found->closer == nullptr) advance(each.on.slot, each.way, done);
    }
    resumed_.clear();
}

}  // namespace naru
