// The echo server of docs/io_uring.md: the same handlers over one engine after another, and over io_uring
// with parts of it switched on or off.
//
//     echo_naru PORT VARIANT
#include <naru/backend/choose_backend.hpp>
#include <naru/backend/uring/backend.hpp>
#include <naru/core/object_pool.hpp>
#include <naru/net/acceptor.hpp>
#include <naru/os/address.hpp>
#include <naru/os/socket.hpp>

#include <cstdio>
#include <functional>
#include <map>
#include <string>

namespace {

using namespace naru;

class echo_server;

// One operation at a time: what has been received is sent back, then the next is received.
struct connection : receive_operation {
    connection(echo_server& of, handle peer) noexcept;
    static void received(operation& op) noexcept;
    void end() noexcept;

    struct answer : send_operation {
        explicit answer(connection& of) noexcept
            : send_operation([](operation& op) noexcept { static_cast<answer&>(op).owner.answered(); }),
              owner(of) {}
        connection& owner;
    } reply{*this};
    void answered() noexcept;

    echo_server& server;
    const std::byte* buffer = nullptr;
};

class echo_server {
 public:
    echo_server(loop& on, handle listener) : loop_(on), acceptor_(on, listener, events()) {
        acceptor_.start();
    }

    loop& loop_;
    object_pool<connection> connections_;

 private:
    acceptor::events events() noexcept {
        return {[](void* self, handle accepted) noexcept {
                    auto& server = *static_cast<echo_server*>(self);
                    server.loop_.submit(server.connections_.make(server, accepted));
                },
                nullptr, nullptr, nullptr, this};
    }
    acceptor acceptor_;
};

connection::connection(echo_server& of, handle peer) noexcept
    : receive_operation(&connection::received), server(of) {
    set(peer);
}

void connection::received(operation& op) noexcept {
    auto& self = static_cast<connection&>(op);
    if (op.failed()) return self.end();
    self.buffer = op.data;
    self.reply.set(op.target, bytes_view(op.data, static_cast<std::size_t>(op.result)));
    self.server.loop_.submit(self.reply);
}

void connection::answered() noexcept {
    server.loop_.buffers().release(buffer);
    if (reply.failed()) return end();
    server.loop_.submit(*this);
}

void connection::end() noexcept {
    server.loop_.close(target);
    server.connections_.destroy(*this);
}

const std::map<std::string, std::function<std::unique_ptr<backend>()>> variants{
    {"epoll", [] { return choose_backend(engine::epoll); }},
    {"io_uring", [] { return choose_backend(engine::io_uring); }},
    {"io_uring-sqpoll", [] { return choose_backend(engine::io_uring_sqpoll); }},
    {"io_uring-single-shot",
     [] {
         uring_options options;
         options.multishot_accept = options.multishot_recv = false;
         return choose_backend(engine::io_uring, options);
     }},
    {"io_uring-bundles",
     [] {
         uring_options options;
         options.bundles_from_the_start = true;
         return choose_backend(engine::io_uring, options);
     }},
    {"io_uring-zero-copy",
     [] {
         uring_options options;
         options.zero_copy_from = 1;
         return choose_backend(engine::io_uring, options);
     }},
    {"io_uring-direct",
     [] {
         uring_options options;
         options.direct_descriptors = uring_options::direct::always;
         return choose_backend(engine::io_uring, options);
     }},
};

}  // namespace

int main(int count, char** arguments) try {
    const auto found = count == 3 ? variants.find(arguments[2]) : variants.end();
    if (found == variants.end()) {
        std::fprintf(stderr, "usage: echo_naru PORT VARIANT, of:");
        for (const auto& [name, make] : variants)
            std::fprintf(stderr, " %s", name.c_str());
        std::fprintf(stderr, "\n");
        return 2;
    }
    naru::loop on(found->second());
    auto socket = naru::listen_on(naru::address::parse(std::string("127.0.0.1:") + arguments[1]).value(), {});
    if (!socket) throw std::system_error(socket.error(), "cannot listen");
    echo_server server(on, on.attach(socket->release(), naru::descriptor_kind::listener).value());
    on.run();
} catch (const std::exception& error) {
    std::fprintf(stderr, "echo_naru: %s\n", error.what());
    return 1;
}
