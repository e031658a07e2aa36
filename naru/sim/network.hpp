// The simulated network: what sockets do, as a system's calls have them. Nothing here waits; what cannot be
// done at once is EAGAIN, and watchers are told when that changes.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/core/result.hpp>
#include <naru/os/socket.hpp>
#include <naru/sim/host.hpp>
#include <naru/sim/socket.hpp>

#include <cerrno>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>

namespace naru::sim {

class world;

inline constexpr std::int64_t would_block = outcome::from_errno(EAGAIN);

/// Results are outcomes (naru/core/result.hpp), with the meaning of the system calls of the same names.
class network {
 public:
    explicit network(world& in) noexcept : world_(in) {}

    socket_ref make(host& at, socket_kind kind);
    std::pair<socket_ref, socket_ref> stream_pair(host& at);
    std::pair<socket_ref, socket_ref> datagram_pair(host& at);

    std::int64_t bind(const socket_ref& what, const address& where, bool reuse_port);
    std::int64_t listen(const socket_ref& what, std::size_t backlog);
    std::int64_t accept(const socket_ref& listener, socket_ref& made);

    /// Begins a connect: 0, EINPROGRESS, or why not. The end is told to watchers: `state` and
    /// `connect_outcome` then say how it went.
    std::int64_t connect(const socket_ref& what, const address& to);
    /// A datagram socket's: sends without an address go there, and nobody else is heard.
    std::int64_t connect_datagrams(const socket_ref& what, const address& to);
    /// Forgets a connect under way.
    void give_up(socket& what) noexcept;

    std::int64_t send(socket& from, std::span<const slice> pieces);
    std::int64_t receive(socket& to, mutable_bytes into);
    std::int64_t shut_down(socket& sending);

    std::int64_t send_to(const socket_ref& from, std::span<const slice> pieces, const address* to);
    /// The datagram itself.
    std::int64_t receive_from(socket& to, datagram& got);

    static bool is_readable(const socket& of) noexcept;
    static bool is_writable(const socket& of) noexcept;
    static bool is_hung_up(const socket& of) noexcept;

    /// As if its host had lost it; peers are told.
    void sever(socket& what);

    /// The last descriptor has gone.
    void close(socket& what) noexcept;

 private:
    void arrive(const std::shared_ptr<pipe>& at, const std::string& bytes);
    void send_end(const std::shared_ptr<pipe>& through);
    void send_reset(const std::shared_ptr<pipe>& through);
    void in_order(const std::shared_ptr<pipe>& through, std::move_only_function<void()> what);
    void in_order_after(duration away, const std::shared_ptr<pipe>& through,
                        std::move_only_function<void()> what);
    void carry(const host& from, const host& to, std::move_only_function<void()> what);
    void break_off(socket& what);
    void knock_later(const socket_ref& what, std::uint64_t attempt);
    void fail_after_connect_timeout(const socket_ref& what, std::uint64_t attempt);
    std::int64_t refusal_of_accept();
    bool is_lost(const host& from, const host& to) noexcept;
    bool may_harm(const host& one, const host& other) noexcept;
    void knock(const socket_ref& what, std::uint64_t attempt);
    void let_in(const socket_ref& listener, const socket_ref& what, std::uint64_t attempt);
    void answer(const socket_ref& what, std::uint64_t attempt, const host& from, std::int64_t outcome);
    void join(const socket_ref& one, const socket_ref& other);
    std::shared_ptr<pipe> make_pipe(const socket_ref& writer, const socket_ref& reader);
    std::size_t cut(std::size_t count) noexcept;
    void deliver(const std::shared_ptr<socket>& from, host& at, const address& to, datagram what);
    socket_ref find(host& at, socket_kind kind, const address& to) noexcept;
    void forget_name(socket& what) noexcept;
    static bool conflicts(const socket& one, const address& where, bool reuse_port, bool ipv6_only) noexcept;
    std::uint16_t free_port(host& at, socket_kind kind);
    static void tell(socket& of) noexcept;

    world& world_;
};

}  // namespace naru::sim
