// The key-value example's protocol with Asio's coroutines: kv_asio PORT
#include "../examples/key_value_store.hpp"

#include "common.hpp"

// Asio 1.22, as Debian 12 has it, knows of Clang's coroutines only as they were before C++20.
#if defined(__clang__) && defined(__cpp_impl_coroutine) && !defined(ASIO_HAS_CO_AWAIT)
#define ASIO_HAS_CO_AWAIT 1
#endif
#include <asio.hpp>

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace bench;

// The concrete executor: any_io_executor's type erasure would cost what nobody needs here.
using executor = asio::io_context::executor_type;
using tcp_acceptor = asio::basic_socket_acceptor<asio::ip::tcp, executor>;
using tcp_socket = asio::basic_stream_socket<asio::ip::tcp, executor>;
constexpr asio::use_awaitable_t<executor> awaitable;

asio::awaitable<void, executor> serve(tcp_socket socket, key_value::store& store) {
    std::array<char, 4096> buffer;
    std::string answers;
    std::string begun;
    asio::error_code error;  // not exceptions: the end of a connection is not exceptional
    for (;;) {
        const std::size_t received =
            co_await socket.async_read_some(asio::buffer(buffer), asio::redirect_error(awaitable, error));
        if (error) co_return;
        std::string_view input(buffer.data(), received);
        if (!begun.empty()) input = begun.append(input);
        answers.clear();
        if (!key_value::answer(store, input, answers)) co_return;
        std::string rest(input);
        begun.swap(rest);
        co_await asio::async_write(socket, asio::buffer(answers), asio::redirect_error(awaitable, error));
        if (error) co_return;
    }
}

asio::awaitable<void, executor> accept_all(tcp_acceptor& acceptor, key_value::store& store) {
    for (;;) {
        tcp_socket accepted = co_await acceptor.async_accept(awaitable);
        asio::co_spawn(acceptor.get_executor(), serve(std::move(accepted), store), asio::detached);
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::string_view(arguments[1]) == "--version") {
        std::printf("asio %d.%d.%d\n", ASIO_VERSION / 100000, ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100);
        return 0;
    }
    if (count != 2) die("usage: %s PORT", arguments[0]);
    const auto port = static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535));
    raise_descriptor_limit();
    key_value::store store;
    asio::io_context context(1);
    // listen_on() has set TCP_NODELAY, which accepted sockets inherit.
    tcp_acceptor acceptor(context, asio::ip::tcp::v4(), listen_on(port, 0));
    asio::co_spawn(context, accept_all(acceptor, store), asio::detached);
    context.run();
}
