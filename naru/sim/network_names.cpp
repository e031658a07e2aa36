// Names and datagrams of the simulated network.
#include <naru/sim/network.hpp>

#include <naru/loop/backend.hpp>
#include <naru/sim/addresses.hpp>
#include <naru/sim/world.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace naru::sim {

namespace {

constexpr std::size_t largest_datagram = 65'507;  // over IPv4
constexpr std::size_t pair_queue = 64;            // datagrams
constexpr auto broadcast_option = static_cast<std::size_t>(socket_option::broadcast);

}  // namespace

// A name is taken if it, or a wildcard of its family, is another's.
bool network::conflicts(const socket& one, const address& where, bool reuse_port, bool ipv6_only) noexcept {
    if (one.reuse_port && reuse_port) return false;
    if (is_ipv4(one.local) == is_ipv4(where))
        return same_host(one.local, where) || is_wildcard(one.local) || is_wildcard(where);
    const bool only = is_ipv4(where) ? one.ipv6_only : ipv6_only;
    const address& sixth = is_ipv4(where) ? one.local : where;
    return !only && is_wildcard(sixth);
}

std::uint16_t network::free_port(host& at, socket_kind kind) {
    const auto& taken = kind == socket_kind::datagram ? at.udp_ports_ : at.tcp_ports_;
    constexpr std::uint16_t first = 49'152;
    for (unsigned tries = 0; tries < 65'536u - first; ++tries) {
        const std::uint16_t port = at.next_port_;
        at.next_port_ = port == 65'535 ? first : static_cast<std::uint16_t>(port + 1);
        if (!taken.contains(port)) return port;
    }
    return 0;
}

std::int64_t network::bind(const socket_ref& what, const address& where, bool reuse_port) {
    if (what->bound) return outcome::from_errno(EINVAL);
    if (!is_wildcard(where) && !is_loopback(where) && world_.host_at(where) != what->at)
        return outcome::from_errno(EADDRNOTAVAIL);
    const std::uint16_t port = where.port() != 0 ? where.port() : free_port(*what->at, what->kind);
    if (port == 0) return outcome::from_errno(EADDRINUSE);
    auto& ports = what->kind == socket_kind::datagram ? what->at->udp_ports_ : what->at->tcp_ports_;
    auto& here = ports[port];
    for (const auto& each : here) {
        const socket_ref other = each.lock();
        if (other != nullptr && conflicts(*other, where, reuse_port, what->ipv6_only))
            return outcome::from_errno(EADDRINUSE);
    }
    what->local = with_port(where, port);
    what->reuse_port = reuse_port;
    what->bound = true;
    here.push_back(what);
    return 0;
}

std::int64_t network::listen(const socket_ref& what, std::size_t backlog) {
    if (what->state != connection::fresh) return outcome::from_errno(EINVAL);
    what->kind = socket_kind::listener;
    what->backlog = backlog;
    return 0;
}

void network::forget_name(socket& what) noexcept {
    if (!what.bound || what.at == nullptr) return;
    auto& ports = what.kind == socket_kind::datagram ? what.at->udp_ports_ : what.at->tcp_ports_;
    const auto found = ports.find(what.local.port());
    if (found == ports.end()) return;
    std::erase_if(found->second, [&](const auto& each) {
        const socket_ref other = each.lock();
        return other == nullptr || other.get() == &what;
    });
    if (found->second.empty()) ports.erase(found);
}

// Of several that share a port the seed chooses.
socket_ref network::find(host& at, socket_kind kind, const address& to) noexcept {
    auto& ports = kind == socket_kind::datagram ? at.udp_ports_ : at.tcp_ports_;
    const auto found = ports.find(to.port());
    if (found == ports.end()) return nullptr;
    std::vector<socket_ref> fitting;
    for (const bool exactly : {true, false}) {
        for (const auto& each : found->second) {
            const socket_ref one = each.lock();
            if (one == nullptr || one->kind != kind) continue;
            const bool same_family = is_ipv4(one->local) == is_ipv4(to);
            const bool by_name = same_family && same_host(one->local, to);
            const bool by_wildcard =
                is_wildcard(one->local) && (same_family || (is_ipv4(to) && !one->ipv6_only));
            if (exactly ? by_name : (by_wildcard || is_wildcard(to))) fitting.push_back(one);
        }
        if (!fitting.empty()) break;
    }
    if (fitting.empty()) return nullptr;
    return fitting.size() == 1 ? fitting.front() : fitting[world_.random(fitting.size())];
}

std::pair<socket_ref, socket_ref> network::datagram_pair(host& at) {
    std::pair<socket_ref, socket_ref> made(make(at, socket_kind::datagram), make(at, socket_kind::datagram));
    made.first->pair = made.second;
    made.second->pair = made.first;
    return made;
}

