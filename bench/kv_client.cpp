// The load of the key-value benchmark: a closed loop on one thread.
//
//     kv_client PORT [--connections 50] [--depth 1] [--seconds 3]
//
// Every connection to 127.0.0.1:PORT has one burst of so many operations in flight, SET and GET in turn; when
// its answers have come back whole they are compared, and the next burst is sent. Prints one line of JSON;
// latencies are of bursts, to within 1 %. "errors" counts connections that were closed, failed, or brought
// back something else: they are given up, and the exit status is 1.
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
    std::size_t connections = 50;
    std::size_t depth = 1;
    double seconds = 3;

    options(int count, char** arguments) {
        const auto usage = [arguments] {
            die("usage: %s PORT [--connections N] [--depth D] [--seconds S]", arguments[0]);
        };
        if (count < 2 || count % 2 != 0) usage();
        port = static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535));
        for (int i = 2; i < count; i += 2) {
            const std::string_view name = arguments[i];
            const char* value = arguments[i + 1];
            if (name == "--connections") {
                connections = static_cast<std::size_t>(parse_number(value, "--connections", 1, 100000));
            } else if (name == "--depth") {
                depth = static_cast<std::size_t>(parse_number(value, "--depth", 1, 64));
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
};

class kv_client {
 public:
    explicit kv_client(const options& chosen) : options_(chosen), connections_(chosen.connections) {
        raise_descriptor_limit();
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
            "{\"operations\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"connections\": %zu, \"depth\": "
            "%zu, "
            "\"p50_us\": %.1f, \"p99_us\": %.1f, \"errors\": %zu}\n",
            static_cast<unsigned long long>(latencies_.count() * options_.depth),
            static_cast<unsigned long long>(bytes_), elapsed, options_.connections, options_.depth,
            microseconds(50), microseconds(99), errors_);
    }

    std::size_t errors() const { return errors_; }

 private:
    struct connection {
        int descriptor = -1;
        std::string request;  // of one burst, and what must come back
        std::string answer;
        std::size_t received = 0;
        unsigned long long turn = 0;
        monotonic::time_point sent_at;
    };

    void connect(std::size_t index) {
        connection& made = connections_[index];
        made.descriptor = check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
        set_option(made.descriptor, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
        const sockaddr_in address = loopback(options_.port);
        check(::connect(made.descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address),
              "connect");
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        event.data.u64 = index;
        check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, made.descriptor, &event), "epoll_ctl");
    }

    /// Key by key a SET, then a GET of what was set: each operation is the next of its connection.
    void compose(std::size_t index, connection& to) const {
        to.request.clear();
        to.answer.clear();
        for (std::size_t each = 0; each < options_.depth; ++each, ++to.turn) {
            char key[32];
            char value[33];
            std::snprintf(key, sizeof key, "key-%zu-%llu", index, to.turn / 2 % 100);
            std::snprintf(value, sizeof value, "%032llu", to.turn / 2);
            if (to.turn % 2 == 0) {
                to.request.append("SET ").append(key).append(" ").append(value).append("\n");
                to.answer += "STORED\n";
            } else {
                to.request.append("GET ").append(key).append("\n");
                to.answer.append("VALUE ").append(value).append("\n");
            }
        }
    }

    bool send(std::size_t index, monotonic::time_point now) {
        connection& to = connections_[index];
        compose(index, to);
        to.received = 0;
        to.sent_at = now;
        const ssize_t sent =
            ::send(to.descriptor, to.request.data(), to.request.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return sent == static_cast<ssize_t>(to.request.size());
    }

    /// Takes in what has come back and sends the next burst when it is whole. The room given to recv is one
    /// byte more than is missing, so that the edge is drained and an answer too long does not go unseen.
    bool receive(std::size_t index, monotonic::time_point& now) {
        connection& from = connections_[index];
        if (from.descriptor < 0) return true;
        const std::size_t missing = from.answer.size() - from.received;
        const ssize_t received = ::recv(from.descriptor, buffer_.data(), missing + 1, MSG_DONTWAIT);
        if (received < 0) return errno == EAGAIN;
        const auto count = static_cast<std::size_t>(received);
        if (count == 0 || count > missing) return false;
        if (std::memcmp(buffer_.data(), from.answer.data() + from.received, count) != 0) return false;
        from.received += count;
        bytes_ += count;
        if (from.received < from.answer.size()) return true;
        now = monotonic::now();
        latencies_.record(static_cast<std::uint64_t>((now - from.sent_at) / std::chrono::nanoseconds(1)));
        return send(index, now);
    }

    void give_up(std::size_t index) {
        ++errors_;
        ::close(std::exchange(connections_[index].descriptor, -1));
    }

    options options_;
    std::vector<connection> connections_;
    std::uint64_t bytes_ = 0;
    std::array<char, 8192> buffer_;
    histogram latencies_;
    std::size_t errors_ = 0;
    int epoll_;
};

}  // namespace

int main(int count, char** arguments) {
    kv_client client(options(count, arguments));
    client.run();
    return client.errors() == 0 ? 0 : 1;
}
