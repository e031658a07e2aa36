// Seam 2: readiness. A poller waits and reports, nothing else; what is done about it is written once, in
// readiness_backend.
#pragma once

#include <naru/core/clock.hpp>

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <system_error>

namespace naru {

/// What to report about a descriptor. Errors and hang-ups are always reported while any interest is held.
enum class interest : std::uint8_t { none = 0, read = 1, write = 2, both = 3 };

constexpr interest operator|(interest a, interest b) noexcept {
    return static_cast<interest>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr interest operator&(interest a, interest b) noexcept {
    return static_cast<interest>(static_cast<unsigned>(a) & static_cast<unsigned>(b));
}
constexpr interest operator~(interest a) noexcept {
    return static_cast<interest>(~static_cast<unsigned>(a) & 3u);
}
constexpr bool has(interest set, interest member) noexcept { return (set & member) != interest::none; }

/// One report. `hangup`: the peer has ended its direction or the connection has failed; a read will tell.
/// `urgent`: there is urgent data (TCP's), at whose mark a read stops although more is behind it. Said by
/// `edge` only: the others tell again of what is behind the mark, and would tell of the mark for ever.
/// `gone`: the number names no open file. Said by `select` and `poll` at the wait; the others refuse the
/// interest.
struct readiness {
    std::uint64_t token = 0;
    bool readable = false;
    bool writable = false;
    bool hangup = false;
    bool urgent = false;
    bool gone = false;
};

class poller {
 public:
    /// How long a report holds. `edge`: told once, until more happens; a descriptor is registered for both
    /// directions once. `level`: told at each wait while it is so. `one_shot`: told once, then the interest
    /// is gone and must be set again.
    enum class reporting : std::uint8_t { edge, level, one_shot };

    virtual ~poller() = default;
    poller(const poller&) = delete;
    poller& operator=(const poller&) = delete;

    /// Changes the interest in a descriptor from `was` to `want`; none means not registered. `was == want`
    /// asks to be told again what holds already (edge, one_shot). Errors: select_descriptor_limit, EBADF,
    /// EPERM (epoll: not of a kind that can be watched), ENOMEM and the rest of epoll_ctl(2). After one the
    /// poller knows of the descriptor what it knew before.
    virtual std::error_code set_interest(int descriptor, std::uint64_t token, interest was,
                                         interest want) noexcept = 0;

    /// Blocks for at most `milliseconds` (-1: for ever) and returns what happened; empty after a signal.
    /// Valid until the next call.
    virtual std::span<const readiness> wait(int milliseconds) noexcept = 0;

    reporting mode() const noexcept { return mode_; }

    /// Descriptors from this number on cannot be watched (select).
    int descriptor_limit() const noexcept { return descriptor_limit_; }

 protected:
    explicit poller(reporting mode, int descriptor_limit = std::numeric_limits<int>::max()) noexcept
        : mode_(mode), descriptor_limit_(descriptor_limit) {}

 private:
    reporting mode_;
    int descriptor_limit_;
};

/// Throw std::system_error when the kernel refuses.
std::unique_ptr<poller> make_select_poller();
std::unique_ptr<poller> make_poll_poller();
std::unique_ptr<poller> make_epoll_poller(poller::reporting mode);

}  // namespace naru
