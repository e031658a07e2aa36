// The client's side of HTTP over plain system calls: every wait is bounded, and every answer is taken apart.
#pragma once

#include "support/sockets.hpp"

#include <naru/os/address.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace naru::testing {

using namespace std::chrono_literals;
using test_clock = std::chrono::steady_clock;

inline constexpr auto patience = 20s;

/// Looks every few milliseconds whether `done()`, for `limit` at most. For what sends no event: the number of
/// open descriptors, a line in a file, a port that refuses.
template <class Predicate>
bool eventually(Predicate done, test_clock::duration limit = patience) {
    const auto end = test_clock::now() + limit;
    while (!done()) {
        if (test_clock::now() > end) return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

/// A response, taken apart.
struct response {
    int status = 0;
    std::string status_line;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;

    /// The field's value; empty if it is not there.
    std::string operator[](std::string_view name) const {
        for (const auto& [key, value] : fields) {
            if (same_name(key, name)) return value;
        }
        return {};
    }
    std::size_t count(std::string_view name) const {
        return static_cast<std::size_t>(std::count_if(
            fields.begin(), fields.end(), [&](const auto& each) { return same_name(each.first, name); }));
    }
    bool has(std::string_view name) const { return count(name) > 0; }

    static bool same_name(std::string_view a, std::string_view b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
            return std::tolower(x) == std::tolower(y);
        });
    }
};

/// Takes a whole response from the front of `text`; false if it is not all there. `to_head`: there is no
/// body.
inline bool take_response(std::string& text, response& out, bool to_head = false) {
    const std::size_t head_end = text.find("\r\n\r\n");
    if (head_end == std::string::npos) return false;
    out = response();
    const std::string_view head = std::string_view(text).substr(0, head_end);
    std::size_t line_end = head.find("\r\n");
    out.status_line = head.substr(0, line_end);
    if (!out.status_line.starts_with("HTTP/1.1 ") || out.status_line.size() < 13) {
        throw std::runtime_error("not a response: " + text.substr(0, 200));
    }
    out.status = std::stoi(out.status_line.substr(9, 3));
    while (line_end != std::string_view::npos) {
        const std::size_t begin = line_end + 2;
        line_end = head.find("\r\n", begin);
        const std::string_view line = head.substr(begin, line_end - begin);
        const std::size_t colon = line.find(": ");
        if (colon == std::string_view::npos)
            throw std::runtime_error("not a header field: " + std::string(line));
        out.fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
    std::size_t size = 0;
    if (!to_head && out.status >= 200 && out.status != 204 && out.status != 304) {
        const std::string length = out["Content-Length"];
        const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), size);
        if (error != std::errc() || end != length.data() + length.size() || length.empty()) {
            throw std::runtime_error("no good Content-Length: " + std::string(head));
        }
    }
    if (text.size() < head_end + 4 + size) return false;
    out.body = text.substr(head_end + 4, size);
    text.erase(0, head_end + 4 + size);
    return true;
}

class client {
 public:
    /// `receive_buffer`: SO_RCVBUF, if not 0.
    explicit client(const address& where, int receive_buffer = 0)
        : socket_(connect_to(where, true, receive_buffer)) {}

    explicit client(unique_descriptor connected) : socket_(std::move(connected)) {}

    int descriptor() const { return socket_.get(); }
    const std::string& unread() const { return input_.data; }

    /// Sends all of it, taking in what the server says meanwhile. Stops early if the server ends the
    /// connection.
    void send(std::string_view text) {
        const auto end = test_clock::now() + patience;
        while (!text.empty() && input_.error == 0) {
            const std::size_t written = write_some(socket_.get(), text);
            text.remove_prefix(written);
            if (text.empty()) return;
            if (written == 0 && errno != EAGAIN) return;
            wait(POLLOUT | (input_.ended ? 0 : POLLIN), end);
            input_.read_from(socket_.get());
        }
    }
    void end_sending() { testing::end_sending(socket_.get()); }
    void reset() { reset_connection(socket_); }
    void close() { socket_.reset(); }

    /// The next response.
    response read(bool to_head = false) {
        response got;
        const auto end = test_clock::now() + patience;
        while (!take_response(input_.data, got, to_head)) {
            if (input_.ended || input_.error != 0) {
                throw std::runtime_error("the connection ended (" + std::to_string(input_.error) +
                                         ") instead of an answer, after: " + input_.data.substr(0, 300));
            }
            wait(POLLIN, end);
            input_.read_from(socket_.get());
        }
        return got;
    }
    response ask(std::string_view request, bool to_head = false) {
        send(request);
        return read(to_head);
    }

    /// Waits for bytes; false if none come in time.
    bool has_bytes_within(test_clock::duration limit) {
        input_.read_from(socket_.get());
        if (!input_.data.empty()) return true;
        wait_readable(socket_.get(),
                      static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(limit).count()));
        input_.read_from(socket_.get());
        return !input_.data.empty();
    }
    /// Takes at most `limit` bytes of what is there, or waits for some; none: the connection has ended.
    std::string read_some(std::size_t limit) {
        const auto end = test_clock::now() + patience;
        while (input_.data.empty() && !input_.ended && input_.error == 0) {
            if (input_.read_from(socket_.get(), limit) == 0 && !input_.ended && input_.error == 0)
                wait(POLLIN, end);
        }
        std::string taken = input_.data.substr(0, limit);
        input_.data.erase(0, limit);
        return taken;
    }
    /// Everything until the connection ends, one way or the other.
    std::string read_to_end() {
        const auto end = test_clock::now() + patience;
        while (!input_.ended && input_.error == 0) {
            if (input_.read_from(socket_.get()) == 0 && !input_.ended && input_.error == 0) wait(POLLIN, end);
        }
        return std::exchange(input_.data, {});
    }
    /// Whether the server now ends the connection in an orderly way, without another byte.
    bool ends() { return read_to_end().empty() && input_.ended && input_.error == 0; }
    bool was_reset() const { return input_.error == ECONNRESET || input_.error == EPIPE; }
    bool has_ended() const { return input_.ended || input_.error != 0; }

 private:
    void wait(int events, test_clock::time_point end) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - test_clock::now()).count();
        if (left <= 0 || !wait_for(socket_.get(), events, static_cast<int>(left))) {
            throw std::runtime_error("the server says nothing; before that: " + input_.data.substr(0, 300));
        }
    }

    unique_descriptor socket_;
    received_text input_;
};

}  // namespace naru::testing
