// What an io_uring handle and its operations can be doing: small machines, each with the table of what may
// follow what. Five are a handle's, side by side in two bytes; two are an operation's, in backend_bits.
#pragma once

#include <naru/backend/state_table.hpp>
#include <naru/loop/operation.hpp>

#include <cstdint>

namespace naru::uring {

// ------------------------------------------------------------------------------------------- a handle

/// From attach until its slot is given back.
enum class life : std::uint8_t {
    open,
    late,       ///< open, and an operation in the kernel has yet to look its file up, or to open it
    draining,   ///< closing: what is in the kernel must have ended before the descriptor may be closed
    finishing,  ///< closing: nothing is left to be asked for; the slot goes when all has come back
};

/// The request that stays with the kernel without an operation of its own: an accept, a receive, or a poll in
/// the place of one. The last four are `armed`: its completion is still to come.
enum class standing : std::uint8_t {
    none,
    poll_due,  ///< the kernel did not wait (EAGAIN): a poll is what is armed next
    starved,   ///< met no buffer: waits in the list of those
    active,    ///< an accept or receive, once or multishot
    polling,   ///< a poll
    stopping,  ///< active, and asked to end
    stopping_poll,
};

/// What was armed last is. No machine: each arming chooses.
enum class shape : std::uint8_t {
    plain,
    bundle,  ///< a receive of several buffers at once
    direct,  ///< an accept whose connections are direct descriptors
};

/// How a connection has received so far.
enum class pace : std::uint8_t {
    first,  ///< accepted, and nothing was armed for it yet
    small,
    bulk,  ///< the last receive filled a whole buffer: the next is a bundle
};

/// What is known of sends without a copy.
enum class zero_copy : std::uint8_t {
    possible,
    used,     ///< by the send in the kernel, or the last one
    not_now,  ///< there was no memory for it: the rest of this operation is copied
    never,    ///< this kind of socket has none
};

/// The send of a handle that is a member of a chain in the kernel.
enum class linked_send : std::uint8_t {
    none,
    waits,  ///< for its turn: the kernel finds it nowhere until then
    begun,
};

}  // namespace naru::uring

namespace naru {

template <>
struct state_table<uring::life> {
    using enum uring::life;
    static constexpr const char* machine = "the life of an io_uring handle";
    static constexpr state_row rows[] = {
        {"open", states(late, draining, finishing)},
        {"late", states(late, open, draining, finishing)},
        {"draining", states(finishing, open)},  // open: a release that was refused
        {"finishing", states(open)},
    };
};

template <>
struct state_table<uring::standing> {
    using enum uring::standing;
    static constexpr const char* machine = "the standing request of an io_uring handle";
    static constexpr state_row rows[] = {
        {"none", states(poll_due, starved, active)},
        {"poll_due", states(poll_due, polling)},
        {"starved", states(none, poll_due)},
        {"active", states(none, stopping)},
        {"polling", states(none, stopping_poll)},
        {"stopping", states(none)},
        {"stopping_poll", states(none)},
    };
};

template <>
struct state_table<uring::pace> {
    using enum uring::pace;
    static constexpr const char* machine = "the pace of an io_uring connection";
    static constexpr state_row rows[] = {
        {"first", states(small)},
        {"small", states(bulk, first)},  // first: once, when it is accepted
        {"bulk", states(small)},
    };
};

template <>
struct state_table<uring::zero_copy> {
    using enum uring::zero_copy;
    static constexpr const char* machine = "the zero-copy sends of an io_uring connection";
    static constexpr state_row rows[] = {
        {"possible", states(used)},
        {"used", states(possible, not_now, never)},
        {"not_now", states(possible)},
        {"never", states()},
    };
};

template <>
struct state_table<uring::linked_send> {
    using enum uring::linked_send;
    static constexpr const char* machine = "the linked send of an io_uring connection";
    static constexpr state_row rows[] = {
        {"none", states(waits, begun)},
        {"waits", states(begun, none)},
        {"begun", states(none)},
    };
};

namespace uring {

/// A handle's machines. `to` takes a step of the one whose state it is given.
class handle_states {
 public:
    uring::life life() const noexcept { return life_; }
    uring::standing standing() const noexcept { return standing_; }
    uring::pace pace() const noexcept { return pace_; }
    uring::zero_copy zero_copy() const noexcept { return zero_copy_; }
    uring::linked_send linked_send() const noexcept { return linked_send_; }

