// Groups of coroutines: children that never outlive the block which spawned them.
#pragma once

#include <naru/coro/child.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/coro/nursery.hpp>
#include <naru/coro/task.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace naru {

/// How a child has failed: by an exception, or by a result that is an error.
struct child_failure {
    std::exception_ptr exception;
    std::error_code error;

    child_failure() noexcept = default;
    explicit operator bool() const noexcept { return exception != nullptr || static_cast<bool>(error); }
    /// What a log would say of it.
    std::string text() const;
};

namespace detail {

struct group_access;

class group_key {
    friend struct group_access;
    group_key() noexcept = default;
};

}  // namespace detail

/// What with_group and with_supervisor hand to their body; nobody else makes one. Belongs to one loop's
/// thread. Children may spawn siblings.
class task_group : private detail::nursery {
 public:
    /// Whom a failure is told; without, the first one stops the group and becomes its result.
    using reporter = void (*)(void* context, const child_failure& failure);
    task_group(detail::group_key, stop_scope& outer, reporter function, void* context) noexcept
        : nursery(outer), outer_(outer), body_(&scope()), report_(function), context_(context) {}

    /// Begins a child at once: it runs until it first waits. What it returns is dropped, if it is no error;
    /// for its value, see start.
    template <class T>
    void spawn(task<T> each) {
        detail::start_child([&] { run_task(*this, std::move(each)); });
    }
    /// The same for a callable that makes the task: callable and arguments are kept in the child's frame.
    template <class Callable, class... Arguments>
        requires detail::makes_task<std::decay_t<Callable>, std::decay_t<Arguments>...>
    void spawn(Callable&& callable, Arguments&&... arguments) {
        detail::start_child([&] {
            run_callable(*this, std::decay_t<Callable>(std::forward<Callable>(callable)),
                         std::decay_t<Arguments>(std::forward<Arguments>(arguments))...);
        });
    }

    /// Begins a child whose value, or exception, is taken by `co_await std::move(child)`. An exception or
    /// error is the group's as well.
    template <class T>
    [[nodiscard]] child<T> start(task<T> each);

    /// Asks all children, and the body, to end. That they end with operation_canceled is no failure.
    void stop() noexcept { scope().stop(); }

    using nursery::running;
    using nursery::scope;

    class join_request;
    /// co_await join(): until no child runs; not for children, which would wait for themselves. When it is
    /// stopped (by a deadline), so are they.
    join_request join() noexcept;

 private:
    friend struct detail::group_access;

    template <class T>
    static detail::child_frame run_task(detail::nursery& in, task<T> body) {
        co_await detail::bounded_start();
        auto& group = static_cast<task_group&>(in);
        try {
            if constexpr (detail::is_result<T>) {
                T value = co_await std::move(body);
                if (!value) group.failed(value.error());
            } else {
                (void)co_await std::move(body);
            }
        } catch (...) {
            group.failed(std::current_exception());
        }
    }

    // What it is given is there until it first waits: it is moved into the frame before that, and has ended
    // there before the child has.
    template <class Callable, class... Arguments>
    static detail::child_frame run_callable(detail::nursery& in, Callable&& callable,
                                            Arguments&&... arguments) {
        auto& group = static_cast<task_group&>(in);
        try {
            Callable kept(std::forward<Callable>(callable));
            std::tuple<Arguments...> kept_arguments(std::forward<Arguments>(arguments)...);
            co_await detail::bounded_start();
            auto body =
                std::apply([&kept](Arguments&... each) { return std::invoke(kept, std::move(each)...); },
                           kept_arguments);
            using value_type = typename decltype(body)::value_type;
            if constexpr (detail::is_result<value_type>) {
                value_type value = co_await std::move(body);
                if (!value) group.failed(value.error());
            } else {
                (void)co_await std::move(body);
            }
        } catch (...) {
            group.failed(std::current_exception());
        }
    }

    void failed(std::error_code error) noexcept {
        child_failure failure;
        failure.error = error;
        failed(std::move(failure));
    }
    void failed(std::exception_ptr exception) noexcept {
        child_failure failure;
        failure.exception = std::move(exception);
        failed(std::move(failure));
    }
    void failed(child_failure failure) noexcept;

