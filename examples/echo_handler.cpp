// An echo server with handlers (the Reactor pattern): echo_handler [PORT [ENGINE]]
#include <naru/naru.hpp>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>

#include <sys/socket.h>
#include <unistd.h>

namespace {

// [readme]
struct echo_peer {
    naru::reactor& events;
    int socket;
    naru::handle registration{};

    void on_readable() noexcept {
        std::array<char, 4096> data;
        const ssize_t got = recv(socket, data.data(), data.size(), 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) return finish();
        if (got > 0 && send(socket, data.data(), static_cast<size_t>(got), MSG_NOSIGNAL) != got) finish();
    }
    void on_writable() noexcept {}
    void on_error(std::error_code) noexcept { finish(); }
    void finish() noexcept {
        events.remove(registration);  // closes the socket, too
        delete this;                  // safe, also in the middle of a batch
    }
};

// Connections that cannot be taken stay in the kernel's queue, and the listener stays readable: without a
// pause the loop would do nothing else (naru::acceptor has it built in).
struct echo_listener : naru::timer {
    echo_listener(naru::loop& on, naru::reactor& in, int listening) noexcept
        : timer([](timer& self) noexcept { static_cast<echo_listener&>(self).listen(); }),
          loop(on),
          events(in),
          socket(listening) {}

    naru::loop& loop;
    naru::reactor& events;
    int socket;
    naru::handle registration{};
    naru::duration pause{0};

    void listen() noexcept { events.modify(registration, naru::event_interest::readable); }
    void on_readable() noexcept {
        const int accepted = accept4(socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) {
            if (!naru::is_shortage({errno, std::system_category()})) return;
            pause = naru::next_accept_pause(pause);
            events.modify(registration, naru::event_interest::none);
            loop.arm(*this, naru::clock::now() + pause);
            return;
        }
        pause = naru::duration(0);
        auto* peer = new echo_peer{events, accepted};
        const auto added = events.add(accepted, *peer, naru::event_interest::readable);
        if (added) {
            peer->registration = *added;
        } else {
            delete peer;
        }
    }
    void on_writable() noexcept {}
    void on_error(std::error_code) noexcept {}
};
// [readme]

}  // namespace

int main(int argc, char** argv) try {
    const std::string where = std::string("127.0.0.1:") + (argc > 1 ? argv[1] : "7777");
    const auto engine = naru::engine_named(argc > 2 ? argv[2] : "auto");
    if (!engine || !naru::address::parse(where))
        throw std::runtime_error("usage: echo_handler [PORT [ENGINE]]");
    naru::loop loop(naru::choose_backend(*engine));
    naru::reactor events(loop);
    auto socket = naru::listen_on(naru::address::parse(where).value(), {});
    if (!socket) throw std::system_error(socket.error(), "cannot listen on " + where);
    echo_listener listener(loop, events, socket->release());
    const auto added = events.add(listener.socket, listener, naru::event_interest::readable);
    if (!added) throw std::system_error(added.error(), "cannot watch the listener");
    listener.registration = *added;
    std::printf("listening on %s\n", naru::address::local_of(listener.socket)->text().c_str());
    std::fflush(stdout);
    loop.run();
} catch (const std::exception& error) {
    std::fprintf(stderr, "echo_handler: %s\n", error.what());
    return 1;
}
