// Idle keep-alive connections, for the benchmarks of what they cost a server.
//
//     idle_clients PORT COUNT [--path /] [--sources 8] [--in-flight 64]
//
// Opens COUNT connections to 127.0.0.1:PORT, sends one GET on each, reads the whole answer (which must be a
// 200 with a Content-Length and leave the connection open), then prints "held COUNT" and holds all of them
// until standard input ends. Exit status 0: all were still open then. Otherwise 1, after one line that says
// what happened.
//
// The connections come from 127.0.0.2 and the addresses after it (IP_BIND_ADDRESS_NO_PORT: a port has to be
// free only towards this server), and at most as many as --in-flight says are between connect and the end of
// their answer at any time, so that no server's backlog overflows. They end with a reset: tens of thousands
// of sockets in TIME_WAIT would get in the way of the measurement that comes next.
#include "common.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace bench;
using monotonic = std::chrono::steady_clock;

struct options {
    std::uint16_t port = 0;
    std::size_t count = 0;
    std::size_t sources = 8;
    std::size_t in_flight = 64;
    std::string path = "/";

    options(int count_of_arguments, char** arguments) {
        const auto usage = [arguments] {
            die("usage: %s PORT COUNT [--path PATH] [--sources N] [--in-flight N]", arguments[0]);
        };
        if (count_of_arguments < 3 || count_of_arguments % 2 != 1) usage();
        port = static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535));
        count = static_cast<std::size_t>(parse_number(arguments[2], "COUNT", 1, 1000000));
        for (int i = 3; i < count_of_arguments; i += 2) {
            const std::string_view name = arguments[i];
            const char* value = arguments[i + 1];
            if (name == "--path") {
                path = value;
            } else if (name == "--sources") {
                sources = static_cast<std::size_t>(parse_number(value, "--sources", 1, 200));
            } else if (name == "--in-flight") {
                in_flight = static_cast<std::size_t>(parse_number(value, "--in-flight", 1, 1024));
            } else {
                usage();
            }
        }
    }
};

bool equal_ignoring_case(std::string_view left, std::string_view right) {
    return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                      [](char a, char b) { return (a | 0x20) == (b | 0x20); });
}

/// The value of a header field in a block of header lines.
std::optional<std::string_view> header_field(std::string_view head, std::string_view name) {
    for (std::size_t line = head.find("\r\n"); line != head.npos; line = head.find("\r\n", line)) {
        line += 2;
        const std::string_view field = head.substr(line, head.find("\r\n", line) - line);
        const std::size_t colon = field.find(':');
        if (colon == field.npos || !equal_ignoring_case(field.substr(0, colon), name)) continue;
        std::string_view value = field.substr(colon + 1);
        value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
        return value;
    }
    return std::nullopt;
}

/// Whether `answer` is a whole one; ends the process if it is not one to hold a connection after.
bool is_whole(std::string_view answer) {
    const std::size_t end_of_head = answer.find("\r\n\r\n");
    if (end_of_head == answer.npos) return false;
    const std::string_view head = answer.substr(0, end_of_head);
    const std::string status(head.substr(0, head.find("\r\n")));
    if (!status.starts_with("HTTP/1.1 200")) die("idle_clients: the server answered '%s'", status.c_str());
    const auto length = header_field(head, "Content-Length");
    std::size_t body = 0;
    if (!length || std::from_chars(length->begin(), length->end(), body).ec != std::errc()) {
        die("idle_clients: the answer has no Content-Length");
    }
    const auto connection = header_field(head, "Connection");
    if (connection && equal_ignoring_case(*connection, "close")) {
        die("idle_clients: the server does not keep the connection alive");
    }
    const std::size_t expected = end_of_head + 4 + body;
    if (answer.size() > expected) die("idle_clients: the server sent more than its Content-Length");
    return answer.size() == expected;
}

class idle_clients {
 public:
    explicit idle_clients(const options& chosen)
        : options_(chosen),
          request_("GET " + chosen.path + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(chosen.port) +
                   "\r\n\r\n") {
        const std::size_t limit = raise_descriptor_limit();
        constexpr std::size_t others = 16;  // standard streams, epoll, whatever has been inherited
        if (chosen.count + others > limit) {
            die("idle_clients: %zu connections need RLIMIT_NOFILE %zu, its hard limit is %zu", chosen.count,
                chosen.count + others, limit);
        }
        epoll_ = check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
        connections_.resize(chosen.count);
    }

