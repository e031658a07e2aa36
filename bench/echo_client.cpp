// The load of the echo benchmark: a closed loop on one thread, as cheap as such a client gets.
//
//     echo_client PORT [--connections 64] [--size 64] [--seconds 3]
//
// Every connection to 127.0.0.1:PORT has one message in flight: when it has come back whole, its bytes are
// compared and the next one is sent. One recv, one send and one reading of the clock for each round trip;
// connections are registered with epoll once, edge-triggered. Prints one line of JSON; latencies are of
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
            die("usage: %s PORT [--connections N] [--size BYTES] [--seconds S]", arguments[0]);
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
            } else {
                usage();
            }
        }
    }

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
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        event.data.u64 = index;
        check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, made.descriptor, &event), "epoll_ctl");
    }

    std::string_view message(std::size_t index) const {
        return std::string_view(pattern_).substr(index % slices, options_.size);
    }

    bool send(std::size_t index, monotonic::time_point now) {
        connection& to = connections_[index];
        to.received = 0;
        to.sent_at = now;
        const ssize_t sent =
            ::send(to.descriptor, message(index).data(), options_.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        return sent == static_cast<ssize_t>(options_.size);
    }

    /// Takes in what has come back and sends the next message when it is whole. The room given to recv is
    /// one byte more than is missing, so that the edge is drained and an answer too long does not go unseen.
    bool receive(std::size_t index, monotonic::time_point& now) {
        connection& from = connections_[index];
        if (from.descriptor < 0) return true;
        const std::size_t missing = options_.size - from.received;
        const ssize_t received = ::recv(from.descriptor, buffer_.data(), missing + 1, MSG_DONTWAIT);
        if (received < 0) return errno == EAGAIN;
        const auto count = static_cast<std::size_t>(received);
        if (count == 0 || count > missing) return false;
        if (std::memcmp(buffer_.data(), message(index).data() + from.received, count) != 0) return false;
        from.received += count;
        if (from.received < options_.size) return true;
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
    std::array<char, options::maximum_size + 1> buffer_;
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
