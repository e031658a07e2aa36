// Streams: connections, bytes, ends and resets.
#include <naru/sim/network.hpp>

#include <naru/sim/addresses.hpp>
#include <naru/sim/world.hpp>

#include <algorithm>
#include <cerrno>

namespace naru::sim {

namespace {

std::string gather(std::span<const slice> pieces, std::size_t count) {
    std::string bytes;
    bytes.reserve(count);
    for (const slice& each : pieces) {
        const std::size_t part = std::min(each.size, count - bytes.size());
        if (part > 0) bytes.append(reinterpret_cast<const char*>(each.data), part);
    }
    return bytes;
}

}  // namespace

socket_ref network::make(host& at, socket_kind kind) {
    auto made = std::make_shared<socket>();
    made->at = &at;
    made->kind = kind;
    return made;
}

void network::tell(socket& of) noexcept {
    for (const auto& [who, slot] : of.watchers)
        who->changed(slot);
}

// Of what could be moved, how much is.
std::size_t network::cut(std::size_t count) noexcept {
    if (count < 2) return count;
    if (world_.options().short_counts && world_.random(4) == 0) {
        world_.happened(fault::short_count);
    } else if (!world_.strikes(fault::short_count)) {
        return count;
    }
    return 1 + static_cast<std::size_t>(world_.random(count - 1));
}

std::shared_ptr<pipe> network::make_pipe(const socket_ref& writer, const socket_ref& reader) {
    auto made = std::make_shared<pipe>();
    made->capacity = world_.options().connection_buffer;
    for (const int bytes : {writer->options[1], reader->options[2]}) {  // SO_SNDBUF and SO_RCVBUF
        if (bytes > 0) made->capacity = std::min(made->capacity, 2 * static_cast<std::size_t>(bytes));
    }
    made->writer = writer;
    made->reader = reader;
    made->from = writer->at;
    made->to = reader->at;
    return made;
}

void network::join(const socket_ref& one, const socket_ref& other) {
    one->out = other->in = make_pipe(one, other);
    other->out = one->in = make_pipe(other, one);
}

std::pair<socket_ref, socket_ref> network::stream_pair(host& at) {
    std::pair<socket_ref, socket_ref> made(make(at, socket_kind::stream), make(at, socket_kind::stream));
    join(made.first, made.second);
    made.first->state = made.second->state = connection::connected;
    return made;
}

// Behind all that is under way in the same direction.
void network::in_order(const std::shared_ptr<pipe>& through, std::move_only_function<void()> what) {
    in_order_after(world_.latency(*through->from, *through->to), through, std::move(what));
}

void network::in_order_after(duration away, const std::shared_ptr<pipe>& through,
                             std::move_only_function<void()> what) {
    if (auto* const link = world_.links().find(*through->from, *through->to); link != nullptr && link->cut) {
        link->waiting.push_back(
            [this, through, what = std::move(what)]() mutable { in_order(through, std::move(what)); });
        return;
    }
    const instant arrival = std::max(saturating_add(world_.now(), away), through->last_arrival);
    through->last_arrival = arrival;
    if (arrival <= world_.now() && through->under_way == 0) {
        what();
    } else {
        world_.at(arrival, std::move(what));
    }
}

// In no order.
void network::carry(const host& from, const host& to, std::move_only_function<void()> what) {
    if (auto* const link = world_.links().find(from, to); link != nullptr && link->cut) {
        link->waiting.push_back(
            [this, &from, &to, what = std::move(what)]() mutable { carry(from, to, std::move(what)); });
        return;
    }
    const duration away = world_.latency(from, to);
    if (away <= duration::zero()) {
        what();
    } else {
        world_.at(saturating_add(world_.now(), away), std::move(what));
    }
}

bool network::may_harm(const host& one, const host& other) noexcept {
    return &one != &other && !one.is_spared() && !other.is_spared();
}

std::int64_t network::connect(const socket_ref& what, const address& to) {
    if (what->state == connection::connected) return outcome::from_errno(EISCONN);
    if (what->state == connection::connecting) return outcome::from_errno(EALREADY);
    if (what->dead || what->at->is_down()) return outcome::from_errno(ENETDOWN);
    host* const target = is_wildcard(to) || is_loopback(to) ? what->at : world_.host_at(to);
    if (target == nullptr) return outcome::from_errno(ENETUNREACH);
    what->failed = 0;
    what->failure_told = false;
    what->peer = to;
    if (!what->bound) {
        const bool local = target == what->at && !is_wildcard(to);
        what->local = with_port(local ? to : what->at->where(), free_port(*what->at, socket_kind::stream));
    }
    what->state = connection::connecting;
    const std::uint64_t attempt = ++what->attempt;
    world_.step("connect", *what, 0);
    const bool harmed = may_harm(*what->at, *target);
    if (harmed && world_.strikes(fault::connect_timed_out)) {
        fail_after_connect_timeout(what, attempt);
    } else {
        if (world_.links().is_cut(*what->at, *target)) fail_after_connect_timeout(what, attempt);
        carry(*what->at, *target, [this, what, attempt] { knock(what, attempt); });
    }
    if (what->state == connection::connecting) return outcome::from_errno(EINPROGRESS);
    return what->connect_outcome;
}

// Nobody hears it, or not in time.
void network::fail_after_connect_timeout(const socket_ref& what, std::uint64_t attempt) {
    const instant end = saturating_add(world_.now(), world_.options().faults.connect_timeout);
    world_.at(end, [this, given_up = std::weak_ptr<socket>(what), attempt] {
        const socket_ref still = given_up.lock();
        if (still == nullptr || still->closed || still->attempt != attempt ||
            still->state != connection::connecting)
            return;
        give_up(*still);
        still->connect_outcome = outcome::from_errno(ETIMEDOUT);
        world_.step("connected", *still, ETIMEDOUT);
        tell(*still);
    });
}

void network::knock_later(const socket_ref& what, std::uint64_t attempt) {
    world_.at(saturating_add(world_.now(), world_.options().faults.connect_again),
              [this, what, attempt] { knock(what, attempt); });
}

void network::knock(const socket_ref& what, std::uint64_t attempt) {
    if (what->closed || what->attempt != attempt || what->state != connection::connecting) return;
    host& target =
        is_wildcard(what->peer) || is_loopback(what->peer) ? *what->at : *world_.host_at(what->peer);
    const socket_ref listener = find(target, socket_kind::listener, what->peer);
    const bool harmed = may_harm(*what->at, target);
    if (listener == nullptr || (harmed && world_.strikes(fault::connect_refused))) {
        answer(what, attempt, target, outcome::from_errno(ECONNREFUSED));
    } else if (listener->refuses || listener->queue.size() > listener->backlog) {
        world_.happened(fault::queue_full);
        listener->knocking.emplace_back(what, attempt);
    } else if (&target != what->at && world_.strikes(fault::queue_full)) {
        knock_later(what, attempt);
    } else {
        let_in(listener, what, attempt);
    }
}

void network::let_in(const socket_ref& listener, const socket_ref& what, std::uint64_t attempt) {
    const socket_ref made = make(*listener->at, socket_kind::stream);
    made->options = listener->options;
    made->local = is_wildcard(what->peer) ? with_port(listener->at->where(), what->peer.port()) : what->peer;
    made->peer = what->local;
    join(what, made);
    made->state = connection::connected;
    listener->queue.push_back(made);
    answer(what, attempt, *listener->at, 0);
    tell(*listener);
}

// The way back of what `knock` found.
void network::answer(const socket_ref& what, std::uint64_t attempt, const host& from, std::int64_t outcome) {
    const std::shared_ptr<pipe> to_peer = outcome == 0 ? what->out : nullptr;
    auto told = [this, what, attempt, outcome, to_peer] {
        if (what->closed || what->attempt != attempt) {
            if (to_peer != nullptr) send_reset(to_peer);
            return;
        }
        what->connect_outcome = outcome;
        what->state = outcome == 0 ? connection::connected : connection::fresh;
        world_.step("connected", *what, static_cast<std::uint64_t>(-outcome));
        tell(*what);
    };
    if (to_peer != nullptr && !world_.links().is_cut(from, *what->at)) {
        // What the peer sends comes behind it.
        const instant arrival = saturating_add(world_.now(), world_.latency(from, *what->at));
        if (arrival <= world_.now()) return told();
        what->in->last_arrival = arrival;
        world_.at(arrival, std::move(told));
        return;
    }
    carry(from, *what->at, std::move(told));
}

void network::give_up(socket& what) noexcept {
    if (what.state != connection::connecting) return;
    what.state = connection::fresh;
    ++what.attempt;
}

// The connection stays in the queue.
std::int64_t network::refusal_of_accept() {
    if (world_.strikes(fault::no_descriptor)) return outcome::from_errno(EMFILE);
    if (world_.strikes(fault::no_buffers)) return outcome::from_errno(ENOBUFS);
    if (world_.strikes(fault::no_memory)) return outcome::from_errno(ENOMEM);
    return 0;
}

std::int64_t network::accept(const socket_ref& listener, socket_ref& made) {
    if (listener->dead) return outcome::from_errno(EBADF);
    if (listener->queue.empty()) return would_block;
    if (const std::int64_t refusal = refusal_of_accept(); refusal < 0) return refusal;
    made = std::move(listener->queue.front());
    listener->queue.pop_front();
    world_.step("accept", *made, 0);
    while (!listener->refuses && !listener->knocking.empty() && listener->queue.size() <= listener->backlog) {
        const auto [next, attempt] = std::move(listener->knocking.front());
        listener->knocking.pop_front();
        if (!next->closed && next->attempt == attempt) let_in(listener, next, attempt);
    }
    return 0;
}

std::int64_t network::send(socket& from, std::span<const slice> pieces) {
    if (from.state != connection::connected || from.out->end_sent) return outcome::from_errno(EPIPE);
    if (from.failed != 0)
        return std::exchange(from.failure_told, true) ? outcome::from_errno(EPIPE) : from.failed;
    const std::uint64_t wanted = total_size(pieces);
    if (wanted == 0) return 0;
    const std::size_t room = std::min<std::uint64_t>(from.out->room(), wanted);
    if (room == 0) return would_block;
    const std::shared_ptr<pipe> through = from.out;
    if (may_harm(*through->from, *through->to)) {
        if (world_.strikes(fault::no_buffers)) return outcome::from_errno(ENOBUFS);
        if (world_.strikes(fault::reset)) {
            break_off(from);
            return from.failed;
        }
    }
    const std::size_t count = cut(room);
    world_.step("send", from, count);
    duration away = world_.latency(*through->from, *through->to);
    if (through->from != through->to && world_.strikes(fault::segment_lost))
        away += world_.options().faults.retransmission;
    const bool at_once = through->under_way == 0 && through->last_arrival <= world_.now() &&
                         away <= duration::zero() && !world_.links().is_cut(*through->from, *through->to);
    std::string bytes = gather(pieces, count);
    through->under_way += count;
    if (at_once) {
        arrive(through, bytes);
    } else {
        in_order_after(away, through, [this, through, moved = std::move(bytes)] { arrive(through, moved); });
    }
    return static_cast<std::int64_t>(count);
}

// Something between the two has forgotten the connection, and tells both: the one at once.
void network::break_off(socket& what) {
    what.failed = outcome::from_errno(ECONNRESET);
    what.failure_told = true;
    what.in->broken = true;
    world_.step("broken off", what, 0);
    send_reset(what.out);
    tell(what);
}

void network::sever(socket& what) {
    what.dead = true;
    world_.step("severed", what, 0);
    if (what.kind == socket_kind::stream && what.state == connection::connected && what.in != nullptr) {
        const bool failed = what.failed != 0;
        what.failed = outcome::from_errno(ECONNRESET);
        what.in->broken = true;
        what.in->arrived.clear();
        what.in->taken = 0;
        if (!failed) send_reset(what.out);
    }
    if (what.state == connection::connecting) {
        give_up(what);
        what.connect_outcome = outcome::from_errno(ENETDOWN);
    }
    for (const socket_ref& each : what.queue) {
        each->reset_on_close = true;
        close(*each);
    }
    what.queue.clear();
    for (const auto& [who, attempt] : std::exchange(what.knocking, {}))
        answer(who, attempt, *what.at, outcome::from_errno(ECONNREFUSED));
    what.datagrams.clear();
    what.datagram_bytes = 0;
    forget_name(what);
    tell(what);
}

void network::arrive(const std::shared_ptr<pipe>& at, const std::string& bytes) {
    at->under_way -= bytes.size();
    if (at->broken) return;
    if (const socket_ref reader = at->reader.lock()) {
        at->arrived += bytes;
        world_.step("arrive", *reader, bytes.size());
        tell(*reader);
    } else if (const socket_ref writer = at->writer.lock()) {
        send_reset(writer->in);  // nobody reads it any more
    }
}

void network::send_end(const std::shared_ptr<pipe>& through) {
    through->end_sent = true;
    in_order(through, [this, through] {
        if (through->broken) return;
        through->ended = true;
        if (const socket_ref reader = through->reader.lock()) {
            world_.step("end", *reader, 0);
            tell(*reader);
        }
    });
}

void network::send_reset(const std::shared_ptr<pipe>& through) {
    in_order(through, [this, through] {
        const socket_ref reader = through->reader.lock();
        if (reader == nullptr || reader->failed != 0) return;
        through->broken = true;
        reader->failed = outcome::from_errno(ECONNRESET);
        world_.step("reset", *reader, 0);
        tell(*reader);
    });
}

std::int64_t network::receive(socket& to, mutable_bytes into) {
    if (to.state != connection::connected) return outcome::from_errno(ENOTCONN);
    pipe& from = *to.in;
    if (from.readable() > 0 && may_harm(*from.from, *from.to) && world_.strikes(fault::no_memory))
        return outcome::from_errno(ENOMEM);
    if (from.readable() > 0) {
        const std::size_t count = cut(std::min(from.readable(), into.size()));
        std::copy_n(reinterpret_cast<const std::byte*>(from.arrived.data()) + from.taken, count, into.data());
        from.taken += count;
        if (from.readable() == 0) {
            from.arrived.clear();
            from.taken = 0;
        } else if (from.taken > from.capacity) {
            from.arrived.erase(0, std::exchange(from.taken, 0));
        }
        world_.step("receive", to, count);
        if (const socket_ref writer = from.writer.lock()) tell(*writer);  // there is room
        return static_cast<std::int64_t>(count);
    }
    if (from.ended) return outcome::end_of_stream;
    return to.failed != 0 ? to.failed : would_block;
}

std::int64_t network::shut_down(socket& sending) {
    if (sending.kind != socket_kind::stream || sending.state != connection::connected)
        return outcome::from_errno(ENOTCONN);
    if (sending.failed != 0) return outcome::from_errno(ENOTCONN);
    if (!sending.out->end_sent) {
        if (!sending.in->ended) world_.happened(fault::half_close);
        send_end(sending.out);
    }
    tell(sending);
    return 0;
}

bool network::is_readable(const socket& of) noexcept {
    switch (of.kind) {
        case socket_kind::listener:
            return !of.queue.empty() || of.dead;
        case socket_kind::datagram:
            return !of.datagrams.empty() || of.failed != 0 || of.dead;
        case socket_kind::stream:
            return of.state == connection::connected &&
                   (of.in->readable() > 0 || of.in->ended || of.failed != 0);
        case socket_kind::file:
            break;
    }
    return true;
}

bool network::is_hung_up(const socket& of) noexcept {
    return of.kind == socket_kind::stream && of.state == connection::connected &&
           (of.failed != 0 || (of.in->ended && of.out->end_sent));
}

void network::close(socket& what) noexcept {
    what.closed = true;
    if (what.kind != socket_kind::file) world_.step("close", what, 0);
    forget_name(what);
    for (const socket_ref& each : what.queue) {
        each->reset_on_close = true;
        close(*each);
    }
    what.queue.clear();
    for (const auto& [who, attempt] : what.knocking)
        answer(who, attempt, *what.at, outcome::from_errno(ECONNREFUSED));
    what.knocking.clear();
    if (what.kind != socket_kind::stream) return;
    give_up(what);
    if (what.state != connection::connected) return;
    const bool unread = what.in->readable() > 0;
    what.in->reader.reset();
    what.out->writer.reset();
    what.in->arrived.clear();
    what.in->taken = 0;
    if (what.failed == 0 && (what.reset_on_close || unread)) {
        send_reset(what.out);
    } else if (what.failed == 0 && !what.out->end_sent) {
        send_end(what.out);
    }
    if (const socket_ref writer = what.in->writer.lock()) tell(*writer);
}

}  // namespace naru::sim
