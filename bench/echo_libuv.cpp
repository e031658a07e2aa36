// echo_libuv PORT: an echo server on libuv, as one who knows it would write it.
//
// One receive buffer serves all connections, since what is read is written before the callback returns:
// uv_try_write first, which is one send and no request object. Only what the socket does not take at once is
// copied and queued with uv_write; the connection is not read from until that has left, so that a peer that
// does not read cannot make the queue grow.
#include "common.hpp"

#include <uv.h>

#include <array>
#include <memory>
#include <string_view>
#include <vector>

namespace {

using namespace bench;

struct connection {
    uv_tcp_t handle;
    uv_write_t write;
    std::vector<char> unsent;
};

std::array<char, 65536> receive_buffer;

void check_uv(int result, const char* what) {
    if (result < 0) die("%s: %s", what, uv_strerror(result));
}

uv_stream_t* stream_of(connection* of) { return reinterpret_cast<uv_stream_t*>(&of->handle); }

void close_connection(connection* closing) {
    auto* handle = reinterpret_cast<uv_handle_t*>(&closing->handle);
    if (uv_is_closing(handle)) return;
    uv_close(handle, [](uv_handle_t* closed) { delete static_cast<connection*>(closed->data); });
}

void provide_buffer(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
    *buffer = uv_buf_init(receive_buffer.data(), receive_buffer.size());
}

void received(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
    auto* of = static_cast<connection*>(stream->data);
    if (count == 0) return;  // EAGAIN
    if (count < 0) return close_connection(of);

    const std::string_view bytes(buffer->base, static_cast<std::size_t>(count));
    uv_buf_t whole = uv_buf_init(buffer->base, static_cast<unsigned>(count));
    const int result = uv_try_write(stream, &whole, 1);
    if (result == count) return;
    if (result < 0 && result != UV_EAGAIN) return close_connection(of);

    const std::string_view rest = bytes.substr(result < 0 ? 0 : static_cast<std::size_t>(result));
    of->unsent.assign(rest.begin(), rest.end());
    uv_read_stop(stream);
    uv_buf_t queued = uv_buf_init(of->unsent.data(), static_cast<unsigned>(of->unsent.size()));
    const int queueing = uv_write(&of->write, stream, &queued, 1, [](uv_write_t* request, int status) {
        auto* written = static_cast<connection*>(request->handle->data);
        if (status < 0 || uv_read_start(stream_of(written), provide_buffer, received) < 0) {
            close_connection(written);
        }
    });
    if (queueing < 0) close_connection(of);
}

void connected(uv_stream_t* listener, int status) {
    if (status < 0) return;
    auto made = std::make_unique<connection>();
    check_uv(uv_tcp_init(listener->loop, &made->handle), "uv_tcp_init");
    connection* of = made.release();  // deleted when its handle has been closed
    of->handle.data = of;
    if (uv_accept(listener, stream_of(of)) < 0 || uv_tcp_nodelay(&of->handle, 1) < 0 ||
        uv_read_start(stream_of(of), provide_buffer, received) < 0) {
        close_connection(of);
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::string_view(arguments[1]) == "--version") {
        std::printf("libuv %s\n", uv_version_string());
        return 0;
    }
    if (count != 2) die("usage: %s PORT", arguments[0]);
    const auto port = static_cast<int>(parse_number(arguments[1], "PORT", 1, 65535));
    raise_descriptor_limit();

    uv_loop_t* loop = uv_default_loop();
    uv_tcp_t listener;
    sockaddr_in address;
    check_uv(uv_tcp_init(loop, &listener), "uv_tcp_init");
    check_uv(uv_ip4_addr("127.0.0.1", port, &address), "uv_ip4_addr");
    check_uv(uv_tcp_bind(&listener, reinterpret_cast<const sockaddr*>(&address), 0), "uv_tcp_bind");
    check_uv(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), SOMAXCONN, connected), "uv_listen");
    return uv_run(loop, UV_RUN_DEFAULT);
}
