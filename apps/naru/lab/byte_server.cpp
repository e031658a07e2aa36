#include <lab/byte_server.hpp>

#include <naru/os/socket.hpp>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace naru::lab {

namespace {

struct client {
    unique_descriptor socket;
    std::string input;
};

class byte_server {
 public:
    byte_server(int listener, const handler& answering, const byte_server_options& options)
        : listener_(listener),
          handler_(answering),
          options_(options),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (!epoll_) throw std::system_error(errno, std::generic_category(), "epoll_create1");
        epoll_event event{};
        event.events = EPOLLIN;
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_, &event) != 0)
            throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }

    void run() {
        std::array<epoll_event, limits::events_per_wait> events;
        while (true) {
            const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
            if (count < 0 && errno != EINTR) return;
            for (int index = 0; index < count; ++index) {
                auto* const who = static_cast<client*>(events[static_cast<std::size_t>(index)].data.ptr);
                if (who == nullptr) {
                    accept_one();
                } else if (!on_event(*who)) {
                    delete who;  // its descriptor leaves the epoll set as it is closed; one event each per
                                 // wait
                }
            }
        }
    }

 private:
    void accept_one() {
        auto who = std::make_unique<client>();
        who->socket.reset(::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!who->socket) return;
        epoll_event event{};
        event.events = EPOLLIN | (options_.edge_triggered ? static_cast<std::uint32_t>(EPOLLET) : 0u);
        event.data.ptr = who.get();
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, who->socket.get(), &event) == 0) (void)who.release();
    }

    /// False when the connection has ended.
    bool on_event(client& who) {
        while (true) {
            const ssize_t received = ::recv(who.socket.get(), buffer_.data(), options_.read_bytes, 0);
            if (received < 0) return errno == EAGAIN || errno == EINTR;
            if (received == 0) return false;
            who.input.append(buffer_.data(), static_cast<std::size_t>(received));
            if (!answer(who)) return false;
            if (!options_.drain) return true;
        }
    }

    // A head ends with an empty line: nothing is parsed before. Answers are small here and fit the socket's
    // buffer; a peer that does not take them loses its connection.
    bool answer(client& who) {
        if (!who.input.ends_with("\r\n\r\n")) return who.input.size() < request_bytes;
        std::array<slice, answers_per_write> slices;
        const handler::outcome done = handler_.answer(who.input, slices);
        who.input.erase(0, done.used);
        for (const slice& each : std::span(slices).first(done.answers)) {
            const ssize_t sent = ::send(who.socket.get(), each.data, each.size, MSG_NOSIGNAL);
            if (sent != static_cast<ssize_t>(each.size)) return false;
        }
        return !done.end;
    }

    int listener_;
    const handler& handler_;
    const byte_server_options& options_;
    unique_descriptor epoll_;
    std::array<char, limits::buffer_bytes> buffer_{};
};

}  // namespace

void serve_bytewise(int listener, const handler& answering, const byte_server_options& options) {
    byte_server(listener, answering, options).run();
}

}  // namespace naru::lab
