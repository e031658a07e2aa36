#include <naru/backend/readiness_backend.hpp>

#include <naru/backend/system_calls.hpp>
#include <naru/backend/wait_time.hpp>
#include <naru/backend/wake_descriptor.hpp>
#include <naru/loop/datagram.hpp>

#include <algorithm>
#include <cerrno>
#include <new>

namespace naru {

namespace {

constexpr std::uint64_t wake_token = ~std::uint64_t{0};
constexpr std::uint8_t connecting = 1;  // operation::backend_bits

}  // namespace

readiness_backend::readiness_backend(std::unique_ptr<poller> reports, std::size_t pool_buffers)
    : backend(pool_buffers), poller_(std::move(reports)), wake_descriptor_(make_wake_descriptor()) {
    const std::error_code error =
        poller_->set_interest(wake_descriptor_, wake_token, interest::none, interest::read);
    if (error) throw std::system_error(error, "cannot watch the wake-up descriptor");
}

readiness_backend::~readiness_backend() {
    for (std::uint32_t slot = 0; slot < records_.size(); ++slot) {
        record& left = records_.at(slot);
        NARU_ASSERT(left.reads.empty() && left.writes.empty());
        if (left.descriptor >= 0) system_calls::close(left.descriptor);
    }
    system_calls::close(wake_descriptor_);
}

result<handle> readiness_backend::attach(int descriptor, descriptor_kind kind) noexcept {
    if (descriptor >= poller_->descriptor_limit()) {
        system_calls::close(descriptor);
        return fail(errc::select_descriptor_limit);
    }
    const auto made = name_descriptor(descriptor, kind);
    if (!made && descriptor >= 0) system_calls::close(descriptor);
    return made;
}

result<handle> readiness_backend::reserve_file() noexcept {
    return name_descriptor(-1, descriptor_kind::file);
}

result<handle> readiness_backend::name_descriptor(int descriptor, descriptor_kind kind) noexcept {
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
    fresh.armed = interest::none;
    fresh.registered = fresh.read_ready = fresh.hangup = fresh.urgent = fresh.listed = fresh.retell =
        fresh.starved = fresh.guessed = fresh.paused = false;
    // An empty send buffer: the first send is worth trying.
    fresh.write_ready = kind == descriptor_kind::stream || kind == descriptor_kind::datagram;
    return made;
}

int readiness_backend::descriptor(handle of) noexcept {
    const record* found = records_.find(of);
    return found != nullptr ? found->descriptor : -1;
}

void readiness_backend::submit(operation_queue& batch, operation_queue& done) noexcept {
    while (operation* op = batch.pop())
        start(*op, done);
}

void readiness_backend::start(operation& op, operation_queue& done) noexcept {
    const bool closes = op.kind == operation_kind::close || op.kind == operation_kind::release;
    if (op.state == operation_state::canceling && !closes) {
        complete(op, outcome::canceled, done);
        return;
    }
    op.state = operation_state::pending;
    op.backend_bits = 0;
    record* found = records_.find(op.target);
    if (found == nullptr) {
        complete(op, outcome::from_errno(EBADF), done);
        return;
    }
    if (closes) {
        close(op.target.slot, *found, op, done);
        return;
    }
    if (!datagram_kinds_match(op.kind, found->kind)) {
        complete(op, outcome::from_errno(EINVAL), done);
        return;
    }
    const direction way = direction_of(op.kind);
    const bool first = found->waiting(way).empty();
    found->waiting(way).push(op);
    if (first) advance(op.target.slot, way, done);
}

// Tries what waits in one direction, in order, until something would block.
void readiness_backend::advance(std::uint32_t slot, direction way, operation_queue& done) noexcept {
    record& of = records_.at(slot);
    while (operation* op = of.waiting(way).front()) {
        std::int64_t result = 0;
        const attempt outcome = try_now(slot, of, *op, result);
        if (outcome == attempt::paused) return;
        if (outcome == attempt::blocked) {
            mark_changed(slot, of);
            return;
        }
        of.waiting(way).pop();
        complete(*op, result, done);
    }
}

readiness_backend::attempt readiness_backend::try_now(std::uint32_t slot, record& of, operation& op,
                                                      std::int64_t& result) noexcept {
    switch (op.kind) {
        case operation_kind::accept:
            return of.read_ready ? try_accept(of, result) : attempt::blocked;
        case operation_kind::recv:
        case operation_kind::recv_into: {
            if (!of.read_ready) return attempt::blocked;
            const attempt outcome = try_recv(of, op, result);
            if (of.starved) starved_.push_back(slot);
            return outcome;
        }
        case operation_kind::readable:
            if (!of.read_ready) return attempt::blocked;
            of.read_ready = of.hangup;  // used up; an end of stream stays readable
            of.retell = true;
            result = 0;
            return attempt::finished;
        case operation_kind::writable:
            if (!of.write_ready) return attempt::blocked;
            of.write_ready = false;
            of.retell = true;
            result = 0;
            return attempt::finished;
        case operation_kind::connect:
            return try_connect(of, op, result);
        case operation_kind::send:
            return of.write_ready ? try_send(of, op, result) : attempt::blocked;
        case operation_kind::send_file: {
            if (!of.write_ready) return attempt::blocked;
            const attempt outcome = try_send_file(of, op, result);
            if (outcome == attempt::paused && !of.paused) {
                of.paused = true;
                paused_.push_back(op.target);
            }
            return outcome;
        }
        case operation_kind::receive_from:
            return of.read_ready ? try_receive_from(of, op, result) : attempt::blocked;
        case operation_kind::send_to:
            return of.write_ready ? try_send_to(of, op, result) : attempt::blocked;
        case operation_kind::open_file:
        case operation_kind::read_file:
            return try_file(of, op, result);
        case operation_kind::close:
        case operation_kind::release:
        case operation_kind::work:
            break;
    }
    result = outcome::from_errno(EINVAL);
    return attempt::finished;
}

readiness_backend::attempt readiness_backend::try_accept(record& of, std::int64_t& result) noexcept {
    result = system_calls::accept(of.descriptor);
    if (result == system_calls::would_block) {
        of.read_ready = false;
        return attempt::blocked;
    }
    if (result >= 0) {
        const auto attached = attach(static_cast<int>(result), descriptor_kind::stream);
        result = attached ? attached->pack() : outcome::from(attached.error());
        if (attached && guess_readable()) {
            record& fresh = records_.at(attached->slot);
            fresh.read_ready = fresh.guessed = true;
        }
    }
    return attempt::finished;
}

readiness_backend::attempt readiness_backend::try_recv(record& of, operation& op,
                                                       std::int64_t& result) noexcept {
    mutable_bytes into(op.data, op.count);
    of.starved = false;
    if (op.kind == operation_kind::recv) {
        std::byte* leased = buffers_.acquire();
        if (leased == nullptr) {
            of.starved = true;
            return attempt::blocked;
        }
        into = mutable_bytes(leased, limits::buffer_bytes);
    }
    result = system_calls::recv(of.descriptor, into);
    if (of.guessed) {
        of.guessed = false;
        guess_score_ = result == system_calls::would_block ? std::max(guess_score_ - 1, 0)
                                                           : std::min(guess_score_ + 1, score_max);
    }
    const bool is_short = result < 0 || static_cast<std::size_t>(result) < into.size();
    if (op.kind == operation_kind::recv) {
        if (result > 0) {
            op.data = into.data();
        } else {
            buffers_.release(into.data());
        }
    }
    if (result == system_calls::would_block) {
        of.read_ready = of.urgent = false;
        return attempt::blocked;
    }
    if (result > 0 && is_short && !of.hangup && !of.urgent) of.read_ready = false;
    return attempt::finished;
}

readiness_backend::attempt readiness_backend::try_send(record& of, operation& op,
                                                       std::int64_t& result) noexcept {
    while (true) {
        std::span<slice> left(op.slices, op.count);
        while (left.size() > 1 && left.front().size == 0)
            left = left.subspan(1);
        const std::uint64_t wanted = total_size(left);
        result = wanted == 0
                     ? 0
                     : system_calls::send(of.descriptor, left, (op.flags & operation_flags::more) != 0);
        if (result == system_calls::would_block) {
            of.write_ready = false;
            return attempt::blocked;
        }
        if (result < 0) return attempt::finished;
        const auto sent = static_cast<std::uint64_t>(result);
        op.progress += sent;
        naru::advance(left, sent);
        if (sent == wanted) {
            result = static_cast<std::int64_t>(op.progress);
            return attempt::finished;
        }
        if (left.size() <= limits::slices_per_send) {  // the send buffer is full: the next call would say so
            of.write_ready = false;
            return attempt::blocked;
        }
    }
}

readiness_backend::attempt readiness_backend::try_send_file(record& of, operation& op,
                                                            std::int64_t& result) noexcept {
    auto& transfer = static_cast<send_file_operation&>(op);
    std::uint64_t turn = limits::send_file_turn;
    while (transfer.remaining > 0) {
        if (turn == 0) return attempt::paused;
        const std::uint64_t wanted = std::min(transfer.remaining, turn);
        result = system_calls::send_file(of.descriptor, transfer.file, transfer.offset, wanted);
        if (result == system_calls::would_block) {
            of.write_ready = false;
            return attempt::blocked;
        }
        if (result < 0) return attempt::finished;
        transfer.advance(static_cast<std::uint64_t>(result));
        turn -= static_cast<std::uint64_t>(result);
    }
    result = static_cast<std::int64_t>(transfer.progress);
    return attempt::finished;
}

readiness_backend::attempt readiness_backend::try_receive_from(record& of, operation& op,
                                                               std::int64_t& result) noexcept {
    result = system_calls::receive_from(of.descriptor, static_cast<receive_from_operation&>(op));
    of.read_ready = result != system_calls::would_block;
    return of.read_ready ? attempt::finished : attempt::blocked;
}

readiness_backend::attempt readiness_backend::try_send_to(record& of, operation& op,
                                                          std::int64_t& result) noexcept {
    result = system_calls::send_to(of.descriptor, static_cast<const send_to_operation&>(op));
    of.write_ready = result != system_calls::would_block;
    return of.write_ready ? attempt::finished : attempt::blocked;
}

readiness_backend::attempt readiness_backend::try_connect(record& of, operation& op,
                                                          std::int64_t& result) noexcept {
    if (op.backend_bits == 0) {
        result = system_calls::connect(of.descriptor, op.address, op.count);
        if (result == -EINPROGRESS) {
            op.backend_bits = connecting;
            // What has been reported so far was said of a socket that was not connecting. A read that was
            // tried because of it could take the error that is the connect's.
            of.read_ready = of.write_ready = of.hangup = false;
            return attempt::blocked;
        }
    } else {
        if (!of.write_ready) return attempt::blocked;
        result = system_calls::socket_error(of.descriptor);
    }
    if (result == 0) {
        of.kind = descriptor_kind::stream;
        of.write_ready = true;
        of.hangup = of.hangup && op.backend_bits != 0;
    }
    return attempt::finished;
}

bool readiness_backend::is_connecting(const record& of) noexcept {
    const operation* const first = of.writes.front();
    return first != nullptr && first->kind == operation_kind::connect && first->backend_bits == connecting;
}

// Files are always ready: the call is made here, and may wait for the disk.
readiness_backend::attempt readiness_backend::try_file(record& of, operation& op,
                                                       std::int64_t& result) noexcept {
    if (of.kind != descriptor_kind::file) {
        result = outcome::from_errno(EINVAL);
    } else if (op.kind == operation_kind::open_file) {
        const auto& open = static_cast<const open_file_operation&>(op);
        result = system_calls::open_file(open.directory, open.path, open.open_flags, open.mode);
        if (result >= 0) {
            if (of.descriptor >= 0) system_calls::close(of.descriptor);  // opened twice
            of.descriptor = static_cast<int>(result);
            result = 0;
        }
    } else {
        const auto& read = static_cast<const read_file_operation&>(op);
        result = system_calls::read_file(of.descriptor, {read.data, read.count}, read.offset);
    }
    return attempt::finished;
}

void readiness_backend::cancel(operation& op, operation_queue& done) noexcept {
    record* found = records_.find(op.target);
    NARU_ASSERT(found != nullptr);  // a handle is not released before its operations have ended
    const direction way = direction_of(op.kind);
    const bool was_first = found->waiting(way).front() == &op;
    if (!found->waiting(way).remove(op)) return;
    complete(op, outcome::canceled, done);
    if (was_first) advance(op.target.slot, way, done);
}

void readiness_backend::close(std::uint32_t slot, record& of, operation& op, operation_queue& done) noexcept {
    for (const direction way : {direction::read, direction::write}) {
        while (operation* waiting = of.waiting(way).pop())
            complete(*waiting, outcome::canceled, done);
    }
    const int descriptor = of.descriptor;
    // Closing the last descriptor of a file takes it out of an epoll set by itself; only a level-triggered
    // report could go on for ever if it is not the last (a child forked without exec).
    const bool forget = op.kind == operation_kind::release || poller_->mode() == poller::reporting::level;
    if (of.registered && forget) {
        const interest was = of.armed == interest::none ? interest::both : of.armed;
        (void)poller_->set_interest(descriptor, token_of(slot, of), was, interest::none);
    }
    of.descriptor = -1;
    of.starved = false;
    records_.release(slot);
    if (op.kind == operation_kind::close && descriptor >= 0) system_calls::close(descriptor);
    complete(op, op.kind == operation_kind::close ? 0 : descriptor, done);
}

void readiness_backend::mark_changed(std::uint32_t slot, record& of) noexcept {
    if (of.listed) return;
    of.listed = true;
    changed_.push_back(slot);
}

// Interests are set just before the wait: whoever parks and is served in the same tick costs nothing.
void readiness_backend::apply_changes(operation_queue& done) noexcept {
    if (changed_.empty()) return;
    scratch_.swap(changed_);
    for (const std::uint32_t slot : scratch_) {
        record& of = records_.at(slot);
        of.listed = false;
        if (of.descriptor < 0) continue;
        const std::error_code error = apply_interest(slot, of);
        if (!error) continue;
        for (const direction way : {direction::read, direction::write}) {
            while (operation* op = of.waiting(way).pop())
                complete(*op, outcome::from(error), done);
        }
    }
    scratch_.clear();
}

std::error_code readiness_backend::apply_interest(std::uint32_t slot, record& of) noexcept {
    const bool reads = !of.reads.empty() && !of.starved;
    const bool writes = !of.writes.empty();
    interest want = (reads ? interest::read : interest::none) | (writes ? interest::write : interest::none);
    bool again = false;
    switch (poller_->mode()) {
        case poller::reporting::edge:
            if (want == interest::none) return {};
            want = of.kind == descriptor_kind::listener ? interest::read : interest::both;
            again = of.retell;
            of.retell = false;
            break;
        case poller::reporting::level:
            // Interest in reading is kept while nobody reads, until a report comes that nobody wanted: the
            // next request usually finds it still set. Interest in writing would report at once, always.
            want = want | (of.armed & interest::read);
            break;
        case poller::reporting::one_shot:
            if ((want & ~of.armed) == interest::none) return {};
            break;
    }
    if (want == of.armed && !again) return {};
    const interest was = !of.registered               ? interest::none
                         : of.armed == interest::none ? interest::both
                                                      : of.armed;
    const std::error_code error = poller_->set_interest(of.descriptor, token_of(slot, of), was, want);
    if (error) return error;
    of.armed = want;
    of.registered = want != interest::none;
    return {};
}

void readiness_backend::retry_starved(operation_queue& done) noexcept {
    if (starved_.empty() || !buffers_.available()) return;
    scratch_.swap(starved_);
    for (const std::uint32_t slot : scratch_) {
        record& of = records_.at(slot);
        if (!of.starved) continue;
        of.starved = false;
        advance(slot, direction::read, done);
    }
    scratch_.clear();
}

void readiness_backend::resume_paused(operation_queue& done) noexcept {
    if (paused_.empty()) return;
    resumed_.swap(paused_);
    for (const handle each : resumed_) {
        record* const found = records_.find(each);
        if (found == nullptr) continue;
        found->paused = false;
        advance(each.slot, direction::write, done);
    }
    resumed_.clear();
}

void readiness_backend::wait(instant until, operation_queue& done) noexcept {
    resume_paused(done);
    retry_starved(done);
    apply_changes(done);
    const bool busy = !done.empty() || !paused_.empty();
    for (const readiness& report : poller_->wait(busy ? 0 : milliseconds_until(until))) {
        handle_report(report, done);
    }
}

void readiness_backend::handle_report(const readiness& report, operation_queue& done) noexcept {
    if (report.token == wake_token) {
        drain_wake_descriptor(wake_descriptor_);
        if (poller_->mode() == poller::reporting::one_shot) {
            (void)poller_->set_interest(wake_descriptor_, wake_token, interest::read, interest::read);
        }
        return;
    }
    handle of_handle;
    of_handle.slot = static_cast<std::uint32_t>(report.token);
    of_handle.generation = static_cast<std::uint32_t>(report.token >> 32);
    record* found = records_.find(of_handle);
    if (found == nullptr) return;  // stale: closed earlier in this batch
    record& of = *found;
    const std::uint32_t slot = of_handle.slot;
    if (poller_->mode() == poller::reporting::one_shot) {
        of.armed = interest::none;
        mark_changed(slot, of);
    }
    // A datagram socket has no end: what is reported as one is an error that the next call takes away.
    if (report.hangup && of.kind != descriptor_kind::datagram) of.hangup = true;
    if (report.urgent) of.urgent = true;
    if (report.readable) of.read_ready = true;
    if (report.writable) of.write_ready = true;
    const bool writes = report.writable && !of.paused;  // its next turn is the next tick's
    // The system tells a socket's error once, to the first call that asks: why a connect has failed must not
    // go to a read that waits for it.
    const bool connects = is_connecting(of);
    if (writes && connects) advance(slot, direction::write, done);
    if (report.readable && !of.starved) advance(slot, direction::read, done);
    if (writes && !connects) advance(slot, direction::write, done);
    if (poller_->mode() != poller::reporting::level) return;
    // Told what nobody waits for: give the interest up, or the next wait would not wait.
    interest idle = interest::none;
    if (report.readable && (of.reads.empty() || of.starved)) idle = idle | interest::read;
    if (report.writable && of.writes.empty()) idle = idle | interest::write;
    if ((of.armed & idle) == interest::none) return;
    const interest left = of.armed & ~idle;
    if (poller_->set_interest(of.descriptor, report.token, of.armed, left)) return;
    of.armed = left;
    of.registered = left != interest::none;
}

void readiness_backend::wake() noexcept { signal_wake_descriptor(wake_descriptor_); }

}  // namespace naru
