// Thousands of connections that come and go at random: afterwards everything is as it was.
#include "support/conformance.hpp"

#include <deque>
#include <random>
#include <unordered_set>
#include <vector>

namespace naru::testing {
namespace {

class Churn : public conformance {};
NARU_ON_EVERY_BACKEND(Churn);

/// An echo server out of operations, whose connections end in every way there is.
class echo_server {
 public:
    echo_server(loop& on, handle listener, std::uint32_t seed)
        : loop_(on),
          random_(seed),
          accepts_(
              on, listener,
              {
                  .on_connection =
                      [](void* self, handle made) noexcept { static_cast<echo_server*>(self)->accept(made); },
                  .on_pause = nullptr,
                  .on_failure = nullptr,
                  .on_stopped = [](void* self) noexcept { static_cast<echo_server*>(self)->stopped = true; },
                  .context = this,
              }) {
        accepts_.start();
    }

    void stop() { accepts_.stop(); }
    void close_all() {
        for (connection* each : connections_)
            each->close();
    }
    std::size_t size() const { return connections_.size(); }
    std::size_t accepted = 0;
    std::size_t echoed = 0;
    bool stopped = false;

 private:
    struct connection {
        connection(echo_server& of, handle made)
            : server(of), socket(made), recv(made), send(made, ""), close_op(operation_kind::close, made) {
            recv.then = [this] { received(); };
            send.then = [this] { sent(); };
            close_op.then = [this] { server.forget(*this); };
        }
        void received() {
            if (recv.failed()) return close();
            leased = lease(server.loop_.buffers(),
                           mutable_bytes(recv.data, static_cast<std::size_t>(recv.result)));
            if (closing || ahead) return;
            send.set(socket, bytes_view(leased.bytes()));
            server.loop_.submit(send);
            const auto choice = server.random_() % 16;
            if (choice == 0) close();  // with the send in flight
            if (choice == 1) server.loop_.cancel(send);
            if (choice == 2) {
                ahead = true;
                server.loop_.submit(recv);
                leased_twice = std::move(leased);  // the send still needs it
            }
        }
        void sent() {
            leased_twice.reset();
            if (!ahead) leased.reset();
            if (send.failed()) return close();
            ++server.echoed;
            if (closing || ahead) return close();
            server.loop_.submit(recv);
        }
        void close() {
            if (closing) return;
            closing = true;
            server.loop_.submit(close_op);
        }
        echo_server& server;
        handle socket;
        a_recv recv;
        a_send send;
        on_handle close_op;
        lease leased;
        lease leased_twice;
        bool closing = false;
        bool ahead = false;
    };

    void accept(handle made) {
        ++accepted;
        auto* each = new connection(*this, made);
        connections_.insert(each);
        if (random_() % 20 == 0) return each->close();
        loop_.submit(each->recv);
        if (random_() % 20 == 0) each->close();
    }
    void forget(connection& each) {
        connections_.erase(&each);
        delete &each;
    }

    loop& loop_;
    std::minstd_rand random_;
    std::unordered_set<connection*> connections_;
    acceptor accepts_;
};

TEST_P(Churn, EverythingIsBackAtTheEnd) {
    constexpr std::size_t total = 2000;
    unique_descriptor listening = listening_socket();
    const address where = local_of(listening.get()).value();
    const handle listener = adopt(listening, descriptor_kind::listener);
    std::minstd_rand random(2024);
    {
        echo_server server(loop(), listener, 77);
        std::deque<unique_descriptor> clients;
        std::size_t made = 0;
        const std::string text = pattern(3000);
        while (made < total) {
            if (clients.size() < 60) {
                clients.push_back(connect_to(where));
                ++made;
            }
            unique_descriptor& each = clients[random() % clients.size()];
            switch (random() % 6) {
                case 0:
                    reset_connection(each);
                    break;
                case 1:
                    each.reset();
                    break;
                case 2:
                    end_sending(each.get());
                    break;
                case 3: {
                    received_text got;
                    got.read_from(each.get());
                    break;
                }
                default:
                    write_some(each.get(), std::string_view(text).substr(0, 1 + random() % text.size()));
                    break;
            }
            if (!each) {
                std::swap(each, clients.back());
                clients.pop_back();
            }
            if (random() % 3 == 0) loop().run_for_one_tick(0ms);
        }
        ASSERT_TRUE(run_until([&] { return server.accepted >= total; }));
        for (unique_descriptor& each : clients) {
            if (random() % 2 == 0) reset_connection(each);
        }
        clients.clear();
        server.stop();
        server.close_all();
        ASSERT_TRUE(run_until([&] { return server.stopped && server.size() == 0; }));
        EXPECT_GT(server.echoed, 100u);
        EXPECT_EQ(server.accepted, total);
    }
    loop().close(listener);
    // The fixture checks descriptors, buffers and operations in flight.
}

}  // namespace
}  // namespace naru::testing
