// The load of the echo benchmark: a closed loop on one thread, as cheap as such a client gets.
//
//     echo_client PORT [--connections 64] [--size 64] [--seconds 3] [--websocket PATH]
//
// With a path: the messages are binary ones of a WebSocket, masked as a client has to, and come back
// unmasked. Every connection to 127.0.0.1:PORT has one message in flight: when it has come back whole, its
// bytes are compared and the next one is sent. One recv, one send and one reading of the clock for each round
// trip; connections are registered with epoll once, edge-triggered. Prints one line of JSON; latencies are of
// single round trips, to within 1 %. "errors" counts connections that were closed, failed, or brought back
// something else: they are given up, and the exit status is 1.
#include "common.hpp"
#include "histogram.hpp"

#include <sys/epoll.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace bench;
using monotonic = std::chrono::steady_clock;

struct options {
    std::uint16_t port = 0;
    std::size_t connections = 64;
    std::size_t size = 64;
    double seconds = 3;

    options(int count, char** arguments) {
        const auto usage = [arguments] {
            die("usage: %s PORT [--connections N] [--size BYTES] [--seconds S] [--websocket PATH]",
                arguments[0]);
        };
        if (count < 2 || count % 2 != 0) usage();
        port = static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535));
        for (int i = 2; i < count; i += 2) {
            const std::string_view name = arguments[i];
            const char* value = arguments[i + 1];
            if (name == "--connections") {
                connections = static_cast<std::size_t>(parse_number(value, "--connections", 1, 100000));
            } else if (name == "--size") {
                size = static_cast<std::size_t>(parse_number(value, "--size", 1, maximum_size));
            } else if (name == "--seconds") {
                char* end = nullptr;
                seconds = std::strtod(value, &end);
                if (end == value || *end != '\0' || !(seconds > 0 && seconds <= 3600)) {
                    die("--seconds: expected more than 0 and at most 3600, got '%s'", value);
                }
            } else if (name == "--websocket") {
                websocket = value;
            } else {
                usage();
            }
        }
    }

    std::string websocket;  // the path; empty: plain bytes

    /// What a socket takes at once, so that a short send is an error and nothing needs to be queued.
    static constexpr long maximum_size = 65536;
};

class echo_client {
 public:
    explicit echo_client(const options& chosen) : options_(chosen), connections_(chosen.connections) {
        raise_descriptor_limit();
        // Neighbouring connections send different bytes, all of them slices of this.
        for (std::size_t i = 0; i < slices + options_.size; ++i)
            pattern_ += static_cast<char>(i * 131 % 251);
        for (std::size_t i = 0; i < slices; ++i) {
            const std::string_view bytes = std::string_view(pattern_).substr(i, options_.size);
            sent_.emplace_back(options_.websocket.empty() ? bytes : frame(bytes, true));
            expected_.emplace_back(options_.websocket.empty() ? bytes : frame(bytes, false));
        }
        epoll_ = check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
        for (std::size_t i = 0; i < connections_.size(); ++i)
            connect(i);
    }

