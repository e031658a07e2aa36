// Routes and what stands before them: what a server serves.
#pragma once

#include <naru/http/coding/encode_options.hpp>
#include <naru/http/exchange/answer_head.hpp>
#include <naru/http/site/handler.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace naru::http {

enum class log_format : std::uint8_t;  // server_options.hpp

namespace detail {

struct site_data;

/// Made for each loop.
struct loop_local {
    const void* type;
    std::function<std::shared_ptr<void>(loop&)> make;
};
using head_hook = std::function<void(const exchange&, answer_head&)>;
using page_maker = std::function<std::string(unsigned status, std::string_view explanation)>;

}  // namespace detail

/// Move-only. A handler is `void(exchange&) noexcept`, which answers before it returns; a coroutine
/// `task<>(exchange&)`; `blocking(f)`; or `files(directory)`, which is mounted. It is called as a const
/// object, by all threads of the server.
///
/// Patterns: "/users/{name}/posts", "/{rest...}" (the rest of the path, slashes included, perhaps empty). A
/// segment goes before a parameter, a parameter before the rest, routes before mounts. GET answers HEAD, too;
/// OPTIONS, 405 with Allow, and 404 come by themselves. A malformed or repeated pattern throws
/// std::invalid_argument.
class site {
 public:
    site();
    ~site();
    site(site&&) noexcept;
    site& operator=(site&&) noexcept;

    template <class H>
    site& get(std::string_view pattern, H&& handler, route_options options = {}) {
        return on(method::get, pattern, std::forward<H>(handler), std::move(options));
    }
    template <class H>
    site& post(std::string_view pattern, H&& handler, route_options options = {}) {
        return on(method::post, pattern, std::forward<H>(handler), std::move(options));
    }
    template <class H>
    site& put(std::string_view pattern, H&& handler, route_options options = {}) {
        return on(method::put, pattern, std::forward<H>(handler), std::move(options));
    }
    template <class H>
    site& patch(std::string_view pattern, H&& handler, route_options options = {}) {
        return on(method::patch, pattern, std::forward<H>(handler), std::move(options));
    }
    template <class H>
    site& del(std::string_view pattern, H&& handler, route_options options = {}) {
        return on(method::erase, pattern, std::forward<H>(handler), std::move(options));
    }
    template <class H>
    site& on(http::method of, std::string_view pattern, H&& handler, route_options options = {}) {
        return add(of, pattern, detail::make_handler(std::forward<H>(handler)), std::move(options));
    }
    /// Everything beneath a prefix, whatever the method.
    template <class H>
    site& mount(std::string_view prefix, H&& handler, route_options options = {}) {
        return add_mount(prefix, detail::make_handler(std::forward<H>(handler)), std::move(options));
    }

    /// The routes of requests for this host (without a port, in any case); those of this site are for all
    /// others. What is registered by before, on_head and per_loop on the outer site counts there, too.
    /// "*.example.org" stands for one label, and comes behind exact names.
    site& host(std::string_view name);
    /// The same site for several names, of which the first may be known already. Throws std::invalid_argument
    /// if another is, or if there is none.
    site& hosts(const std::vector<std::string>& names);

    /// Called before each handler, in the order of registration: a function or a coroutine as handlers are.
    /// One that answers is the last. With a coroutine among them every request runs as one.
    template <class F>
    site& before(F&& step) {
        return add_before(detail::make_handler(std::forward<F>(step)));
    }
    /// `void(const exchange&, answer_head&)`: sees each answer's status and fields before they leave, also
    /// those that the library makes.
    template <class F>
    site& on_head(F&& hook) {
        static_assert(std::is_constructible_v<detail::head_hook, F>,
                      "naru: a hook on heads is void(const exchange&, answer_head&), and can be copied");
        if constexpr (std::is_constructible_v<detail::head_hook, F>)
            add_hook(detail::head_hook(std::forward<F>(hook)));
        return *this;
    }
    /// `std::string(unsigned status, std::string_view explanation)`: the page of an answer that the library
    /// makes (404, 405, 500, ...), here and on all hosts, of that type (a service's may be JSON).
    /// `explanation` is a sentence, to be escaped as any text is. Throws std::invalid_argument for what no
    /// Content-Type can be (limits::error_type_bytes at most).
    template <class F>
    site& error_page(F&& make, std::string_view content_type = "text/html; charset=utf-8") {
        static_assert(
            std::is_constructible_v<detail::page_maker, F>,
            "naru: what makes error pages is std::string(unsigned status, std::string_view), and can "
            "be copied");
        if constexpr (std::is_constructible_v<detail::page_maker, F>)
            set_error_page(detail::page_maker(std::forward<F>(make)), content_type);
        return *this;
    }
    /// Bodies of handlers' answers are encoded on the fly, as each client accepts and likes best, here and on
    /// all hosts: see encode_options. Not those that say Content-Encoding or Content-Range, or no-transform,
    /// prepared ones, and those in pieces whose length the handler has told. Such an answer says Vary, and
    /// its ETag gets weak. While limits::encoders are at work on a loop, further answers go as they are.
    site& encode(encode_options options = {});
    /// `site.per_loop([](loop& l) { return pool(l); })`: x.local<pool>() on each loop; `[] { return counts();
    /// }` where the loop is not wanted. Made when the server is (or the site is put in another's place),
    /// destroyed when the site's last request on the loop has ended; at the server's end, on all its loops.
    template <class F>
    site& per_loop(F make) {
        constexpr bool takes_loop = std::is_invocable_v<F&, loop&>;
        static_assert(takes_loop || std::is_invocable_v<F&>,
                      "naru: what makes the state of a loop is called with a loop&, or with nothing");
        if constexpr (takes_loop) {
            using type = std::invoke_result_t<F&, loop&>;
            static_assert(std::is_object_v<type>, "naru: what makes the state of a loop returns it");
            if constexpr (std::is_object_v<type>) {
                detail::loop_local made;
                made.type = &detail::type_key<type>;
                made.make = [make = std::move(make)](loop& on) mutable -> std::shared_ptr<void> {
                    return std::shared_ptr<type>(new type(make(on)));
                };
                return add_local(std::move(made));
            }
        } else if constexpr (std::is_invocable_v<F&>) {
            return per_loop([make = std::move(make)](loop&) mutable { return make(); });
        }
        return *this;
    }

    /// Where lines on this host's answers go instead of to server_options::access_log, which is asked to open
    /// the path as it is its own; hosts and servers may share one. `as`: in another format than the server's.
    /// On the outer site: for its own routes, and for hosts that say none. Lines on requests that could not
    /// be read are the outer site's. Who takes the site opens it: the constructor of the server, and
    /// server::replace, throw std::system_error if that fails. An answer's line goes where it was to go when
    /// its request began, also if the site has been replaced by then.
    site& access_log(std::string path, std::optional<log_format> as = std::nullopt);

    /// For servers: what was registered. The site is empty afterwards.
    std::shared_ptr<detail::site_data> take() &&;

 private:
    site& add(http::method of, std::string_view pattern, detail::handler handles, route_options options);
    site& add_mount(std::string_view prefix, detail::handler handles, route_options options);
    site& add_before(detail::handler step);
    site& add_hook(detail::head_hook hook);
    site& add_local(detail::loop_local made);
    site& set_error_page(detail::page_maker make, std::string_view content_type);

    std::unique_ptr<detail::site_data> data_;
};

}  // namespace naru::http
