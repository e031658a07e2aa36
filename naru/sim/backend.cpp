#include <naru/sim/backend.hpp>

#include <naru/loop/loop.hpp>
#include <naru/sim/world.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <new>
#include <utility>

namespace naru::sim {

backend::backend(host& on, std::size_t pool_buffers)
    : naru::backend(pool_buffers), host_(on), world_(on.in()) {
    world_.enter(*this);
}

backend::~backend() {
    for (std::uint32_t slot = 0; slot < records_.size(); ++slot) {
        record& left = records_.at(slot);
        if ((left.generation & 1u) == 0) continue;
        const int number = left.number;
        left.ahead.clear();  // which have slots of their own
        forget(slot, left);
        world_.close(number);
    }
    world_.leave(*this);
}

void backend::serves(loop& its_loop) noexcept { loop_ = &its_loop; }

void backend::changed(std::uint32_t slot) noexcept {
    record& of = records_.at(slot);
    if (std::exchange(of.listed, true)) return;
    touched_.push_back(slot);
}

bool backend::has_news() const noexcept {
    return !touched_.empty() || is_woken() || (!starved_.empty() && buffers_.available()) ||
           next_late() <= world_.now();
}

void backend::wake() noexcept {
    woken_.store(true, std::memory_order_release);
    world_.wake_outside_wait();
}

result<handle> backend::name_record(descriptor_kind kind) noexcept {
    handle made;
    try {
        made = records_.acquire();
    } catch (const std::bad_alloc&) {
        return fail_errno(ENOMEM);
    }
    if (!made) return fail(errc::handle_limit);
    record& fresh = records_.at(made.slot);
    fresh.number = -1;
    fresh.kind = kind;
    fresh.starved = false;
    fresh.closing = false;
    return made;
}

result<handle> backend::reserve_file() noexcept { return name_record(descriptor_kind::file); }

result<handle> backend::attach(int descriptor, descriptor_kind kind, ownership whose) noexcept {
    unique_descriptor owned(descriptor);
    if (descriptor < 0) return fail_errno(EBADF);
    const socket_ref what = world_.find(descriptor);
    if (what == nullptr) return fail_errno(EBADF);
    if (whose == ownership::shared && !what->non_blocking && needs_non_blocking(kind))
        return fail(errc::blocking_descriptor);
    const auto made = name_record(kind);
    if (!made) return made;
    record& fresh = records_.at(made->slot);
    fresh.number = owned.release();
    fresh.what = what;
    what->watchers.emplace_back(static_cast<watcher*>(this), made->slot);
    return made;
}

result<handle> backend::take(socket_ref what, descriptor_kind kind) noexcept {
    return attach(world_.name(std::move(what)).release(), kind, ownership::own);
}

result<handle> backend::open_listener(const address& where, const listen_options& options) noexcept {
    auto opened = world_.open_listener(host_, where, options);
    if (!opened) return fail(opened.error());
    return attach(opened->release(), descriptor_kind::listener, ownership::own);
}

result<handle> backend::open_stream(const address& /*peer*/, const stream_options& options) noexcept {
    if (!host_.is_spared() && world_.strikes(fault::no_descriptor)) return fail_errno(EMFILE);
    auto opened = world_.open_stream(host_);
    world_.find(opened.get())->options[static_cast<std::size_t>(socket_option::no_delay)] =
        options.no_delay ? 1 : 0;
    if (options.from) {
        const std::int64_t bound = world_.net().bind(world_.find(opened.get()), *options.from, false);
        if (bound < 0) return fail(outcome::to_error(bound));
    }
    return attach(opened.release(), descriptor_kind::socket, ownership::own);
}

result<handle> backend::open_datagram(const address& where, const udp_options& options) noexcept {
    auto opened = world_.open_datagram(host_, where, options);
    if (!opened) return fail(opened.error());
    return attach(opened->release(), descriptor_kind::datagram, ownership::own);
}

backend::record* backend::live(handle of) noexcept {
    record* const found = records_.find(of);
    return found != nullptr && !found->closing ? found : nullptr;
}

socket* backend::find(handle of) noexcept {
    record* const found = live(of);
    return found != nullptr ? found->what.get() : nullptr;
}

result<address> backend::local_address(handle of) noexcept { return world_.local_address(descriptor(of)); }
result<address> backend::peer_address(handle of) noexcept { return world_.peer_address(descriptor(of)); }

result<void> backend::shutdown_send(handle of) noexcept {
    socket* const found = find(of);
    if (found == nullptr) return fail_errno(EBADF);
    const std::int64_t ended = world_.net().shut_down(*found);
    if (ended < 0) return fail(outcome::to_error(ended));
    return {};
}

void backend::reset_on_close(handle of) noexcept {
    if (socket* const found = find(of)) found->reset_on_close = true;
}

std::uint64_t backend::unacknowledged(handle of) noexcept {
    const socket* const found = find(of);
    return found != nullptr && found->out != nullptr ? found->out->under_way : 0;
}

peer_end backend::end_of_peer(handle of) noexcept {
    const socket* const found = find(of);
    if (found == nullptr || found->in == nullptr) return peer_end::none;
    if (found->failed != 0) return peer_end::reset;
    return found->in->ended ? peer_end::in_order : peer_end::none;
}

std::int64_t backend::take_error(handle of) noexcept {
    socket* const found = find(of);
    if (found == nullptr) return outcome::from_errno(EBADF);
    return found->kind == socket_kind::datagram ? std::exchange(found->failed, 0) : found->failed;
}

void backend::refuse_connections(handle of) noexcept {
    if (socket* const found = find(of)) found->refuses = true;
}

bool backend::has_connection_waiting(handle of) noexcept {
    const record* const found = live(of);
    return found != nullptr && found->what != nullptr &&
           (!found->ahead.empty() || !found->what->queue.empty());
}

result<void> backend::set_option(handle of, socket_option which, int value) noexcept {
    socket* const found = find(of);
    if (found == nullptr) return fail_errno(EBADF);
    found->options[static_cast<std::size_t>(which)] = value;
    return {};
}

result<int> backend::option(handle of, socket_option which) noexcept {
    const socket* const found = find(of);
    if (found == nullptr) return fail_errno(EBADF);
    return found->options[static_cast<std::size_t>(which)];
}

std::optional<descriptor_kind> backend::kind_of(handle of) noexcept {
    const record* const found = live(of);
    return found != nullptr ? std::optional(found->kind) : std::nullopt;
}

file_system& backend::files() noexcept { return host_.files(); }

std::int64_t backend::opened(handle of, int file) noexcept {
    record* const found = live(of);
    if (found == nullptr) return naru::backend::opened(of, file);
    if (found->number >= 0) world_.close(found->number);  // opened twice
    found->number = file;
    found->what = world_.find(file);
    return 0;
}

int backend::descriptor(handle of) noexcept {
    const record* const found = live(of);
    return found != nullptr ? found->number : -1;
}

bool backend::waits_for_buffer(handle of) noexcept {
    const record* const found = live(of);
    return found != nullptr && found->starved;
}

void backend::submit(operation_queue& batch, operation_queue& done) noexcept {
    const world::visit here(host_);
    while (operation* op = batch.pop())
        start(*op, done);
}

void backend::start(operation& op, operation_queue& done) noexcept {
    const bool closes = op.kind == operation_kind::close || op.kind == operation_kind::release;
    if (op.state == operation_state::canceling && !closes) {
        record* const of = live(op.target);
        if (op.kind == operation_kind::accept && of != nullptr && !of->ahead.empty()) {
            complete(op, of->ahead.front().pack(), done);  // nobody who was accepted is lost to a cancel
            of->ahead.pop_front();
            return;
        }
        complete(op, outcome::canceled, done);
        return;
    }
    op.state = operation_state::pending;
    op.backend_bits = 0;
    record* const found = live(op.target);
    if (found == nullptr) {
        complete(op, outcome::from_errno(EBADF), done);
        return;
    }
    if (closes) {
        close(op.target.slot, *found, op, done);
        return;
    }
    if (const std::int64_t refusal = refusal_of(op, found->kind); refusal < 0) {
        complete(op, refusal, done);
        return;
    }
    const direction way = direction_of(op.kind);
    const bool first = found->waiting(way).empty();
    found->waiting(way).push(op);
    // A read that nobody's connect serves is ended before the wait.
    if (found->kind == descriptor_kind::socket) changed(op.target.slot);
    if (first) advance(op.target.slot, way, done);
}

// What waits in one direction, in order, until something would wait.
void backend::advance(std::uint32_t slot, direction way, operation_queue& done) noexcept {
    record& of = records_.at(slot);
    if (of.closing) return;
    while (operation* op = of.waiting(way).front()) {
        const std::int64_t result = try_now(of, *op);
        if (result == would_block) {
            if (of.starved) {
                starved_.push_back(slot);
                world_.happened(fault::pool_empty);
            }
            return;
        }
        of.waiting(way).pop();
        if (op->kind == operation_kind::connect) changed(slot);  // for the reads that wait for it
        complete(*op, result, done);
    }
}

void backend::cancel(operation& op, operation_queue& done) noexcept {
    record* const found = records_.find(op.target);
    NARU_ASSERT(found != nullptr);
    if (!found->waiting(direction_of(op.kind)).contains(&op)) return;
    if (is_late(fault::late_cancel)) {
        end_late(op, false);
        return;
    }
    world_.happened(fault::early_cancel);
    finish_cancel(*found, op, done);
}

void backend::finish_cancel(record& of, operation& op, operation_queue& done) noexcept {
    const direction way = direction_of(op.kind);
    const bool was_first = of.waiting(way).front() == &op;
    const handle target = op.target;
    of.waiting(way).remove(op);
    if (op.kind == operation_kind::connect && op.backend_bits != 0 && of.what != nullptr)
        world_.net().give_up(*of.what);
    complete(op, outcome::canceled, done);
    if (was_first) advance(target.slot, way, done);
}

// Ends that come late, as a kernel's do that completes by itself.

bool backend::is_late(fault which) noexcept {
    return world_.options().backends == manner::completion && world_.strikes(which);
}

instant backend::next_late() const noexcept {
    instant next = never;
    for (const late_end& each : late_)
        next = std::min(next, each.due);
    return next;
}

void backend::end_late(operation& of, bool closes) noexcept {
    const instant due = saturating_add(world_.now(), world_.random_span(world_.options().faults.late_most));
    late_.push_back({due, of.target.slot, of.target.generation, &of, closes});
}

void backend::settle_late(operation_queue& done) noexcept {
    for (std::size_t each = 0; each < late_.size();) {
        const late_end end = late_[each];
        if (end.due > world_.now()) {
            ++each;
            continue;
        }
        late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(each));
        record& of = records_.at(end.slot);
        if (of.generation != end.generation) continue;
        if (end.closes) {
            end_all(of.reads, outcome::canceled, done);
            end_all(of.writes, outcome::canceled, done);
            forget(end.slot, of);
            complete(*end.of, 0, done);
            continue;
        }
        // It may have ended otherwise since, be gone, or have been submitted again.
        for (const direction way : {direction::read, direction::write}) {
            if (!of.waiting(way).contains(end.of)) continue;
            if (end.of->state == operation_state::canceling) finish_cancel(of, *end.of, done);
            break;
        }
    }
}

