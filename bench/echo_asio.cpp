// echo_asio PORT [--callbacks]: an echo server on standalone Asio, as one who knows it would write it.
//
// By default with C++20 coroutines, one for each connection, that live in their connection's frame; with
// --callbacks with handlers that own their session. Both on one thread, which Asio is told (concurrency hint
// 1), and with the concrete executor type throughout rather than the type-erased any_io_executor that
// tcp::socket has by default.
#include "common.hpp"

// Asio 1.22, as Debian 12 has it, knows of Clang's coroutines only as they were before C++20.
#if defined(__clang__) && defined(__cpp_impl_coroutine) && !defined(ASIO_HAS_CO_AWAIT)
#define ASIO_HAS_CO_AWAIT 1
#endif
#include <asio.hpp>

#include <array>
#include <memory>
#include <string_view>
#include <utility>

namespace {

using namespace bench;

using executor = asio::io_context::executor_type;
using tcp_acceptor = asio::basic_socket_acceptor<asio::ip::tcp, executor>;
using tcp_socket = asio::basic_stream_socket<asio::ip::tcp, executor>;
constexpr asio::use_awaitable_t<executor> awaitable;

constexpr std::size_t buffer_size = 4096;

asio::awaitable<void, executor> echo(tcp_socket socket) {
    std::array<char, buffer_size> buffer;
    asio::error_code error;  // not exceptions: the end of a connection is not exceptional
    for (;;) {
        const std::size_t received =
            co_await socket.async_read_some(asio::buffer(buffer), asio::redirect_error(awaitable, error));
        if (error) co_return;
        co_await asio::async_write(socket, asio::buffer(buffer.data(), received),
                                   asio::redirect_error(awaitable, error));
        if (error) co_return;
    }
}

asio::awaitable<void, executor> accept_for_coroutines(tcp_acceptor& acceptor) {
    for (;;) {
        tcp_socket accepted = co_await acceptor.async_accept(awaitable);
        asio::co_spawn(acceptor.get_executor(), echo(std::move(accepted)), asio::detached);
    }
}

/// The session belongs to the handler of the operation in flight: no reference counting.
struct session {
    explicit session(tcp_socket&& accepted) : socket(std::move(accepted)) {}

    static void read(std::unique_ptr<session> self) {
        session& of = *self;
        of.socket.async_read_some(asio::buffer(of.buffer),
                                  [self = std::move(self)](asio::error_code error, std::size_t size) mutable {
                                      if (!error) write(std::move(self), size);
                                  });
    }

    static void write(std::unique_ptr<session> self, std::size_t size) {
        session& of = *self;
        asio::async_write(of.socket, asio::buffer(of.buffer.data(), size),
                          [self = std::move(self)](asio::error_code error, std::size_t) mutable {
                              if (!error) read(std::move(self));
                          });
    }

    tcp_socket socket;
    std::array<char, buffer_size> buffer;
};

void accept_for_callbacks(tcp_acceptor& acceptor) {
    acceptor.async_accept([&acceptor](asio::error_code error, tcp_socket accepted) {
        if (!error) session::read(std::make_unique<session>(std::move(accepted)));
        accept_for_callbacks(acceptor);
    });
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::string_view(arguments[1]) == "--version") {
        std::printf("asio %d.%d.%d\n", ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100);
        return 0;
    }
    const bool with_callbacks = count == 3 && std::string_view(arguments[2]) == "--callbacks";
    if (count != 2 && !with_callbacks) die("usage: %s PORT [--callbacks]", arguments[0]);
    const auto port = static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535));
    raise_descriptor_limit();

    asio::io_context context(1);
    // listen_on() has set TCP_NODELAY, which accepted sockets inherit.
    tcp_acceptor acceptor(context, asio::ip::tcp::v4(), listen_on(port, 0));
    if (with_callbacks) {
        accept_for_callbacks(acceptor);
    } else {
        asio::co_spawn(context, accept_for_coroutines(acceptor), asio::detached);
    }
    context.run();
}
