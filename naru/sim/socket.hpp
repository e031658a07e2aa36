// What the simulated network is made of: sockets, and the pipes between them. Plain data; network.hpp moves
// it.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/os/address.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace naru::sim {

class host;
struct socket;

/// Who wants to know when a socket changes: a backend, and the slot that it keeps it in.
class watcher {
 public:
    virtual void changed(std::uint32_t slot) noexcept = 0;

 protected:
    ~watcher() = default;
};

/// One direction of a connection. Bytes are `under_way` until they have arrived.
struct pipe {
    std::string arrived;  ///< from `taken` on: not read yet
    std::size_t taken = 0;
    std::size_t under_way = 0;
    std::size_t capacity = 0;
    bool end_sent = false;  ///< the writer's shutdown or close
    bool ended = false;     ///< it has arrived
    bool broken = false;    ///< what has not arrived never will: its reader has been told of a failure
    instant last_arrival;   ///< of what is under way: nothing overtakes
    const host* from = nullptr;
    const host* to = nullptr;
    std::weak_ptr<socket> reader;
    std::weak_ptr<socket> writer;

    std::size_t readable() const noexcept { return arrived.size() - taken; }
    std::size_t room() const noexcept {
        const std::size_t used = readable() + under_way;
        return used < capacity ? capacity - used : 0;
    }
};

struct datagram {
    std::string bytes;
    address from;
    bool has_sender = true;
};

/// What is on a disk under one path, or was when it was opened.
struct stored_file {
    std::string bytes;
    std::chrono::system_clock::time_point modified;
    std::uint64_t number = 0;  ///< no other has it, on any host
    bool durable = true;       ///< a crash leaves it there, with what was synced

    /// One that a crash may undo.
    struct write {
        std::size_t offset;
        std::size_t size_before;  ///< of the file
        std::string before;       ///< what it replaced
        std::string after;
        bool truncates = false;  ///< the file was empty behind it
    };
    std::deque<write> unsynced = {};
    std::size_t unsynced_bytes = 0;
};

enum class socket_kind : std::uint8_t { stream, listener, datagram, file };

/// fresh -> connecting -> connected, or back to fresh (refused, given up). One that accept returns begins
/// connected.
enum class connection : std::uint8_t { fresh, connecting, connected };

/// An open file description: descriptors (numbers) and backends share it, and it ends with the last of them.
struct socket {
    socket_kind kind = socket_kind::stream;
    host* at = nullptr;
    std::size_t names = 0;  ///< descriptors
    bool closed = false;
    bool dead = false;  ///< its host has crashed since
    bool non_blocking = true;
    bool bound = false;
    address local;
    address peer;
    std::vector<std::pair<watcher*, std::uint32_t>> watchers;
    std::array<int, 5> options{};  ///< by socket_option

    // A stream.
    connection state = connection::fresh;
    std::uint64_t attempt = 0;         ///< counts connects: an answer to an earlier one is nobody's
    std::int64_t connect_outcome = 0;  ///< of the last that ended
    std::int64_t failed = 0;           ///< how the connection has failed, as an outcome
    bool failure_told = false;         ///< to a send
    bool reset_on_close = false;
    std::shared_ptr<pipe> in;
    std::shared_ptr<pipe> out;

    // A listener.
    std::size_t backlog = 0;
    bool reuse_port = false;
    bool ipv6_only = false;
    bool refuses = false;                       ///< who connects is not heard
    std::deque<std::shared_ptr<socket>> queue;  ///< connected, not accepted yet
    /// Who is to be connected when there is room, and with which attempt.
    std::deque<std::pair<std::shared_ptr<socket>, std::uint64_t>> knocking;

    // A datagram socket.
    std::deque<datagram> datagrams;
    std::size_t datagram_bytes = 0;
    std::weak_ptr<socket> pair;  ///< of the pair that it was made in, which has no names

    // A file.
    std::shared_ptr<stored_file> content;  ///< nullptr: a directory
    std::string path;                      ///< absolute, without a slash at its end
    bool writes = false;                   ///< opened for it
    bool appends = false;
};

using socket_ref = std::shared_ptr<socket>;

}  // namespace naru::sim
