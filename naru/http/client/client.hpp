// An HTTP client for one loop: a pool of connections for each origin, redirects, deadlines for each step.
//
//     naru::http::client client(loop);
//     auto answer = co_await client.get("http://example.org/");
//     if (!answer) co_return report(answer.error().text());
//     auto whole = co_await answer->for_each([&](naru::bytes_view piece) { use(piece); });
//     if (!whole) report(whole.error().text());  // half a body is never taken for a whole one
//
// Speaks HTTP/1.1, in clear text and over TLS, and HTTP/2 over TLS where the server chooses it. See
// docs/http-client.md.
#pragma once

#include <naru/coro/nursery.hpp>
#include <naru/coro/task.hpp>
#include <naru/http/client/client_answer.hpp>
#include <naru/http/client/client_error.hpp>
#include <naru/http/client/client_options.hpp>
#include <naru/http/client/client_request.hpp>
#include <naru/http/client/connection_pool.hpp>
#include <naru/http/client/request_record.hpp>
#include <naru/http/client/url.hpp>
#include <naru/loop/worker_pool.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace naru::http {

/// Belongs to one loop's thread, and outlives its requests and answers (it ends the program with a sentence
/// otherwise). Its end closes the connections that are kept, and waits for names that its own threads are
/// looking up.
class client {
 public:
    explicit client(loop& on) : client(on, client_options()) {}
    client(loop& on, client_options options);
    ~client();
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    /// Each gives the answer as soon as its head has come. Any status is an answer.
    task<client_result<client_answer>> get(std::string url);
    task<client_result<client_answer>> head(std::string url);
    task<client_result<client_answer>> post(std::string url, std::string body, std::string_view content_type);
    /// A body that is still being sent then is sent on, if the answer is a success, while it gets on
    /// (limits::client_rest_time), and is left out otherwise.
    task<client_result<client_answer>> request(client_request what);
    /// Both ways at once: `take(client_answer)`, a coroutine, is called as soon as the answer's head has
    /// come (of an answer without a body: when the sending has ended, too), and runs while the rest of the
    /// request's body is sent. When it has ended, what has not been sent is left out. Gives its value when
    /// both have ended: nothing of the request, its body's source included, is under way then. An error, of
    /// the body's source too, stops `take`, and is the result; so is one before there is an answer, and
    /// `take` is not called. What `take` or the source throws comes out of here.
    template <class Take,
              class Value = typename std::invoke_result_t<std::decay_t<Take>&, client_answer>::value_type>
    task<client_result<Value>> request(client_request what, Take&& take) {
        static_assert(naru::detail::survives_awaiting<Take>,
                      "naru: GCC 12 destroys a temporary callable twice when its call is awaited: give it a "
                      "name and pass the name (by std::ref if it cannot be copied)");
        return take_beside<std::decay_t<Take>, Value>(std::move(what), std::forward<Take>(take));
    }

    const client_options& options() const noexcept { return options_; }
    /// Connections between two requests, and all of them.
    std::size_t kept_connections() const noexcept { return pool_.kept(); }
    std::size_t open_connections() const noexcept { return pool_.open(); }
    loop& home() const noexcept { return loop_; }

 private:
    struct work;
    struct both_ways;
    using taker = std::move_only_function<task<>(client_answer)>;

    template <class Take, class Value>
    task<client_result<Value>> take_beside(client_request what, Take take) {
        std::optional<naru::detail::value_or_nothing<Value>> value;
        taker keeps = [&](client_answer answer) -> task<> {
            if constexpr (std::is_void_v<Value>) {
                co_await std::invoke(take, std::move(answer));
            } else {
                value.emplace(co_await std::invoke(take, std::move(answer)));
            }
        };
        auto done = co_await run_beside(std::move(what), keeps);
        if (!done) co_return std::unexpected(std::move(done.error()));
        if constexpr (std::is_void_v<Value>) {
            co_return client_result<Value>();
        } else {
            co_return std::move(*value);
        }
    }
    // client_both_ways.cpp
    task<client_result<void>> run_beside(client_request what, taker& take);
    task<client_result<void>> exchange_beside(work& job, client_connection& on);
    static std::unexpected<client_error> send_failure(const work& job);
    static naru::detail::child_frame send_beside(naru::detail::nursery& in, client& of, work& job);

    task<client_result<client_answer>> begin(work& job);
    task<client_result<client_answer>> follow(work& job);
    client_result<bool> redirect(work& job, const client_answer& answer);
    task<client_result<client_answer>> ask(work& job);
    task<client_result<bool>> reach(work& job, connection_pool::turn& turn, bool again, bool fresh);
    task<client_result<void>> connect(work& job, connection_pool::turn& turn);
    task<client_result<std::vector<address>>> addresses(work& job);
    // client_tls.cpp
    task<client_result<void>> secure(const request_record& record, const http::url& at, tcp_stream& stream);
    bool chose_http2(handle connection) const noexcept;
    void keep_session(const http::url& at, handle connection);
    task<client_result<void>> exchange(work& job, client_connection& on);
    client_result<void> look_at_head(const work& job, const client_connection& on) const;
    task<result<void>> send(work& job, upload& sending);
    task<result<void>> send_bytes(work& job, upload& sending, std::string_view before, bytes_view bytes,
                                  std::string_view behind);
    task<result<void>> send_stream(work& job, upload& sending);
    /// The peer has ended the connection, as it may between two requests.
    static bool is_end(const std::error_code& error) noexcept;
    worker_pool& workers();

    loop& loop_;
    const client_options options_;
    connection_pool pool_;
    std::unique_ptr<worker_pool> own_workers_;
    struct tls_state;
    std::shared_ptr<tls_state> tls_;  // from the first https on
};

}  // namespace naru::http