    void open_all() {
        std::size_t answered = 0;
        std::size_t opened = 0;
        std::array<epoll_event, 256> events;
        while (answered < connections_.size()) {
            while (opened < connections_.size() && opened - answered < options_.in_flight)
                connect(opened++);
            const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 10000);
            if (ready < 0 && errno != EINTR) die("epoll_wait: %s", std::strerror(errno));
            if (ready == 0) {
                die("idle_clients: the server has stopped answering, after %zu of %zu connections", answered,
                    connections_.size());
            }
            for (int i = 0; i < ready; ++i) {
                if (proceed(events[static_cast<std::size_t>(i)])) ++answered;
            }
        }
    }

    /// Returns when standard input has ended, with how many connections the server has closed (or has sent
    /// anything more on) meanwhile.
    std::size_t hold() {
        epoll_event input{};
        input.events = EPOLLIN;
        input.data.u64 = standard_input;
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0) {
            if (errno != EPERM) die("epoll_ctl of standard input: %s", std::strerror(errno));
            return lost_;  // a file or /dev/null: nothing to wait for
        }
        std::array<epoll_event, 256> events;
        for (;;) {
            const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
            for (int i = 0; i < ready; ++i) {
                const epoll_event& event = events[static_cast<std::size_t>(i)];
                if (event.data.u64 != standard_input) {
                    lose_if_over(event);
                } else if (std::array<char, 256> ignored;
                           ::read(STDIN_FILENO, ignored.data(), ignored.size()) <= 0) {
                    return lost_;
                }
            }
        }
    }

    void reset_all() {
        for (const connection& each : connections_) {
            const linger at_once{.l_onoff = 1, .l_linger = 0};
            ::setsockopt(each.descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            ::close(each.descriptor);
        }
    }

 private:
    enum class phase : std::uint8_t { connecting, answering, idle, lost };

    struct connection {
        int descriptor = -1;
        phase now = phase::connecting;
        std::unique_ptr<std::string> answer;  // only while it is on its way
    };

    void connect(std::size_t index) {
        const int made = check(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
        set_option(made, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, "IP_BIND_ADDRESS_NO_PORT");
        set_option(made, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
        sockaddr_in source = loopback(0);
        source.sin_addr.s_addr =
            htonl(INADDR_LOOPBACK + 1 + static_cast<std::uint32_t>(index % options_.sources));
        check(::bind(made, reinterpret_cast<const sockaddr*>(&source), sizeof source), "bind");
        const sockaddr_in server = loopback(options_.port);
        if (::connect(made, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0 &&
            errno != EINPROGRESS) {
            fail(index, "connect", errno);
        }
        connections_[index].descriptor = made;
        connections_[index].answer = std::make_unique<std::string>();
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        event.data.u64 = index;
        check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, made, &event), "epoll_ctl");
    }

    /// True: the answer has become whole with this event.
    bool proceed(const epoll_event& event) {
        const std::size_t index = event.data.u64;
        connection& of = connections_[index];
        if (of.now == phase::idle || of.now == phase::lost) {
            lose_if_over(event);
            return false;
        }
        if (of.now == phase::connecting) {
            int error = 0;
            socklen_t size = sizeof error;
            check(::getsockopt(of.descriptor, SOL_SOCKET, SO_ERROR, &error, &size), "getsockopt");
            if (error != 0) fail(index, "connect", error);
            if ((event.events & EPOLLOUT) == 0) return false;
            const ssize_t sent = ::send(of.descriptor, request_.data(), request_.size(), MSG_NOSIGNAL);
            if (sent != static_cast<ssize_t>(request_.size()))
                fail(index, "send", sent < 0 ? errno : EMSGSIZE);
            of.now = phase::answering;
        }
        for (;;) {
            std::array<char, 16384> buffer;
            const ssize_t received = ::recv(of.descriptor, buffer.data(), buffer.size(), 0);
            if (received < 0 && errno == EAGAIN) return false;
            if (received < 0) fail(index, "recv", errno);
            if (received == 0) fail(index, "the server closed the connection before its whole answer", 0);
            of.answer->append(buffer.data(), static_cast<std::size_t>(received));
            if (!is_whole(*of.answer)) continue;
            of.answer.reset();
            of.now = phase::idle;
            epoll_event rest = event;
            rest.events &= ~std::uint32_t{EPOLLIN};  // that was the answer
            lose_if_over(rest);
            return true;
        }
    }

    /// An event on an idle connection: all but room to send is the end of it.
    void lose_if_over(const epoll_event& event) {
        connection& of = connections_[event.data.u64];
        if ((event.events & ~std::uint32_t{EPOLLOUT}) == 0 || of.now == phase::lost) return;
        of.now = phase::lost;
        ++lost_;
    }

    [[noreturn]] static void fail(std::size_t index, const char* what, int error) {
        if (error == 0) die("idle_clients: connection %zu: %s", index + 1, what);
        die("idle_clients: connection %zu: %s: %s", index + 1, what, std::strerror(error));
    }

    static constexpr std::uint64_t standard_input = ~std::uint64_t{0};

    options options_;
    std::string request_;
    std::vector<connection> connections_;
    std::size_t lost_ = 0;
    int epoll_;
};

}  // namespace

int main(int count, char** arguments) {
    const options chosen(count, arguments);
    idle_clients clients(chosen);
    clients.open_all();
    std::printf("held %zu\n", chosen.count);
    std::fflush(stdout);
    const std::size_t lost = clients.hold();
    clients.reset_all();
    if (lost > 0) die("idle_clients: the server closed %zu of %zu idle connections", lost, chosen.count);
}
