// Several awaitables at a time, and one of them again and again.
#pragma once

#include <naru/coro/deadline.hpp>
#include <naru/coro/nursery.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/coro/task.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace naru {

namespace detail {

/// Remembers who ended first, and who failed first.
class race : public nursery {
 public:
    race(stop_scope& outer, bool stop_at_first) noexcept : nursery(outer), stop_at_first_(stop_at_first) {}

    void ended(std::size_t which, bool failed) noexcept {
        if (winner_ == nobody) winner_ = which;
        if (failed && failed_ == nobody) failed_ = which;
        if (failed || stop_at_first_) scope().stop();
    }

    static constexpr std::size_t nobody = static_cast<std::size_t>(-1);
    std::size_t winner() const noexcept { return winner_; }
    std::size_t failed() const noexcept { return failed_; }

 private:
    bool stop_at_first_;
    std::size_t winner_ = nobody;
    std::size_t failed_ = nobody;
};

template <class Awaitable, class T>
child_frame run_part(nursery& in, Awaitable& part, ending<T>& into, std::size_t which) {
    co_await bounded_start();
    bool failed = false;
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(part);
            into.set();
        } else {
            into.set(co_await std::move(part));
            if constexpr (is_result<T>) failed = !*into.value();
        }
    } catch (...) {
        into.set_exception(std::current_exception());
        failed = true;
    }
    static_cast<race&>(in).ended(which, failed);
}

template <class... Awaitables, class... Values, std::size_t... Which>
void start_parts(race& in, std::tuple<Awaitables...>& parts, std::tuple<ending<Values>...>& endings,
                 std::index_sequence<Which...>) {
    (start_child([&] { run_part(in, std::get<Which>(parts), std::get<Which>(endings), Which); }), ...);
}

template <class T>
value_or_nothing<T> take_value(ending<T>& from) {
    if constexpr (std::is_void_v<T>) {
        from.take();
        return {};
    } else {
        return from.take();
    }
}

template <class... Awaitables>
using endings_of = std::tuple<ending<awaited_type<Awaitables>>...>;

/// A tuple; void, if there are no values at all.
template <class... Values>
using values_of =
    std::conditional_t<(std::is_void_v<Values> && ...), void, std::tuple<value_or_nothing<Values>...>>;

template <class... Awaitables>
task<values_of<awaited_type<Awaitables>...>> run_all(Awaitables... awaitables) {
    std::tuple<Awaitables...> parts(std::move(awaitables)...);
    endings_of<Awaitables...> endings;
    race all(*co_await current_scope(), false);
    std::exception_ptr refused;
    try {
        start_parts(all, parts, endings, std::index_sequence_for<Awaitables...>());
    } catch (...) {  // no memory for a child
        refused = std::current_exception();
        all.scope().stop();
    }
    co_await all.all_ended();
    if (refused) std::rethrow_exception(refused);
    std::apply(
        [&all](auto&... each) {  // the first that was thrown, not the first in the row
            std::size_t which = 0;
            ((which++ == all.failed() && each.exception() ? std::rethrow_exception(each.exception())
                                                          : void()),
             ...);
        },
        endings);
    using values = values_of<awaited_type<Awaitables>...>;
    if constexpr (!std::is_void_v<values>)
        co_return std::apply([](auto&... each) { return values(take_value(each)...); }, endings);
}

template <class Variant, std::size_t Which, class... Values>
Variant take_winner(std::size_t winner, std::tuple<ending<Values>...>& endings) {
    if constexpr (Which + 1 < sizeof...(Values)) {
        if (winner != Which) return take_winner<Variant, Which + 1>(winner, endings);
    }
    return Variant(std::in_place_index<Which>, take_value(std::get<Which>(endings)));
}

template <class... Awaitables>
task<std::variant<value_or_nothing<awaited_type<Awaitables>>...>> run_any(Awaitables... awaitables) {
    using variant = std::variant<value_or_nothing<awaited_type<Awaitables>>...>;
    std::tuple<Awaitables...> parts(std::move(awaitables)...);
    endings_of<Awaitables...> endings;
    race all(*co_await current_scope(), true);
    std::exception_ptr refused;
    try {
        start_parts(all, parts, endings, std::index_sequence_for<Awaitables...>());
    } catch (...) {
        refused = std::current_exception();
        all.scope().stop();
    }
    co_await all.all_ended();
    if (refused) std::rethrow_exception(refused);
    co_return take_winner<variant, 0>(all.winner(), endings);
}

}  // namespace detail

/// Awaits all at a time; gives a tuple of their values, `nothing` in the place of void (void, if all are).
/// The first exception, or result that is an error, stops the others; when all have ended, the exception is
/// thrown. Errors are in the tuple.
template <class... Awaitables>
auto when_all(Awaitables&&... awaitables) {
    (detail::must_be_moved<Awaitables>(), ...);
    return detail::run_all<std::remove_cvref_t<Awaitables>...>(std::move(awaitables)...);
}

/// Awaits all at a time until one ends, in whatever way; stops the others, and returns when they have ended,
/// too. Gives a variant whose index says which was first, with its value, `nothing` for void; throws its
/// exception. What the others had reached is dropped.
template <class... Awaitables>
auto when_any(Awaitables&&... awaitables) {
    static_assert(sizeof...(Awaitables) > 0, "naru: when_any of nothing would never end");
    (detail::must_be_moved<Awaitables>(), ...);
    return detail::run_any<std::remove_cvref_t<Awaitables>...>(std::move(awaitables)...);
}

/// How often retry tries, and how long it waits in between: twice as long each time, less a random part of it
/// (so that many who failed together do not come back together).
struct back_off {
    unsigned attempts;  ///< in all; at least one is made
    duration first;     ///< the pause after the first failure
    duration longest;
    double jitter;  ///< of a pause, 0 to 1: the part that is left to chance

    explicit back_off(unsigned tries = 5, duration first_pause = std::chrono::milliseconds(50),
                      duration longest_pause = std::chrono::seconds(5), double random_part = 0.5) noexcept
        : attempts(tries), first(first_pause), longest(longest_pause), jitter(random_part) {}
};

namespace detail {

duration jittered(duration pause, double jitter);

template <class Attempt, class Result>
task<Result> run_retry(back_off how, Attempt attempt) {
    duration pause = how.first;
    for (unsigned tried = 1;; ++tried) {
        Result got = co_await std::invoke(attempt);
        if (got || tried >= how.attempts || got.error() == std::errc::operation_canceled) co_return got;
        auto slept = co_await sleep_for(jittered(pause, how.jitter));
        if (!slept) co_return fail(slept.error());
        pause = std::min(pause > how.longest / 2 ? how.longest : pause * 2, how.longest);
    }
}

}  // namespace detail

/// Awaits what `attempt()` returns, an awaitable of result<T>, until that succeeds or has failed as often as
/// `how` allows; gives the last result. A stop ends it with operation_canceled; exceptions pass through.
template <class Attempt>
auto retry(back_off how, Attempt&& attempt) {
    static_assert(detail::survives_awaiting<Attempt>,
                  "naru: GCC 12 destroys a temporary callable twice when its call is awaited: give it a name "
                  "and pass the name (by std::ref if it cannot be copied)");
    using awaitable = std::invoke_result_t<std::decay_t<Attempt>&>;
    using result_type = detail::awaited_type<awaitable>;
    static_assert(detail::is_result<result_type>, "naru: retry repeats what gives a naru::result");
    return detail::run_retry<std::decay_t<Attempt>, result_type>(how, std::forward<Attempt>(attempt));
}

}  // namespace naru