    stop_scope& outer_;
    stop_scope body_;
    child_failure first_;
    reporter report_;
    void* context_;
    bool canceled_ = false;  // a child, or the body, ended by a stop
};

class [[nodiscard]] task_group::join_request : public request<join_request> {
 public:
    explicit join_request(task_group& of) noexcept : group_(&of) {}

    class awaiter : public detail::begins<awaiter>, private joiner, private stop_entry, private posted {
     public:
        explicit awaiter(join_request&& of) noexcept
            : joiner([](joiner& self) noexcept { static_cast<awaiter&>(self).wake_up(); }),
              stop_entry([](stop_entry& self) noexcept { static_cast<awaiter&>(self).group_->stop(); }),
              posted([](posted& self) noexcept { static_cast<awaiter&>(self).waiting_.resume(); }),
              group_(of.group_) {}
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;

        bool await_ready() const noexcept { return group_->running() == 0; }
        void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept;
        void await_resume() const noexcept {}

     private:
        void wake_up() noexcept;

        task_group* group_;
        std::coroutine_handle<> waiting_;
    };

 private:
    task_group* group_;
};

inline task_group::join_request task_group::join() noexcept { return join_request(*this); }

namespace detail {

/// For the bodies of groups.
struct group_access {
    template <class T>
    static kept_child<T> run(task_group& group, task<T> body) {
        using promise_type = typename kept_child<T>::promise_type;
        promise_type& self = co_await own_promise<promise_type>();
        co_await bounded_start();
        try {
            if constexpr (std::is_void_v<T>) {
                co_await std::move(body);
                self.ended.set();
            } else {
                self.ended.set(co_await std::move(body));
                if constexpr (is_result<T>) {
                    // One that was stopped by itself has done what it was told.
                    const T& value = *self.ended.value();
                    const bool told =
                        self.own->stopped() && !value && value.error() == std::errc::operation_canceled;
                    if (!value && !(told && !group.scope().stopped())) group.failed(value.error());
                }
            }
        } catch (...) {
            self.ended.set_exception(std::current_exception());
            group.failed(std::current_exception());
        }
    }

    static group_key key() noexcept { return {}; }
    static nursery& nursery_of(task_group& group) noexcept { return group; }
    static stop_scope& body_scope(task_group& group) noexcept { return group.body_; }
    static void failed(task_group& group, std::error_code error) noexcept { group.failed(error); }
    static void failed(task_group& group, std::exception_ptr thrown) noexcept {
        group.failed(std::move(thrown));
    }
    static auto all_ended(task_group& group) noexcept { return group.all_ended(); }
    /// Throws the first exception; the first error.
    static std::error_code outcome(task_group& group) {
        if (group.first_.exception) std::rethrow_exception(group.first_.exception);
        if (group.first_.error) return group.first_.error;
        if (group.canceled_ && group.outer_.stopped()) return {ECANCELED, errno_category()};
        return {};
    }
};

template <class T>
kept_child<T>::promise_type::promise_type(task_group& in, task<T>&) noexcept
    : home(&group_access::nursery_of(in)), own(std::in_place, &in.scope()), scope(&*own) {
    home->child_begins();
}

/// Awaits a task in a scope that exists already.
template <class T>
class task_in_scope {
 public:
    task_in_scope(stop_scope& scope, task<T>&& body) noexcept
        : scope_(&scope), inner_(std::move(body).operator co_await()) {}
    task_in_scope(const task_in_scope&) = delete;
    task_in_scope& operator=(const task_in_scope&) = delete;
    bool await_ready() const noexcept { return inner_.await_ready(); }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
        return inner_.begin(waiting, *scope_);
    }
    [[nodiscard]] T await_resume() { return inner_.await_resume(); }

 private:
    stop_scope* scope_;
    task_awaiter<T> inner_;
};

template <class Body>
struct body_traits {
    using returned = std::invoke_result_t<Body&, task_group&>;
    static constexpr bool awaited = !std::is_void_v<returned>;
    template <class Returned>
    struct value {
        using type = typename Returned::value_type;
    };
    template <class Returned>
        requires std::is_void_v<Returned>
    struct value<Returned> {
        using type = void;
    };
    using value_type = typename value<returned>::type;
};

