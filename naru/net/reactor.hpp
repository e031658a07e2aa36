// The Reactor pattern (Schmidt, POSA2): objects registered for events on descriptors. The same operations as
// everywhere else, with level-triggered meaning on every backend: what was not read is reported again.
#pragma once

#include <naru/core/object_pool.hpp>
#include <naru/core/slot_table.hpp>
#include <naru/loop/loop.hpp>

#include <concepts>
#include <cstdint>

namespace naru {

/// What an object wants to hear of. Errors (a reset, a failed connect) are reported while there is any
/// interest, whichever; with `none` nothing is, and the error is told when an interest comes back: select
/// knows no other way, and all engines are alike.
enum class event_interest : std::uint8_t { none = 0, readable = 1, writable = 2, both = 3 };

constexpr bool includes(event_interest set, event_interest member) noexcept {
    return (static_cast<unsigned>(set) & static_cast<unsigned>(member)) != 0;
}

/// Any class with these three. The functions may remove or destroy their own object or any other, register
/// new ones, and change interests, also in the middle of a batch: a removed object is never called again.
/// Reports may be spurious (the descriptor is non-blocking, a read then says EAGAIN). What is not taken is
/// reported again at once: a listener that cannot accept for want of descriptors gives its interest up for a
/// pause (is_shortage and next_accept_pause, acceptor.hpp), or uses an acceptor.
template <class Object>
concept event_handler = requires(Object& object, std::error_code why) {
    { object.on_readable() } noexcept;
    { object.on_writable() } noexcept;
    { object.on_error(why) } noexcept;
};

/// Belongs to its loop's thread. All objects must be removed, and a tick have passed, before it is destroyed.
class reactor {
 public:
    explicit reactor(loop& on) noexcept : loop_(on) {}
    ~reactor();
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;

    /// Registers `object` for events on a non-blocking descriptor, which the reactor owns until remove (and
    /// closes if this fails). The object is borrowed. Errors: those of loop::attach, ENOMEM, handle_limit.
    /// Descriptors that cannot be watched (regular files, directories, devices such as /dev/null) are
    /// reported through on_error, with EPERM, when there is an interest.
    template <event_handler Object>
    result<handle> add(int descriptor, Object& object, event_interest wanted) noexcept {
        static constexpr functions calls{
            [](void* self) noexcept { static_cast<Object*>(self)->on_readable(); },
            [](void* self) noexcept { static_cast<Object*>(self)->on_writable(); },
            [](void* self, std::error_code why) noexcept { static_cast<Object*>(self)->on_error(why); },
        };
        return add(descriptor, &object, calls, wanted);
    }

    /// Changes what is reported. Without effect on a registration that is gone.
    void modify(handle registration, event_interest wanted) noexcept;

    /// Unregisters and closes the descriptor. No call follows, not even for events already gathered.
    void remove(handle registration) noexcept;

    std::size_t size() const noexcept { return table_.used(); }
    /// False while the kernel still has to let go of something that was removed.
    bool quiet() const noexcept { return registrations_.live() == 0; }

 private:
    struct functions {
        void (*readable)(void*) noexcept;
        void (*writable)(void*) noexcept;
        void (*error)(void*, std::error_code) noexcept;
    };
    struct registration;
    template <class Operation>
    struct step : Operation {
        explicit step(registration& of) noexcept
            : Operation([](operation& op) noexcept {
                  auto& ended = static_cast<step&>(op);
                  ended.owner.owner.on_event(ended.owner, ended);
              }),
              owner(of) {}
        registration& owner;
    };
    struct registration {
        explicit registration(reactor& of) noexcept : owner(of) {}
        reactor& owner;
        void* object = nullptr;  // nullptr once removed
        const functions* calls = nullptr;
        handle name;    // in table_
        handle socket;  // in the loop
        event_interest wanted = event_interest::none;
        bool watchable = true;
        step<readable_operation> readable{*this};
        step<writable_operation> writable{*this};
        step<close_operation> close{*this};
    };
    struct record {
        std::uint32_t generation = 0;
        std::uint32_t next_free = 0;
        registration* registered = nullptr;
    };

    result<handle> add(int descriptor, void* object, const functions& calls, event_interest wanted) noexcept;
    void watch(registration& each) noexcept;
    void on_event(registration& of, const operation& op) noexcept;

    loop& loop_;
    slot_table<record> table_{limits::handles};
    object_pool<registration> registrations_;
};

}  // namespace naru
