// The key-value example's protocol on a plain epoll loop, as one would write it by hand: kv_epoll PORT
//
// One thread; connections are registered once, edge-triggered. Per event one recv, more only if it filled the
// buffer, and one send of all the answers. Half a request is kept beside its connection; a connection whose
// peer does not take the whole answer at once is closed.
#include "../examples/key_value_store.hpp"

#include "common.hpp"

#include <sys/epoll.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace bench;

class server {
 public:
    explicit server(std::uint16_t port) : begun_(raise_descriptor_limit()) {
        listener_ = listen_on(port, SOCK_NONBLOCK);
        epoll_ = check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
        add(listener_, EPOLLIN);
    }

    [[noreturn]] void run() {
        std::array<epoll_event, 512> events;
        for (;;) {
            const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
            if (ready < 0 && errno != EINTR) die("epoll_wait: %s", std::strerror(errno));
            for (int i = 0; i < ready; ++i) {
                const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
                if (descriptor == listener_) {
                    accept_all();
                } else if (!serve(descriptor)) {
                    ::close(descriptor);
                }
            }
        }
    }

 private:
    void add(int descriptor, std::uint32_t interest) {
        epoll_event event{};
        event.events = interest;
        event.data.fd = descriptor;
        check(::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
    }

    void accept_all() {
        for (;;) {
            const int accepted = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (accepted < 0) return;
            begun_[static_cast<std::size_t>(accepted)].clear();
            add(accepted, EPOLLIN | EPOLLRDHUP | EPOLLET);
        }
    }

    bool serve(int connection) {
        std::string& begun = begun_[static_cast<std::size_t>(connection)];
        for (;;) {
            const ssize_t received = ::recv(connection, buffer_.data(), buffer_.size(), 0);
            if (received < 0) return errno == EAGAIN;
            if (received == 0) return false;
            std::string_view input(buffer_.data(), static_cast<std::size_t>(received));
            if (!begun.empty()) input = begun.append(input);
            answers_.clear();
            if (!key_value::answer(store_, input, answers_)) return false;
            std::string rest(input);
            begun.swap(rest);
            const ssize_t sent = ::send(connection, answers_.data(), answers_.size(), MSG_NOSIGNAL);
            if (sent != static_cast<ssize_t>(answers_.size())) return false;
            if (static_cast<std::size_t>(received) < buffer_.size()) return true;
        }
    }

    key_value::store store_;
    std::vector<std::string> begun_;  // by descriptor
    std::string answers_;
    int listener_;
    int epoll_;
    std::array<char, 16384> buffer_;
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) die("usage: %s PORT", arguments[0]);
    static server serving(static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535)));
    serving.run();
}
