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

#include <naru/coro/task.hpp>
#include <naru/http/client/client_answer.hpp>
#include <naru/http/client/client_error.hpp>
#include <naru/http/client/client_options.hpp>
#include <naru/http/client/client_request.hpp>
#include <naru/http/client/connection_pool.hpp>
#include <naru/http/client/request_record.hpp>
#include <naru/http/client/url.hpp>
#include <naru/loop/worker_pool.hpp>

#include <memory>
#include <string>
#include <string_view>
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
    task<client_result<client_answer>> request(client_request what);

    const client_options& options() const noexcept { return options_; }
    /// Connections between two requests, and all of them.
    std::size_t kept_connections() const noexcept { return pool_.kept(); }
    std::size_t open_connections() const noexcept { return pool_.open(); }
    loop& home() const noexcept { return loop_; }

 private:
    struct work;

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
    task<result<void>> send(work& job, client_connection& on, stop_scope& sending);
    task<result<void>> send_bytes(work& job, client_connection& on, stop_scope& sending,
                                  std::string_view before, bytes_view bytes, std::string_view behind);
    task<result<void>> send_stream(work& job, client_connection& on, stop_scope& sending);
    worker_pool& workers();

    loop& loop_;
    const client_options options_;
    connection_pool pool_;
    std::unique_ptr<worker_pool> own_workers_;
    struct tls_state;
    std::shared_ptr<tls_state> tls_;  // from the first https on
};

}  // namespace naru::http
