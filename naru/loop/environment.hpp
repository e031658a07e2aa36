// What a program has that no loop of it owns: time, engines, places where work may block, entropy. The system
// gives them, or a world that is simulated (naru/sim).
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/core/clock.hpp>
#include <naru/core/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace naru {

class backend;

/// One is in force on each thread: the system's, unless a scope says otherwise. Asked per loop, per worker
/// pool, per second, never per operation. The functions are called on the thread that it is in force on.
class environment : public time_source {
 public:
    virtual ~environment() = default;

    /// This thread's.
    static environment& current() noexcept;
    /// The same; nullptr if it is the system's.
    static environment* other_than_the_systems() noexcept;

    /// Puts one in force on this thread for the scope's life. Scopes end in reverse order.
    class scope {
     public:
        explicit scope(environment& here) noexcept;
        ~scope();
        scope(const scope&) = delete;
        scope& operator=(const scope&) = delete;

     private:
        time_source* before_;
    };

    /// Monotonic, what naru::clock tells.
    instant now() noexcept override;
    /// The time of day. May be set back.
    virtual std::chrono::system_clock::time_point time_of_day() noexcept;
    /// Bits that nobody can guess; of a simulated world: that follow from its seed.
    virtual std::uint64_t entropy() noexcept;
    /// How many loops can run at once; at least 1.
    virtual unsigned processors() noexcept;

    /// A backend for one loop, whatever engine is asked for; nullptr: there is a choice among the system's
    /// (choose_backend). Throws what constructing one throws.
    virtual std::unique_ptr<backend> make_backend(std::size_t pool_buffers);

    /// Runs `blocking` where it stops no loop, once, later and not inside this call. False: this environment
    /// has no such place, and who asks starts a thread.
    virtual bool run_aside(std::move_only_function<void()>& blocking);

    /// For who would wait for other loops without running one (join): lets them run, on this thread, until
    /// `done()`. False: they run on threads of their own, or nothing in them will ever happen again.
    virtual bool run_others_until(const std::function<bool()>& done);

 protected:
    environment() noexcept = default;
};

}  // namespace naru
