#include <naru/backend/readiness/backend.hpp>

#include <naru/backend/connection_failure.hpp>
#include <naru/os/system_calls.hpp>
#include <naru/os/wait_time.hpp>
#include <naru/os/wake_descriptor.hpp>

#include <algorithm>
#include <cerrno>
#include <new>

namespace naru {

namespace {

constexpr std::uint64_t wake_token = ~std::uint64_t{0};

}  // namespace

readiness_backend::readiness_backend(std::unique_ptr<poller> reports, std::size_t pool_buffers)
    : backend(pool_buffers),
      poller_(std::move(reports)),
      mode_(poller_->mode()),
      wake_descriptor_(make_wake_descriptor()) {
    const std::error_code error =
        poller_->set_interest(wake_descriptor_, wake_token, interest::none, interest::read);
    if (!error) return;
    system_calls::close(wake_descriptor_);
    throw std::system_error(error, "cannot watch the descriptor that wakes the loop");
}

readiness_backend::~readiness_backend() {
    for (std::uint32_t slot = 0; slot < records_.size(); ++slot) {
        record& left = records_.at(slot);
        NARU_ASSERT(left.reads.empty() && left.writes.empty());
        if (left.descriptor >= 0) system_calls::close(left.descriptor);
    }
    system_calls::close(wake_descriptor_);
}

result<handle> readiness_backend::attach(int descriptor, descriptor_kind kind, ownership whose) noexcept {
    if (descriptor < 0) return fail_errno(EBADF);
    if (descriptor >= poller_->descriptor_limit()) {
        system_calls::close(descriptor);
        return fail(errc::select_descriptor_limit);
    }
    const bool blocking = whose == ownership::shared && system_calls::is_blocking(descriptor);
    if (blocking && needs_non_blocking(kind)) {
        system_calls::close(descriptor);
        return fail(errc::blocking_descriptor);
    }
    const auto made = name_descriptor(descriptor, kind);
    if (!made) system_calls::close(descriptor);
    if (made) records_.at(made->slot).blocking = blocking;
    return made;
}

result<handle> readiness_backend::reserve_file() noexcept {
    return name_descriptor(-1, descriptor_kind::file);
}

result<handle> readiness_backend::name_descriptor(int descriptor, descriptor_kind kind) noexcept {
    handle made;
    try {
        made = records_.acquire();
        if (made) reserve_lists();
    } catch (const std::bad_alloc&) {
        if (made) records_.release(made.slot);
        return fail_errno(ENOMEM);
    }
    if (!made) return fail(errc::handle_limit);
    record& fresh = records_.at(made.slot);
    fresh.descriptor = descriptor;
    fresh.kind = kind;
    fresh.armed = interest::none;
    fresh.registered = fresh.read_ready = fresh.hangup = fresh.urgent = fresh.retell = fresh.starved =
        fresh.guessed = fresh.blocking = fresh.kind_known = fresh.is_tcp = fresh.failed = fresh.ended = false;
    // An empty send buffer: the first send is worth trying.
    fresh.write_ready =
        kind == descriptor_kind::stream || kind == descriptor_kind::datagram || kind == descriptor_kind::pipe;
    return made;
}

// Room for every slot in every list. Only what is used of it is ever touched.
void readiness_backend::reserve_lists() {
    for (std::vector<std::uint32_t>* each : {&changed_, &starved_, &paused_, &scratch_}) {
        if (each->capacity() < records_.size())
            each->reserve(std::max<std::size_t>(records_.size(), 2 * each->capacity()));
    }
}

std::size_t readiness_backend::most_connections(std::size_t descriptors) const noexcept {
    return std::min(descriptors, static_cast<std::size_t>(poller_->descriptor_limit()));
}

int readiness_backend::descriptor(handle of) noexcept {
    const record* found = records_.find(of);
    return found != nullptr ? found->descriptor : -1;
}

std::optional<descriptor_kind> readiness_backend::kind_of(handle of) noexcept {
    const record* found = records_.find(of);
    return found != nullptr ? std::optional(found->kind) : std::nullopt;
}

std::int64_t readiness_backend::opened(handle of, int file) noexcept {
    record* found = records_.find(of);
    if (found == nullptr) return backend::opened(of, file);
    if (found->descriptor >= 0) system_calls::close(found->descriptor);  // opened twice
    found->descriptor = file;
    return 0;
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
    record* found = records_.find(op.target);
    if (is_refused(op, found != nullptr ? &found->kind : nullptr, done)) return;
    if (closes) {
        close(op.target.slot, *found, op, done);
        return;
    }
    const direction way = direction_of(op.kind);
    const bool first = found->waiting(way).empty();
    if (!first || op.kind == operation_kind::connect) {
        found->waiting(way).push(op);
        if (first) advance(op.target.slot, way, done);
        return;
    }
    // The usual case: it ends here and never waits, or is the only one that does.
    std::int64_t result = 0;
    const attempt outcome = try_now(op.target.slot, *found, op, result);
    if (outcome == attempt::finished) {
        end(*found, op, result, done);
        return;
    }
    found->waiting(way).push(op);
    if (outcome == attempt::blocked) mark_changed(op.target.slot, *found);
}

void readiness_backend::end(record& of, operation& op, std::int64_t result, operation_queue& done) noexcept {
    if (tells_failure(op, result)) of.failed = true;
    complete(op, result, done);
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
        end(of, *op, result, done);
        if (op->kind == operation_kind::connect) mark_changed(slot, of);  // for the reads that wait for it
    }
}