    void to(uring::life next) noexcept { life_ = step(life_, next); }
    void to(uring::standing next) noexcept { standing_ = step(standing_, next); }
    void to(uring::pace next) noexcept { pace_ = step(pace_, next); }
    void to(uring::zero_copy next) noexcept { zero_copy_ = step(zero_copy_, next); }
    void to(uring::linked_send next) noexcept { linked_send_ = step(linked_send_, next); }

    bool closing() const noexcept { return life_ >= uring::life::draining; }
    bool armed() const noexcept { return standing_ >= uring::standing::active; }
    bool stopping() const noexcept { return standing_ >= uring::standing::stopping; }
    bool starved() const noexcept { return standing_ == uring::standing::starved; }
    /// What is armed is a poll.
    bool polls() const noexcept {
        return standing_ == uring::standing::polling || standing_ == uring::standing::stopping_poll;
    }

    uring::shape shape() const noexcept { return shape_; }
    void take_shape(uring::shape chosen) noexcept { shape_ = chosen; }

 private:
    uring::life life_ : 2 = uring::life::open;
    uring::standing standing_ : 3 = uring::standing::none;
    uring::pace pace_ : 2 = uring::pace::small;
    uring::zero_copy zero_copy_ : 2 = uring::zero_copy::possible;
    uring::linked_send linked_send_ : 2 = uring::linked_send::none;
    uring::shape shape_ : 2 = uring::shape::plain;
};

static_assert(sizeof(handle_states) == 2);

// ---------------------------------------------------------------------------------------- an operation

/// Where an operation is. All but the first and the last are with the kernel: their completion will come.
enum class place : std::uint8_t {
    waiting,      ///< in its queue, for its turn
    in_kernel,    ///< itself
    polling,      ///< as a poll, after which it tries again: the kernel did not wait (EAGAIN)
    unconnected,  ///< a read on a socket that nobody was connecting: nothing, which comes back
                  ///< (put_unconnected)
    chained,      ///< itself, linked to others
    owed,         ///< has its result: only the notifications of zero-copy sends are still to come
};

/// What a connect has asked the kernel for last.
enum class connecting : std::uint8_t {
    asking,    ///< to connect; what it has waited for brings it back here
    watching,  ///< when the socket is writable: it is on its way (EINPROGRESS)
    pausing,   ///< for a moment: the listener's queue is full
};

}  // namespace uring

template <>
struct state_table<uring::place> {
    using enum uring::place;
    static constexpr const char* machine = "the place of an io_uring operation";
    static constexpr state_row rows[] = {
        {"waiting", states(in_kernel, polling, unconnected, chained, owed)},
        {"in_kernel", states(waiting)},
        {"polling", states(waiting)},
        {"unconnected", states(waiting)},
        {"chained", states(waiting)},
        {"owed", states()},
    };
};

template <>
struct state_table<uring::connecting> {
    using enum uring::connecting;
    static constexpr const char* machine = "an io_uring connect";
    static constexpr state_row rows[] = {
        {"asking", states(watching, pausing)},
        {"watching", states(asking)},
        {"pausing", states(asking)},
    };
};

namespace uring {

/// operation::backend_bits: the place, and above it a count. Of a send it is that of the notifications still
/// owed; of a connect how often it has been put off, in three bits, and what it does in two above those.
inline constexpr std::uint8_t place_mask = 7;
inline constexpr std::uint8_t one_counted = 8;
inline constexpr unsigned most_notices = 30;
inline constexpr unsigned put_off_mask = 7;
inline constexpr unsigned connecting_shift = 6;

inline place place_of(const operation& op) noexcept {
    return static_cast<place>(op.backend_bits & place_mask);
}
inline unsigned counted_of(const operation& op) noexcept { return op.backend_bits / one_counted; }

inline void to(operation& op, place next) noexcept {
    const auto reached = static_cast<std::uint8_t>(step(place_of(op), next));
    op.backend_bits = static_cast<std::uint8_t>((op.backend_bits & ~place_mask) | reached);
}
/// Of a connect.
inline connecting connecting_of(const operation& op) noexcept {
    return static_cast<connecting>(op.backend_bits >> connecting_shift);
}
inline unsigned put_off_count_of(const operation& op) noexcept { return counted_of(op) & put_off_mask; }
inline void to(operation& op, connecting next) noexcept {
    const auto reached = static_cast<unsigned>(step(connecting_of(op), next));
    const unsigned rest = op.backend_bits & ((1u << connecting_shift) - 1);
    op.backend_bits = static_cast<std::uint8_t>(rest | reached << connecting_shift);
}

/// A new submission: whatever the last one left is gone.
inline void begin(operation& op) noexcept { op.backend_bits = static_cast<std::uint8_t>(place::waiting); }

}  // namespace uring

}  // namespace naru
