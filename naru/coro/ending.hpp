// How a coroutine has ended: with a value or an exception.
#pragma once

#include <naru/core/result.hpp>

#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace naru {

/// In the place of void where there must be a value: in tuples and variants.
using nothing = std::monostate;

namespace detail {

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<result<T>> = true;

template <class T>
using value_or_nothing = std::conditional_t<std::is_void_v<T>, nothing, T>;

/// result<T>; and result<T> for result<T>.
template <class T>
struct result_of {
    using type = result<T>;
};
template <class T>
struct result_of<result<T>> {
    using type = result<T>;
};
template <class T>
using as_result = typename result_of<T>::type;

template <class T>
class ending {
    static_assert(!std::is_reference_v<T>, "naru: a task cannot return a reference: return a pointer");

 public:
    template <class... Arguments>
    void set(Arguments&&... arguments) {
        how_.template emplace<1>(std::forward<Arguments>(arguments)...);
    }
    void set_exception(std::exception_ptr thrown) noexcept { how_.template emplace<2>(std::move(thrown)); }

    /// The value, or nullptr.
    value_or_nothing<T>* value() noexcept { return std::get_if<1>(&how_); }
    /// What was thrown, if that was the end.
    std::exception_ptr exception() const noexcept {
        const std::exception_ptr* thrown = std::get_if<2>(&how_);
        return thrown != nullptr ? *thrown : nullptr;
    }
    /// The value, once; throws what was thrown.
    T take() {
        if (how_.index() == 2) std::rethrow_exception(std::exchange(std::get<2>(how_), nullptr));
        if constexpr (!std::is_void_v<T>) return std::move(std::get<1>(how_));
    }

 private:
    std::variant<std::monostate, value_or_nothing<T>, std::exception_ptr> how_;
};

}  // namespace detail
}  // namespace naru
