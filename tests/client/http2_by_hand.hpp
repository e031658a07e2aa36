// The server's side of HTTP/2 by hand, frame by frame, for tests of the client.
#pragma once

#include "client_fixture.hpp"

#include <naru/stream/tls/tls_stream.hpp>

#include <tls/pair.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace naru::testing {

// Streams know of no engine: one of each kind will do.
inline std::vector<backend_variant> some_backends() {
    std::vector<backend_variant> some = backend_variants();
    std::erase_if(some, [](const backend_variant& each) {
        return each.name != "select" && each.name != "epoll" && each.name != "io_uring";
    });
    return some;
}
#define NARU_ON_SOME_BACKENDS(suite)                                                      \
    INSTANTIATE_TEST_SUITE_P(OnSomeBackends, suite, ::testing::ValuesIn(some_backends()), \
                             [](const auto& each) { return each.param.name; })

inline constexpr duration a_minute = 60s;
inline constexpr std::uint8_t type_data = 0, type_headers = 1, type_reset = 3, type_settings = 4,
                              type_goaway = 7, type_window_update = 8;
inline constexpr std::uint8_t end_stream = 1, end_headers = 4, ack = 1;
inline constexpr std::uint32_t internal_error = 2, refused_stream = 7;

inline const tls_context& http2_context() {
    static const tls_context one = server_context([](tls_server_options& how) { how.protocols = {"h2"}; });
    return one;
}

inline task<> note(task<outcome_of_request> what, outcome_of_request& into) {
    into = co_await std::move(what);
}

inline std::string number(std::uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
            static_cast<char>(value)};
}

/// The server's side of one HTTP/2 connection, by hand.
class by_hand {
 public:
    struct request {
        std::uint32_t id = 0;  // 0: the client has gone
        std::size_t body = 0;
    };

    task<bool> begin(served& peer) {
        auto made =
            co_await tls_stream<tcp_stream>::accept(std::move(peer.stream), http2_context(), a_minute);
        if (!made) co_return false;
        tls_ = std::move(*made);
        if ((co_await bytes(24)).size() < 24) co_return false;
        co_await send(type_settings, 0, 0, "");
        co_return true;
    }
    /// The next that has come whole.
    task<request> next() {
        request got;
        while (true) {
            const std::string head = co_await bytes(9);
            if (head.size() < 9) co_return request();
            const auto byte = [&head](std::size_t at) { return static_cast<std::uint8_t>(head[at]); };
            const std::size_t size = byte(0) * 65'536u + byte(1) * 256u + byte(2);
            (void)co_await bytes(size);
            if (byte(3) == type_settings && byte(4) == 0) co_await send(type_settings, ack, 0, "");
            if (byte(3) == type_data) got.body += size;
            was_told_ = was_told_ || byte(3) == type_goaway;
            const bool is_request = byte(3) == type_headers || byte(3) == type_data;
            if (!is_request || (byte(4) & end_stream) == 0) continue;
            got.id = byte(5) * 16'777'216u + byte(6) * 65'536u + byte(7) * 256u + byte(8);
            co_return got;
        }
    }
    task<> send(std::uint8_t type, std::uint8_t flags, std::uint32_t id, std::string payload) {
        std::string frame = number(static_cast<std::uint32_t>(payload.size())).substr(1);
        frame += static_cast<char>(type);
        frame += static_cast<char>(flags);
        frame += number(id) + payload;
        (void)co_await tls_.send(frame);
    }
    task<> answer(std::uint32_t id, std::string body = "ok") {
        co_await send(type_headers, end_headers, id, "\x88");  // ":status: 200" of HPACK's table
        co_await send(type_data, end_stream, id, body);
    }
    task<> reset(std::uint32_t id, std::uint32_t code) { co_await send(type_reset, 0, id, number(code)); }
    task<> goaway(std::uint32_t last) { co_await send(type_goaway, 0, 0, number(last) + number(0)); }
    /// Room for bodies without end.
    task<> open_windows() {
        co_await send(type_settings, 0, 0, std::string("\0\x04", 2) + number(0x7fff'ffff));
        co_await send(type_window_update, 0, 0, number(0x7000'0000));
    }
    /// The client has said goodbye (GOAWAY); and has ended its stream, so that it is whole.
    bool was_told() const noexcept { return was_told_; }
    bool is_whole() const noexcept { return is_whole_; }
    /// To the end, so that no reset overtakes what was said.
    task<> end() {
        (void)co_await tls_.shutdown();
        while (!(co_await bytes(1)).empty()) {
        }
    }

 private:
    task<std::string> bytes(std::size_t count) {
        while (input_.size() < count) {
            auto got = co_await tls_.receive();
            is_whole_ = !got && got.error() == errc::end_of_stream;
            if (!got) break;
            input_ += got->text();
        }
        std::string made = input_.substr(0, count);
        input_.erase(0, made.size());
        co_return made;
    }

    tls_stream<tcp_stream> tls_;
    std::string input_;
    bool was_told_ = false;
    bool is_whole_ = false;
};

}  // namespace naru::testing