std::int64_t network::connect_datagrams(const socket_ref& what, const address& to) {
    if (!what->bound) {
        const bool local = is_loopback(to);
        const std::int64_t bound = bind(what, with_port(local ? to : what->at->where(), 0), false);
        if (bound < 0) return bound;
    }
    what->peer = to;
    return 0;
}

std::int64_t network::send_to(const socket_ref& from, std::span<const slice> pieces, const address* to) {
    if (from->failed != 0) return std::exchange(from->failed, 0);
    if (from->dead || from->at->is_down()) return outcome::from_errno(ENETDOWN);
    const std::uint64_t size = total_size(pieces);
    if (size > largest_datagram) return outcome::from_errno(EMSGSIZE);
    datagram what;
    for (const slice& each : pieces)
        what.bytes.append(reinterpret_cast<const char*>(each.data), each.size);
    if (const socket_ref other = from->pair.lock(); other != nullptr || (to == nullptr && !from->bound)) {
        if (other == nullptr) return outcome::from_errno(EDESTADDRREQ);
        if (other->closed) return outcome::from_errno(ECONNREFUSED);
        if (other->datagrams.size() >= pair_queue) return outcome::from_errno(EAGAIN);
        what.has_sender = false;
        other->datagrams.push_back(std::move(what));
        tell(*other);
        return static_cast<std::int64_t>(size);
    }
    if (to == nullptr) to = &from->peer;
    if (to->size() == 0) return outcome::from_errno(EDESTADDRREQ);
    const bool everybody = is_ipv4(*to) && to->host_text() == "255.255.255.255";
    if (everybody && from->options[broadcast_option] == 0) return outcome::from_errno(EACCES);
    host* const target = is_wildcard(*to) || is_loopback(*to) ? from->at : world_.host_at(*to);
    if (target == nullptr) return outcome::from_errno(ENETUNREACH);
    if (!from->bound) {
        const std::int64_t bound =
            bind(from, with_port(is_loopback(*to) ? *to : from->at->where(), 0), false);
        if (bound < 0) return bound;
    }
    what.from = is_wildcard(from->local)
                    ? with_port(target == from->at ? *to : from->at->where(), from->local.port())
                    : from->local;
    world_.step("datagram", *from, size);
    if (is_lost(*from->at, *target)) {
        world_.happened(fault::datagram_lost);
        return static_cast<std::int64_t>(size);
    }
    carry(*from->at, *target, [this, from, target, receiver = *to, moved = std::move(what)]() mutable {
        deliver(from, *target, receiver, std::move(moved));
    });
    return static_cast<std::int64_t>(size);
}

bool network::is_lost(const host& from, const host& to) noexcept {
    if (&from == &to) return false;
    const auto* const link = world_.links().find(from, to);
    if (link != nullptr && (link->cut || (link->one_lost_in != 0 && world_.random(link->one_lost_in) == 0)))
        return true;
    const std::uint64_t one_in = world_.options().faults.one_in[fault::datagram_lost];
    return one_in != 0 && world_.random(one_in) == 0;
}

void network::deliver(const socket_ref& from, host& at, const address& to, datagram what) {
    const socket_ref taker = find(at, socket_kind::datagram, to);
    if (taker == nullptr) {  // an ICMP message, told to who is connected
        if (!from->closed && from->peer.size() != 0) {
            from->failed = outcome::from_errno(ECONNREFUSED);
            tell(*from);
        }
        return;
    }
    const bool hears = taker->peer.size() == 0 ||
                       (taker->peer.port() == what.from.port() && same_host(taker->peer, what.from));
    if (!hears) return;
    if (taker->datagram_bytes + what.bytes.size() > world_.options().datagram_buffer) {
        world_.happened(fault::datagram_lost);
        return;
    }
    taker->datagram_bytes += what.bytes.size();
    world_.step("arrive", *taker, what.bytes.size());
    taker->datagrams.push_back(std::move(what));
    tell(*taker);
}

std::int64_t network::receive_from(socket& to, datagram& got) {
    if (to.failed != 0) return std::exchange(to.failed, 0);
    if (to.dead) return outcome::from_errno(ENETDOWN);
    if (to.datagrams.empty()) return outcome::from_errno(EAGAIN);
    got = std::move(to.datagrams.front());
    to.datagrams.pop_front();
    if (const socket_ref other = to.pair.lock()) {
        tell(*other);  // there is room
    } else {
        to.datagram_bytes -= got.bytes.size();
    }
    return static_cast<std::int64_t>(got.bytes.size());
}

bool network::is_writable(const socket& of) noexcept {
    if (of.dead) return true;
    if (of.kind == socket_kind::datagram) {
        const socket_ref other = of.pair.lock();
        return other == nullptr || other->datagrams.size() < pair_queue;
    }
    if (of.kind != socket_kind::stream) return of.kind == socket_kind::file;
    return of.state == connection::connected && (of.out->room() > 0 || of.out->end_sent || of.failed != 0);
}

}  // namespace naru::sim