/// Runs the body in the group and waits for all children, on every way out. `value` gets what it returns.
template <class Body>
task<> run_body(task_group& group, Body& body, ending<typename body_traits<Body>::value_type>& value) {
    using traits = body_traits<Body>;
    try {
        if constexpr (!traits::awaited) {
            std::invoke(body, group);
            value.set();
        } else if constexpr (std::is_void_v<typename traits::value_type>) {
            co_await task_in_scope<void>(group_access::body_scope(group), std::invoke(body, group));
            value.set();
        } else {
            value.set(co_await task_in_scope<typename traits::value_type>(group_access::body_scope(group),
                                                                          std::invoke(body, group)));
        }
    } catch (...) {
        value.set_exception(std::current_exception());
    }
}

template <class Body, class Value = typename body_traits<Body>::value_type>
task<as_result<Value>> run_group(Body body) {
    task_group group(group_access::key(), *co_await current_scope(), nullptr, nullptr);
    ending<Value> value;
    co_await run_body(group, body, value);
    if (const std::exception_ptr thrown = value.exception()) group_access::failed(group, thrown);
    if constexpr (is_result<Value>) {
        if (value.value() != nullptr && !*value.value()) group_access::failed(group, value.value()->error());
    }
    co_await group_access::all_ended(group);
    if (const std::error_code error = group_access::outcome(group)) co_return fail(error);
    if constexpr (std::is_void_v<Value>) {
        co_return {};
    } else {
        co_return value.take();
    }
}

template <class Body, class Report, class Value = typename body_traits<Body>::value_type>
task<Value> run_supervisor(Body body, Report report) {
    task_group group(
        group_access::key(), *co_await current_scope(),
        [](void* context, const child_failure& failure) {
            std::invoke(*static_cast<Report*>(context), failure);
        },
        &report);
    ending<Value> value;
    co_await run_body(group, body, value);
    if (value.exception()) group.stop();
    co_await group_access::all_ended(group);
    (void)group_access::outcome(group);
    co_return value.take();
}

template <class Body>
constexpr void check_body() {
    static_assert(survives_awaiting<Body>,
                  "naru: GCC 12 destroys a temporary callable twice when its call is awaited: give it a name "
                  "and pass the name (by std::ref if it cannot be copied)");
    static_assert(std::is_invocable_v<std::decay_t<Body>&, task_group&>,
                  "naru: the body of a group is called with a task_group&");
}

}  // namespace detail

template <class T>
child<T> task_group::start(task<T> each) {
    std::optional<child<T>> made;
    detail::start_child([&] { made.emplace(detail::group_access::run(*this, std::move(each)).made); });
    return std::move(*made);
}

/// Runs `body(task_group&)`, a coroutine or a function, and joins what it has spawned, on every way out. The
/// first exception or error, of the body or of a child, stops all the others and comes out of here: the
/// exception is thrown, the error is the result. Without one, the result is the body's value. The body is
/// kept until then.
template <class Body>
auto with_group(Body&& body) {
    detail::check_body<Body>();
    return detail::run_group<std::decay_t<Body>>(std::forward<Body>(body));
}

/// The same for children whose failures are no concern of each other (the connections of a server): each is
/// told to `report(const child_failure&)`, and the rest goes on. Gives the body's value, when all children
/// have ended; an exception of the body, or of `report`, stops them first.
template <class Body, class Report>
auto with_supervisor(Body&& body, Report&& report) {
    detail::check_body<Body>();
    static_assert(detail::survives_awaiting<Report>,
                  "naru: GCC 12 destroys a temporary callable twice when its call is awaited: give it a name "
                  "and pass the name (by std::ref if it cannot be copied)");
    static_assert(std::is_invocable_v<std::decay_t<Report>&, const child_failure&>,
                  "naru: a supervisor's report is called with a const child_failure&");
    return detail::run_supervisor<std::decay_t<Body>, std::decay_t<Report>>(std::forward<Body>(body),
                                                                            std::forward<Report>(report));
}

/// A report for with_supervisor: one line on standard error.
void print_failure(const child_failure& failure);

}  // namespace naru
