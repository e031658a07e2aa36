// What every stream of bytes can do, whatever it is made of: TCP, UNIX sockets, pipes, and layers over them.
#pragma once

#include <naru/coro/operations.hpp>
#include <naru/os/endpoint.hpp>

#include <concepts>
#include <span>

namespace naru {

namespace detail {

template <class Awaitable, class Result>
concept gives = std::same_as<awaited_type<Awaitable>, result<Result>>;

}  // namespace detail

/// A move-only object that closes its stream at the end of its life. Functions that wait return a request (or
/// a task), awaited once. Operations in one direction complete in their order. A layer over another stream
/// needs nothing else of it, and is such a stream itself.
///
///   receive()              result<lease>: at least one byte in a pool buffer; end_of_stream after the last
///   receive(memory)        result<size_t>: at least one byte into lent memory
///   receive(pieces)        the same into several pieces, in their order
///   send(bytes), (slices)  result<size_t>: all of it, or an error
///   send_some(...)         result<size_t>: what goes at once, at least one byte
///   shutdown()             result<void>: ends our direction behind the sends before it
///   close()                result<void>: cancels and joins what is in flight, then closes
///   reset_on_close()       what was sent must not look whole: closing it is a reset, where there is one
///   peer_address(), local_address()
template <class Stream>
concept byte_stream = std::movable<Stream> &&
                      requires(Stream& stream, const Stream& same, mutable_bytes memory,
                               std::span<mutable_slice> pieces, bytes_view bytes, std::span<slice> slices) {
                          { stream.receive() } -> detail::gives<lease>;
                          { stream.receive(memory) } -> detail::gives<std::size_t>;
                          { stream.receive(pieces) } -> detail::gives<std::size_t>;
                          { stream.send(bytes) } -> detail::gives<std::size_t>;
                          { stream.send(slices) } -> detail::gives<std::size_t>;
                          { stream.send_some(bytes) } -> detail::gives<std::size_t>;
                          { stream.send_some(slices) } -> detail::gives<std::size_t>;
                          { stream.shutdown() } -> detail::gives<void>;
                          { stream.close() } -> detail::gives<void>;
                          { stream.reset_on_close() } noexcept;
                          { same.peer_address() } -> std::convertible_to<result<endpoint>>;
                          { same.local_address() } -> std::convertible_to<result<endpoint>>;
                          { same.home() } -> std::same_as<loop&>;
                      };

}  // namespace naru