void readiness_backend::cancel(operation& op, operation_queue& done) noexcept {
    record* found = records_.find(op.target);
    NARU_ASSERT(found != nullptr);  // a handle is not released before its operations have ended
    const std::uint32_t slot = op.target.slot;
    if (found->cancel_waiting(op, done)) advance(slot, direction_of(op.kind), done);
}

void readiness_backend::close(std::uint32_t slot, record& of, operation& op, operation_queue& done) noexcept {
    end_both(of, outcome::canceled, done);
    const int descriptor = of.descriptor;
    // Closing the last descriptor of a file takes it out of an epoll set by itself; only a level-triggered
    // report could go on for ever if it is not the last (a child forked without exec).
    const bool forget = op.kind == operation_kind::release || mode_ == poller::reporting::level;
    if (of.registered && forget) {
        const interest was = of.armed == interest::none ? interest::both : of.armed;
        (void)poller_->set_interest(descriptor, token_of(slot, of), was, interest::none);
    }
    if (op.kind == operation_kind::release && op.ahead != nullptr)
        op.ahead->failed |= of.failed && !of.ended;  // told already, and by the system once only
    of.descriptor = -1;
    of.starved = false;
    records_.release(slot);
    if (op.kind == operation_kind::close && descriptor >= 0) system_calls::close(descriptor);
    complete(op, op.kind == operation_kind::close ? 0 : released(descriptor), done);
}

void readiness_backend::mark_changed(std::uint32_t slot, record& of) noexcept {
    if (of.listed) return;
    // An edge-triggered descriptor stays registered for both directions: there is nothing to change.
    const bool is_settled = mode_ == poller::reporting::edge && of.armed == interest::both && !of.retell;
    if (is_settled && of.kind != descriptor_kind::socket) return;
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
        const bool unconnected = of.kind == descriptor_kind::socket && !is_connecting(of.writes);
        if (unconnected) end_all(of.reads, outcome::from_errno(ENOTCONN), done);
        const std::error_code error = apply_interest(slot, of);
        if (error) end_both(of, outcome::from(error), done);
    }
    scratch_.clear();
}

// The descriptor cannot be watched: nothing that waits for it will ever have its turn.
void readiness_backend::end_both(record& of, std::int64_t result, operation_queue& done) noexcept {
    end_all(of.reads, result, done);
    end_all(of.writes, result, done);
}

std::error_code readiness_backend::apply_interest(std::uint32_t slot, record& of) noexcept {
    const bool reads = !of.reads.empty() && !of.starved && of.kind != descriptor_kind::socket;
    const bool writes = !of.writes.empty() && !is_knocking(of);
    interest want = (reads ? interest::read : interest::none) | (writes ? interest::write : interest::none);
    bool again = false;
    switch (mode_) {
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
    serve_starved(starved_, scratch_, records_,
                  [&](std::uint32_t slot) { advance(slot, direction::read, done); });
}

void readiness_backend::resume_paused(operation_queue& done) noexcept {
    bytes_left_ = limits::send_file_bytes_per_tick;
    for (std::size_t due = std::min(paused_.size(), limits::send_files_per_tick); due > 0 && bytes_left_ > 0;
         --due) {
        const std::uint32_t slot = paused_.front();
        paused_.erase(paused_.begin());
        records_.at(slot).paused = false;  // of a slot that was given up meanwhile nothing waits
        advance(slot, direction::write, done);
    }
}

void readiness_backend::wait(instant until, operation_queue& done) noexcept {
    resume_paused(done);
    retry_starved(done);
    knock_again(done);
    apply_changes(done);
    if (!knocking_.empty()) until = std::min(until, next_knock_);
    const bool busy = !done.empty() || !paused_.empty();
    for (const readiness& report : poller_->wait(busy ? 0 : milliseconds_until(until))) {
        handle_report(report, done);
    }
}

void readiness_backend::handle_report(const readiness& report, operation_queue& done) noexcept {
    if (report.token == wake_token) {
        drain_wake_descriptor(wake_descriptor_);
        if (mode_ == poller::reporting::one_shot) {
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
    if (mode_ == poller::reporting::one_shot) {
        of.armed = interest::none;
        mark_changed(slot, of);
    }
    if (report.gone) end_both(of, outcome::from_errno(EBADF), done);
    // A datagram socket has no end: what is reported as one is an error that the next call takes away.
    if (report.hangup && of.kind != descriptor_kind::datagram) of.hangup = true;
    if (report.urgent) of.urgent = true;
    if (report.readable) of.read_ready = true;
    if (report.writable) of.write_ready = true;
    const bool writes = report.writable && !of.paused;  // its next turn is the next tick's
    // The system tells a socket's error once, to the first call that asks: why a connect has failed must not
    // go to a read that waits for it.
    const bool connects = is_connecting(of.writes);
    if (writes && connects) advance(slot, direction::write, done);
    if (report.readable && !of.starved) advance(slot, direction::read, done);
    if (writes && !connects && !of.writes.empty()) advance(slot, direction::write, done);
    if (mode_ != poller::reporting::level) return;
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

// One thread signals at a time; who comes meanwhile leaves it to that one, which then signals again: its
// signal may have ended a wait already, before there was anything to find.
void readiness_backend::wake() noexcept {
    if (wakes_.fetch_add(1, std::memory_order_acq_rel) != 0) return;
    unsigned answered = 1;
    do {
        signal_wake_descriptor(wake_descriptor_);
    } while (!wakes_.compare_exchange_strong(answered, 0, std::memory_order_acq_rel));
}

}  // namespace naru