    void run() {
        std::array<epoll_event, 512> events;
        const auto start = monotonic::now();
        const auto end = start + std::chrono::duration_cast<monotonic::duration>(
                                     std::chrono::duration<double>(options_.seconds));
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            if (!send(i, monotonic::now())) give_up(i);
        }
        auto now = monotonic::now();
        while (now < end && errors_ < connections_.size()) {
            const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 100);
            if (ready < 0 && errno != EINTR) die("epoll_wait: %s", std::strerror(errno));
            if (ready <= 0) now = monotonic::now();
            for (int i = 0; i < ready; ++i) {
                const std::size_t index = events[static_cast<std::size_t>(i)].data.u64;
                if (!receive(index, now)) give_up(index);
            }
        }
        const double elapsed = std::chrono::duration<double>(now - start).count();
        const auto microseconds = [this](double percent) {
            return static_cast<double>(latencies_.percentile(percent)) / 1000.0;
        };
        std::printf(
            "{\"round_trips\": %llu, \"seconds\": %.6f, \"connections\": %zu, \"size\": %zu, "
            "\"p50_us\": %.1f, \"p99_us\": %.1f, \"errors\": %zu}\n",
            static_cast<unsigned long long>(latencies_.count()), elapsed, options_.connections, options_.size,
            microseconds(50), microseconds(99), errors_);
    }

    std::size_t errors() const { return errors_; }

 private:
    struct connection {
        int descriptor = -1;
        std::size_t received = 0;
        monotonic::time_point sent_at;
    };

    void connect(std::size_t index) {
        connection& made = connections_[index];
        made.descriptor = check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
        set_option(made.descriptor, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
        if (options_.size > 4096) set_option(made.descriptor, SOL_SOCKET, SO_SNDBUF, 1 << 20, "SO_SNDBUF");
        const sockaddr_in address = loopback(options_.port);
        check(::connect(made.descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address),
              "connect");
        if (!options_.websocket.empty()) shake_hands(made.descriptor);
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        event.data.u64 = index;
        check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, made.descriptor, &event), "epoll_ctl");
    }

    /// RFC 6455, section 5.2: a binary message in one frame.
    static std::string frame(std::string_view bytes, bool masked) {
        constexpr unsigned char key[4] = {0x37, 0xfa, 0x21, 0x3d};
        const auto put = [](std::string& to, std::size_t value) { to += static_cast<char>(value & 0xff); };
        std::string made;
        put(made, 0x82);
        const std::size_t mask_bit = masked ? 0x80 : 0;
        if (bytes.size() < 126) {
            put(made, mask_bit | bytes.size());
        } else if (bytes.size() < 65536) {
            put(made, mask_bit | 126);
            put(made, bytes.size() >> 8);
            put(made, bytes.size());
        } else {
            put(made, mask_bit | 127);
            for (int shift = 56; shift >= 0; shift -= 8)
                put(made, bytes.size() >> shift);
        }
        if (!masked) return made.append(bytes);
        for (const unsigned char each : key)
            put(made, each);
        for (std::size_t i = 0; i < bytes.size(); ++i)
            put(made, static_cast<unsigned char>(bytes[i]) ^ key[i % 4]);
        return made;
    }

    void shake_hands(int descriptor) const {
        const std::string ask =
            "GET " + options_.websocket +
            " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        check(::send(descriptor, ask.data(), ask.size(), MSG_NOSIGNAL), "the handshake");
        std::string head;
        while (!head.ends_with("\r\n\r\n")) {
            char byte = 0;
            if (check(::recv(descriptor, &byte, 1, 0), "the handshake") == 0)
                die("the handshake was refused");
            head += byte;
        }
        if (!head.starts_with("HTTP/1.1 101 ")) die("the handshake was answered with %.40s", head.c_str());
    }

    bool send(std::size_t index, monotonic::time_point now) {
        connection& to = connections_[index];
        to.received = 0;
        to.sent_at = now;
        const std::string& text = sent_[index % slices];
        const ssize_t sent = ::send(to.descriptor, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return sent == static_cast<ssize_t>(text.size());
    }

    /// Takes in what has come back and sends the next message when it is whole. The room given to recv is
    /// one byte more than is missing, so that the edge is drained and an answer too long does not go unseen.
    bool receive(std::size_t index, monotonic::time_point& now) {
        connection& from = connections_[index];
        if (from.descriptor < 0) return true;
        const std::string& expected = expected_[index % slices];
        const std::size_t missing = expected.size() - from.received;
        const ssize_t received = ::recv(from.descriptor, buffer_.data(), missing + 1, MSG_DONTWAIT);
        if (received < 0) return errno == EAGAIN;
        const auto count = static_cast<std::size_t>(received);
        if (count == 0 || count > missing) return false;
        if (std::memcmp(buffer_.data(), expected.data() + from.received, count) != 0) return false;
        from.received += count;
        if (from.received < expected.size()) return true;
        now = monotonic::now();
        latencies_.record(static_cast<std::uint64_t>((now - from.sent_at) / std::chrono::nanoseconds(1)));
        return send(index, now);
    }

    void give_up(std::size_t index) {
        ++errors_;
        ::close(std::exchange(connections_[index].descriptor, -1));
    }

    static constexpr std::size_t slices = 256;

    options options_;
    std::vector<connection> connections_;
    std::string pattern_;
    std::vector<std::string> sent_;
    std::vector<std::string> expected_;
    std::array<char, options::maximum_size + 32> buffer_;
    histogram latencies_;
    std::size_t errors_ = 0;
    int epoll_;
};

}  // namespace

int main(int count, char** arguments) {
    echo_client client(options(count, arguments));
    client.run();
    return client.errors() == 0 ? 0 : 1;
}
