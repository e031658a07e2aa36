// The epoll floor: the least work with which a readiness loop can answer HTTP requests, as a yardstick for
// naru's epoll engine. There is no parser, no timer, no file and no memory management: it counts "\r\n\r\n"
// in what it receives and sends as many copies of one prebuilt response, whose bytes are given in a file (the
// benchmark takes them from naru's own answer, so that both put the same bytes on the wire).
//
//     floor_epoll PORT RESPONSE_FILE     answers every request with the bytes of the file
//     floor_epoll PORT --echo            sends back what it receives
//
// One thread. Connections are registered once, edge-triggered (EPOLLIN | EPOLLRDHUP | EPOLLET), and never
// touched again with epoll_ctl: closing the socket takes it out of the set. Per event there is one recv (more
// only if it filled the buffer, as an edge must be drained) and one send of all the answers. A connection
// whose peer does not take the whole answer at once is closed: a floor does not queue.
#include "floor.hpp"

#include <sys/epoll.h>

#include <array>
#include <memory>
#include <vector>

namespace {

using namespace bench;

class epoll_floor {
 public:
    explicit epoll_floor(const floor_options& options) : scanners_(raise_descriptor_limit()) {
        if (options.response_file) responses_ = std::make_unique<prebuilt_responses>(options.response_file);
        listener_ = listen_on(options.port, SOCK_NONBLOCK);
        epoll_ = check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
        if (!add(listener_, EPOLLIN)) die("epoll_ctl: %s", std::strerror(errno));
    }

    [[noreturn]] void run() {
        std::array<epoll_event, 512> events;
        for (;;) {
            const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
            if (ready < 0 && errno != EINTR) die("epoll_wait: %s", std::strerror(errno));
            for (int i = 0; i < ready; ++i) {
                const epoll_event& event = events[static_cast<std::size_t>(i)];
                if (event.data.fd == listener_) {
                    accept_all();
                } else if (!serve(event.data.fd, event.events)) {
                    // A descriptor has one event in a batch, so that this number is not used again in it.
                    ::close(event.data.fd);
                }
            }
        }
    }

 private:
    bool add(int descriptor, std::uint32_t interest) {
        epoll_event event{};
        event.events = interest;
        event.data.fd = descriptor;
        return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0;
    }

    void accept_all() {
        for (;;) {
            const int accepted = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (accepted < 0) {
                if (errno == EAGAIN) return;
                if (errno == EINTR || errno == ECONNABORTED) continue;
                die("accept4: %s", std::strerror(errno));  // no descriptors left: the load is not for a floor
            }
            scanners_[static_cast<std::size_t>(accepted)] = {};
            if (!add(accepted, EPOLLIN | EPOLLRDHUP | EPOLLET)) ::close(accepted);
        }
    }

    /// False: the connection is over.
    bool serve(int connection, std::uint32_t events) {
        ssize_t received;
        do {
            received = ::recv(connection, buffer_.data(), buffer_.size(), 0);
            if (received < 0) return errno == EAGAIN;
            if (received == 0) return false;
            if (!answer(connection, {buffer_.data(), static_cast<std::size_t>(received)})) return false;
        } while (static_cast<std::size_t>(received) == buffer_.size());
        // With the end of the stream already reported there will be no further edge to wait for.
        return (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0;
    }

    bool answer(int connection, std::string_view received) {
        if (!responses_) return send_whole(connection, received);
        std::size_t requests = scanners_[static_cast<std::size_t>(connection)].scan(received);
        while (requests > 0) {
            if (!send_whole(connection, responses_->take(requests))) return false;
        }
        return true;
    }

    static bool send_whole(int connection, std::string_view bytes) {
        const ssize_t sent = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        return sent == static_cast<ssize_t>(bytes.size());
    }

    std::vector<terminator_scanner> scanners_;  // by descriptor
    std::unique_ptr<prebuilt_responses> responses_;
    int listener_;
    int epoll_;
    std::array<char, 16384> buffer_;
};

}  // namespace

int main(int count, char** arguments) {
    // On the heap: the receive buffer is part of it.
    std::make_unique<epoll_floor>(floor_options(count, arguments))->run();
}
