#include <lab/threads_server.hpp>

#include <naru/core/limits.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <fmt/format.h>

namespace naru::lab {

namespace {

struct accepted {
    int socket;
    const handler& answering;
};

// All slices, however many writes that takes.
bool send_all(int socket, std::span<slice> slices) {
    std::uint64_t left = total_size(slices);
    while (left > 0) {
        msghdr message{};
        message.msg_iov = reinterpret_cast<iovec*>(slices.data());
        message.msg_iovlen = slices.size();
        const ssize_t sent = slices.size() == 1
                                 ? ::send(socket, slices.front().data, slices.front().size, MSG_NOSIGNAL)
                                 : ::sendmsg(socket, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return false;
        advance(slices, static_cast<std::size_t>(sent));
        left -= static_cast<std::uint64_t>(sent);
    }
    return true;
}

void serve_connection(int socket, const handler& answering) {
    std::array<char, limits::buffer_bytes> input;  // on the stack: its pages count when they are touched
    std::array<slice, answers_per_write> slices;
    std::size_t filled = 0;
    while (true) {
        const ssize_t received = ::recv(socket, input.data() + filled, input.size() - filled, 0);
        if (received < 0 && errno == EINTR) continue;
        if (received <= 0) return;
        filled += static_cast<std::size_t>(received);
        std::size_t used = 0;
        while (used < filled) {
            const handler::outcome done =
                answering.answer(std::string_view(input.data() + used, filled - used), slices);
            if (done.answers == 0) break;
            used += done.used;
            if (!send_all(socket, std::span(slices).first(done.answers)) || done.end) return;
        }
        filled -= used;
        if (used > 0) std::memmove(input.data(), input.data() + used, filled);
        if (filled == input.size()) return;
    }
}

void* thread_body(void* argument) {
    const accepted mine = *static_cast<accepted*>(argument);
    delete static_cast<accepted*>(argument);
    serve_connection(mine.socket, mine.answering);
    ::close(mine.socket);
    return nullptr;
}

int accept_blocking(int listener) {
    while (true) {
        const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket >= 0 || (errno != EINTR && errno != ECONNABORTED)) return socket;
    }
}

}  // namespace

void serve_with_threads(int listener, const handler& answering,
                        const std::function<void(std::string_view)>& report) {
    constexpr int pause_milliseconds = 50;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int reported = 0;
    const auto say = [&](const char* what, int error) {
        if (error == std::exchange(reported, error)) return;
        report(fmt::format("{}: {}", what, std::generic_category().message(error)));
    };
    while (true) {
        const int socket = accept_blocking(listener);
        if (socket < 0) {
            const int error = errno;
            if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM) break;
            say("no connection can be accepted", error);
            (void)::poll(nullptr, 0, pause_milliseconds);  // until some have ended
            continue;
        }
        auto* const mine = new accepted{socket, answering};
        pthread_t made{};
        if (const int error = pthread_create(&made, &detached, thread_body, mine); error != 0) {
            say("no thread can be made", error);
            ::close(socket);
            delete mine;
        }
    }
    pthread_attr_destroy(&detached);
}

}  // namespace naru::lab
