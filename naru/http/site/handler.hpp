// What a route leads to, whatever the user's type was.
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/coro/offload.hpp>
#include <naru/http/exchange/exchange.hpp>
#include <naru/http/exchange/request_view.hpp>
#include <naru/http/handlers/files.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace naru::http {

/// What is different about a route.
struct route_options {
    /// A body past this is answered with 413.
    std::uint64_t body_limit = limits::body_bytes;
    /// Between two pieces of a body; else the server's.
    std::optional<std::chrono::milliseconds> body_time = std::nullopt;
    /// For the handler, from its first line on; after that its scope is stopped, and a client that has got no
    /// answer yet gets 503.
    std::optional<std::chrono::milliseconds> handler_time = std::nullopt;
    /// Bytes a second that a body must come at; else the server's.
    std::optional<std::uint64_t> least_body_rate = std::nullopt;
    /// A client that ends its direction still waits for the answer: its FIN stops nothing.
    bool half_close = false;
    /// Of the registrar's own, for steps and hooks that treat routes differently: exchange::attached.
    std::shared_ptr<const void> attached = nullptr;
};

namespace detail {

template <class F>
inline constexpr bool returns_task = false;
template <class T>
inline constexpr bool returns_task<task<T>> = true;

enum class handler_kind : std::uint8_t { none, function, coroutine, files };

struct handler {
    handler_kind kind = handler_kind::none;
    std::shared_ptr<const void> object;
    void (*call)(const void*, exchange&) noexcept = nullptr;
    task<> (*start)(const void*, exchange&) = nullptr;
    std::shared_ptr<const files_source> files;
};

template <class H>
handler make_handler(H&& given) {
    using type = std::decay_t<H>;
    handler made;
    if constexpr (std::same_as<type, http::files>) {
        made.kind = handler_kind::files;
        made.files = given.source();
    } else if constexpr (!std::is_invocable_v<const type&, exchange&>) {
        static_assert(std::is_invocable_v<const type&, exchange&>,
                      "naru: a handler is called as a const object, with an exchange&");
    } else {
        using returned = std::invoke_result_t<const type&, exchange&>;
        made.object = std::make_shared<const type>(std::forward<H>(given));
        if constexpr (returns_task<returned>) {
            static_assert(std::same_as<returned, task<>>, "naru: a coroutine handler returns naru::task<>");
            made.kind = handler_kind::coroutine;
            if constexpr (std::same_as<returned, task<>>) {
                made.start = [](const void* object, exchange& x) -> task<> {
                    return std::invoke(*static_cast<const type*>(object), x);
                };
            }
        } else {
            static_assert(std::is_void_v<returned> && std::is_nothrow_invocable_v<const type&, exchange&>,
                          "naru: a handler is void(exchange&) noexcept, or a coroutine that returns task<>");
            made.kind = handler_kind::function;
            made.call = [](const void* object, exchange& x) noexcept {
                std::invoke(*static_cast<const type*>(object), x);
            };
        }
    }
    return made;
}

/// Answers with what a blocking handler has given, or 503 if it could not be begun.
void respond_with(exchange& x, result<answer>&& given);

template <class F>
struct blocking_handler {
    F function;

    task<> operator()(exchange& x) const {
        auto body = co_await x.read_all();
        if (!body) co_return;  // the failure is the answer
        struct asking_to_stop : stop_entry {
            asking_to_stop()  // its source allocates
                : stop_entry([](stop_entry& self) noexcept {
                      static_cast<asking_to_stop&>(self).source.request_stop();
                  }) {}
            ~asking_to_stop() {
                if (linked()) unlink();
            }
            std::stop_source source;
        };
        const request_view asked(x, std::move(*body));
        asking_to_stop stopping;
        x.scope().add(stopping);
        auto job = [this, &asked, &stopping]() -> answer {
            return std::invoke(function, asked, stopping.source.get_token());
        };
        respond_with(x, co_await offload(blocking_pool(x), job));
    }
};

}  // namespace detail

/// A handler `answer f(const request_view&, std::stop_token)` that runs on the server's worker threads, with
/// the whole body; shared by them. The token is stopped when the client leaves. When too many wait for a
/// thread (limits::blocking_queue), the answer is 503.
template <class F>
auto blocking(F function) {
    static_assert(std::is_invocable_r_v<answer, const F&, const request_view&, std::stop_token>,
                  "naru: a blocking handler is answer(const request_view&, std::stop_token)");
    if constexpr (std::is_invocable_r_v<answer, const F&, const request_view&, std::stop_token>)
        return detail::blocking_handler<F>{std::move(function)};
    else
        return [](exchange&) noexcept {};  // nothing more to say of it
}

}  // namespace naru::http
