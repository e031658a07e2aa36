// What a program has that no loop of it owns: time, engines, threads and other places where work may block,
// files, entropy. The system gives them (naru/backend/system_environment.cpp), or a world that is simulated
// (naru/sim).
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/core/clock.hpp>
#include <naru/core/result.hpp>
#include <naru/loop/engine.hpp>
#include <naru/os/address.hpp>
#include <naru/os/adopted.hpp>
#include <naru/os/file_system.hpp>
#include <naru/os/socket.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace naru {

class worker_pool;

/// One is in force on each thread: the system's, unless a scope says otherwise. Asked per loop, per worker
/// pool, per second, never per operation. The functions are called on the thread that it is in force on.
class environment : public time_source {
 public:
    virtual ~environment() = default;

    /// This thread's.
    static environment& current() noexcept;
    /// The same; nullptr if it is the system's.
    static environment* other_than_the_systems() noexcept;
    /// How often it has changed on this thread: who keeps what one has given, and must not mix it with
    /// another's, compares.
    static std::uint64_t changes() noexcept;

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
    instant now() noexcept override = 0;
    /// The time of day. May be set back.
    virtual std::chrono::system_clock::time_point time_of_day() noexcept = 0;
    /// The same in whole seconds since 1970, rounded down.
    std::int64_t unix_seconds() noexcept;
    /// Bits that nobody can guess; of a simulated world: that follow from its seed.
    virtual std::uint64_t entropy() noexcept = 0;
    /// How many loops can run at once; at least 1.
    virtual unsigned processors() noexcept = 0;
    /// How many descriptors all of them may have together.
    virtual std::size_t descriptor_limit() noexcept = 0;

    /// A backend for one loop; `index` counts the loops of a program that has several. What there is to know
    /// of it, and of a failure, stands in the answer.
    virtual backend_choice make_backend(engine which, const backend_options& options = {},
                                        unsigned index = 0) noexcept = 0;

    /// For operations on files that a backend does not perform: shared by all loops.
    virtual worker_pool& workers() = 0;

    /// The disk. Of a simulated world: of the host that is "here".
    virtual file_system& files() noexcept = 0;

    /// The addresses of a name, by the system's resolver, which blocks (resolve_name); of a simulated world:
    /// by its hosts' names. For places where work may block.
    virtual result<std::vector<address>> resolve(const std::string& host, std::uint16_t port,
                                                 std::size_t most);

    /// A listening socket that no loop has attached yet (listen_on), and the address that one has.
    virtual result<unique_descriptor> listen(const address& where,
                                             const listen_options& options) noexcept = 0;
    virtual result<address> local_address(int descriptor) noexcept = 0;
    /// A descriptor from outside, looked at before a loop takes it: naru/os/adopted.hpp.
    virtual result<void> check_adopted(int descriptor, socket_use wanted) const noexcept = 0;
    virtual result<void> check_connected(int descriptor) const noexcept = 0;

    /// A thread of the system, on which the system's environment is in force. Throws std::system_error if
    /// there can be none; a simulated world has none.
    virtual std::thread start_thread(std::move_only_function<void()> body);

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
