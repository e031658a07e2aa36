// Anything that is bytes, taken as bytes.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/loop/buffer_pool.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace naru {

namespace detail {

/// char, unsigned char, std::byte, char8_t.
template <class T>
concept byte_sized =
    sizeof(T) == 1 && std::is_trivially_copyable_v<T> && !std::same_as<std::remove_cv_t<T>, bool>;

template <class T>
concept byte_range = std::ranges::contiguous_range<T> && std::ranges::sized_range<T> &&
                     byte_sized<std::ranges::range_value_t<T>>;

/// Memory that can be written.
template <class T>
concept writable_byte_range =
    byte_range<T> && !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<T>>>;

/// What is sent as it is, and dies with the expression that made it: it has to be kept.
template <class T>
concept owned_bytes = !std::is_lvalue_reference_v<T> && !std::ranges::borrowed_range<T>;

}  // namespace detail

/// What can be sent: std::string, std::string_view, std::vector<char>, std::array, std::span, char[], a
/// lease; of char, unsigned char or std::byte. A string literal without its terminating zero.
template <class T>
concept byte_source = detail::byte_range<std::remove_cvref_t<T>> || detail::byte_range<T> ||
                      std::same_as<std::remove_cvref_t<T>, lease>;

template <detail::byte_range Range>
bytes_view bytes_of(const Range& range) noexcept {
    return std::as_bytes(std::span(std::ranges::data(range), std::ranges::size(range)));
}
inline bytes_view bytes_of(const lease& leased) noexcept { return leased.bytes(); }
template <std::size_t Size>
bytes_view bytes_of(const char (&text)[Size]) noexcept {
    return bytes_view(reinterpret_cast<const std::byte*>(text), text[Size - 1] == '\0' ? Size - 1 : Size);
}

template <detail::writable_byte_range Range>
mutable_bytes writable_bytes_of(Range&& range) noexcept {
    return std::as_writable_bytes(std::span(std::ranges::data(range), std::ranges::size(range)));
}

}  // namespace naru