void backend::end_all(intrusive_chain<operation>& waiting, std::int64_t result,
                      operation_queue& done) noexcept {
    while (operation* op = waiting.pop())
        complete(*op, result, done);
}

void backend::forget(std::uint32_t slot, record& of) noexcept {
    if (of.what != nullptr) std::erase(of.what->watchers, std::pair<watcher*, std::uint32_t>(this, slot));
    of.what.reset();
    of.number = -1;
    of.starved = false;
    records_.release(slot);
}

void backend::close(std::uint32_t slot, record& of, operation& op, operation_queue& done) noexcept {
    const int number = of.number;
    if (of.kind == descriptor_kind::socket && of.what != nullptr) world_.net().give_up(*of.what);
    const std::deque<handle> ahead = std::exchange(of.ahead, {});
    for (const handle each : ahead) {
        record& taken = records_.at(each.slot);
        const int its_number = taken.number;
        forget(each.slot, taken);
        if (op.kind == operation_kind::release && op.ahead != nullptr) {
            op.ahead->connections.push_back(its_number);
        } else {
            world_.close(its_number);
        }
    }
    if (op.kind == operation_kind::close && of.what != nullptr && is_late(fault::closed_before_completion)) {
        of.closing = true;
        std::erase(of.what->watchers, std::pair<watcher*, std::uint32_t>(this, slot));
        of.what.reset();
        of.number = -1;
        world_.close(number);
        end_late(op, true);
        return;
    }
    end_all(of.reads, outcome::canceled, done);
    end_all(of.writes, outcome::canceled, done);
    forget(slot, of);
    if (op.kind == operation_kind::close) world_.close(number);
    const std::int64_t released = number >= 0 ? number : outcome::from_errno(EBADF);  // never opened
    complete(op, op.kind == operation_kind::close ? 0 : released, done);
}

