// Clients against servers that follow a script, on one loop and real sockets.
#pragma once

#include "support/conformance.hpp"

#include <naru/http/client/client.hpp>

#include <charconv>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace naru::testing {

/// A request as a server reads it; nothing of it if the client has ended the connection before.
struct read_request_text {
    std::string head;
    std::string body;
    explicit operator bool() const noexcept { return !head.empty(); }
    bool has(std::string_view what) const { return head.find(what) != std::string::npos; }
};

/// One connection of a scripted server.
class served {
 public:
    served(tcp_stream connection, std::size_t number) : stream(std::move(connection)), index(number) {}

    tcp_stream stream;
    std::size_t index;  ///< of the server's connections, from 0

    /// Until `whole` is true of what has come; false at the end.
    task<bool> more_until(std::function<bool(const std::string&)> whole) {
        while (!whole(input_)) {
            auto data = co_await stream.receive();
            if (!data) co_return false;
            input_ += data->text();
        }
        co_return true;
    }
    /// A head, and a body of the length that it says, or in chunks (as they are).
    task<read_request_text> request() {
        read_request_text got;
        auto whole_head = [](const std::string& text) { return text.find("\r\n\r\n") != std::string::npos; };
        if (!co_await more_until(whole_head)) co_return got;
        const std::size_t end = input_.find("\r\n\r\n") + 4;
        std::string head = input_.substr(0, end);
        input_.erase(0, end);
        std::size_t length = 0;
        if (const auto field = head.find("Content-Length: "); field != std::string::npos) {
            const char* const digits = head.data() + field + 16;
            std::from_chars(digits, head.data() + head.size(), length);
        }
        const bool chunked = head.find("Transfer-Encoding: chunked") != std::string::npos;
        auto whole_body = [length, chunked](const std::string& text) {
            return chunked ? text.ends_with("0\r\n\r\n") : text.size() >= length;
        };
        if (!co_await more_until(whole_body)) co_return got;
        if (chunked) length = input_.size();
        got.body = input_.substr(0, length);
        input_.erase(0, length);
        got.head = std::move(head);
        co_return got;
    }
    /// Lent text, all of it; false if the client has gone.
    task<bool> say(std::string text) {
        auto sent = co_await stream.send(text);
        co_return sent.has_value();
    }
    task<> yields(int count) {
        for (int each = 0; each < count; ++each)
            (void)co_await yield();
    }
    void reset() {
        reset_on_close(stream.borrow().get());
        const tcp_stream ended = std::exchange(stream, tcp_stream());
    }
    void close() { const tcp_stream ended = std::exchange(stream, tcp_stream()); }

 private:
    std::string input_;
};

using server_script = std::function<task<>(served&)>;

/// Accepts on a port of its own, and runs the script for each connection. At its end all of that has ended,
/// so the script may use what was declared before the server.
class scripted_server {
 public:
    scripted_server(loop& on, server_script script)
        : loop_(on),
          script_(std::move(script)),
          listener_(tcp_listener::bind(on, "127.0.0.1:0").value()),
          running_(on) {
        running_.spawn(accept_all());
    }
    ~scripted_server() {
        running_.stop();
        run_until(loop_, [this] { return running_.running() == 0; });
    }
    scripted_server(const scripted_server&) = delete;
    scripted_server& operator=(const scripted_server&) = delete;

    std::string url(std::string_view target = "/") const {
        return "http://" + where().text() + std::string(target);
    }
    address where() const { return listener_.local_address().value(); }
    std::size_t connections() const noexcept { return accepted_; }

 private:
    task<> accept_all() {
        while (auto stream = co_await listener_.accept())
            running_.spawn(run(std::make_unique<served>(std::move(*stream), accepted_++)));
    }
    task<> run(std::unique_ptr<served> connection) { co_await script_(*connection); }

    loop& loop_;
    server_script script_;
    tcp_listener listener_;
    background running_;
    std::size_t accepted_ = 0;
};

inline std::string answer_of(std::string_view body, std::string_view fields = {},
                             std::string_view status = "200 OK") {
    return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(fields) +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

/// What a test looks at of one request.
struct outcome_of_request {
    unsigned status = 0;
    std::string body;
    std::string url;
    http::client_error error;
    bool failed = false;

    std::string text() const {
        return failed ? "failed: " + error.text() : std::to_string(status) + " " + body;
    }
};

inline task<outcome_of_request> ask(http::client& client, http::client_request what) {
    outcome_of_request made;
    auto answer = co_await client.request(std::move(what));
    if (!answer) {
        made.failed = true;
        made.error = std::move(answer.error());
        co_return made;
    }
    made.status = answer->status();
    made.url = answer->url();
    auto body = co_await answer->text();
    if (!body) {
        made.failed = true;
        made.error = std::move(body.error());
        co_return made;
    }
    made.body = std::move(*body);
    co_return made;
}

class client_conformance : public conformance {
 protected:
    void TearDown() override {
        client_.reset();
        conformance::TearDown();
    }

    http::client& client() {
        if (client_ == nullptr) client_ = std::make_unique<http::client>(loop(), options_);
        return *client_;
    }
    /// Forgets the client and its connections.
    void end_client() { client_.reset(); }

    outcome_of_request get(const std::string& url) { return send(http::client_request("GET", url)); }
    outcome_of_request send(http::client_request what) {
        return run_task(loop(), ask(client(), std::move(what)));
    }

    http::client_options options_;
    std::unique_ptr<http::client> client_;
};

}  // namespace naru::testing
