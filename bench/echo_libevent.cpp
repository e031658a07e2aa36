// echo_libevent PORT [--bufferevent]: an echo server on libevent, as one who knows it would write it.
//
// By default with plain events: one persistent read event for each connection on a base without locks, recv
// into one buffer that serves all connections, and send at once. Only what the socket does not take is kept,
// with a write event in place of the read event until it has left. This is the faster of libevent's two
// interfaces; with --bufferevent the server uses the more convenient one, which writes only once a write
// event has fired and so changes the interest of the socket twice for each message.
#include "common.hpp"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <array>
#include <string_view>
#include <vector>

namespace {

using namespace bench;

std::array<char, 65536> receive_buffer;

struct connection {
    connection(event_base* base, evutil_socket_t socket)
        : descriptor(socket),
          readable(event_new(base, socket, EV_READ | EV_PERSIST, on_readable, this)),
          writable(event_new(base, socket, EV_WRITE | EV_PERSIST, on_writable, this)) {
        if (!readable || !writable || event_add(readable, nullptr) != 0) die("libevent: no event");
    }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection() {
        event_free(readable);
        event_free(writable);
        evutil_closesocket(descriptor);
    }

    static void on_readable(evutil_socket_t descriptor, short, void* argument) {
        auto* self = static_cast<connection*>(argument);
        const ssize_t received = ::recv(descriptor, receive_buffer.data(), receive_buffer.size(), 0);
        if (received < 0 && errno == EAGAIN) return;
        if (received <= 0) {
            delete self;
            return;
        }
        const std::string_view bytes(receive_buffer.data(), static_cast<std::size_t>(received));
        ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent == received) return;
        if (sent < 0) {
            if (errno != EAGAIN) {
                delete self;
                return;
            }
            sent = 0;
        }
        self->unsent.assign(bytes.begin() + sent, bytes.end());
        event_del(self->readable);
        event_add(self->writable, nullptr);
    }

    static void on_writable(evutil_socket_t descriptor, short, void* argument) {
        auto* self = static_cast<connection*>(argument);
        const ssize_t sent = ::send(descriptor, self->unsent.data(), self->unsent.size(), MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) delete self;
            return;
        }
        self->unsent.erase(self->unsent.begin(), self->unsent.begin() + sent);
        if (!self->unsent.empty()) return;
        event_del(self->writable);
        event_add(self->readable, nullptr);
    }

    evutil_socket_t descriptor;
    event* readable;
    event* writable;
    std::vector<char> unsent;
};

void accepted(evconnlistener* listener, evutil_socket_t descriptor, sockaddr*, int, void*) {
    new connection(evconnlistener_get_base(listener), descriptor);  // deletes itself at the end
}

void accepted_for_bufferevent(evconnlistener* listener, evutil_socket_t descriptor, sockaddr*, int, void*) {
    bufferevent* made =
        bufferevent_socket_new(evconnlistener_get_base(listener), descriptor, BEV_OPT_CLOSE_ON_FREE);
    if (!made) die("libevent: no bufferevent");
    const auto read = [](bufferevent* from, void*) {
        bufferevent_write_buffer(from, bufferevent_get_input(from));  // moves the chain, copies nothing
    };
    const auto over = [](bufferevent* of, short, void*) { bufferevent_free(of); };
    bufferevent_setcb(made, read, nullptr, over, nullptr);
    bufferevent_enable(made, EV_READ | EV_WRITE);
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::string_view(arguments[1]) == "--version") {
        std::printf("libevent %s\n", event_get_version());
        return 0;
    }
    const bool with_bufferevents = count == 3 && std::string_view(arguments[2]) == "--bufferevent";
    if (count != 2 && !with_bufferevents) die("usage: %s PORT [--bufferevent]", arguments[0]);
    const auto port = static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535));
    raise_descriptor_limit();

    event_config* config = event_config_new();
    if (!config || event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) != 0) die("libevent: no config");
    event_base* base = event_base_new_with_config(config);
    if (!base) die("libevent: no base");
    event_config_free(config);

    // listen_on() has set TCP_NODELAY, which accepted sockets inherit.
    evconnlistener* listener =
        evconnlistener_new(base, with_bufferevents ? accepted_for_bufferevent : accepted, nullptr,
                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listen_on(port, SOCK_NONBLOCK));
    if (!listener) die("libevent: no listener");
    return event_base_dispatch(base);
}