// What has changed is tried again. In a socket that nobody connects nothing is left to wait for.
void backend::settle(operation_queue& done) noexcept {
    settle_late(done);
    while (!touched_.empty()) {
        scratch_.swap(touched_);
        if (scratch_.size() > 1 && is_late(fault::reordered)) {
            for (std::size_t left = scratch_.size(); left > 1; --left)
                std::swap(scratch_[left - 1], scratch_[world_.random(left)]);
        }
        for (const std::uint32_t slot : scratch_) {
            record& of = records_.at(slot);
            of.listed = false;
            if ((of.generation & 1u) == 0 || of.closing) continue;
            advance(slot, direction::write, done);  // a connect before the reads that wait for it
            advance(slot, direction::read, done);
            if (of.kind != descriptor_kind::socket) continue;
            const operation* const first = of.writes.front();
            if (first == nullptr || first->kind != operation_kind::connect)
                end_all(of.reads, outcome::from_errno(ENOTCONN), done);
        }
        scratch_.clear();
    }
    if (starved_.empty() || !buffers_.available()) return;
    scratch_.swap(starved_);
    for (const std::uint32_t slot : scratch_) {
        if (!std::exchange(records_.at(slot).starved, false)) continue;
        advance(slot, direction::read, done);
    }
    scratch_.clear();
}

void backend::wait(instant until, operation_queue& done) noexcept {
    const world::visit here(host_);
    world_.pass_time(world_.options().tick_cost);
    while (true) {
        world_.run_due_events();
        settle(done);
        if (woken_.exchange(false, std::memory_order_acq_rel) || !done.empty()) return;
        if (until <= world_.now()) return;
        if (world_.advance(this, until)) continue;  // to a late end, too
        // Nothing will ever happen again: who waits here waits in vain.
        if (loop_ != nullptr) loop_->stop();
        return;
    }
}

}  // namespace naru::sim
