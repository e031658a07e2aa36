// The lab's server on an engine of naru: one thread, any number of connections.
#pragma once

#include <lab/handler.hpp>
#include <naru/core/object_pool.hpp>
#include <naru/loop/loop.hpp>
#include <naru/net/acceptor.hpp>
#include <naru/os/socket.hpp>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace naru::lab {

class event_server {
 public:
    /// `report` gets the reasons why connections are not taken (out of descriptors, FD_SETSIZE), each once.
    event_server(loop& on, const handler& answers, std::function<void(std::string_view)> report);
    ~event_server();
    event_server(const event_server&) = delete;
    event_server& operator=(const event_server&) = delete;

    /// Takes the listener over. Connections come while the loop runs.
    void serve(handle listener) noexcept;
    /// Closes the listener and all connections, then stops the loop.
    void stop() noexcept;

 private:
    struct answering;

    /// Receive, answer, send, and again. Bytes that are part of a request wait in `kept_`.
    class connection : receive_operation {
     public:
        connection(event_server& of, naru::handle socket) noexcept
            : receive_operation([](operation& op) noexcept { static_cast<connection&>(op).on_received(); }),
              server_(of) {
            set(socket);
        }

        void receive() noexcept { server_.loop_.submit(*this); }
        void close() noexcept {
            if (closing_) return;
            closing_ = true;
            server_.loop_.close(target);
            finish_if_quiet();
        }
        void on_sent(bool failed) noexcept;

     private:
        void on_received() noexcept;
        void answer() noexcept;
        void finish_if_quiet() noexcept;

        event_server& server_;
        answering* sending_ = nullptr;
        std::string kept_;
        std::byte* input_ = nullptr;  // a pool buffer
        std::uint32_t begin_ = 0;
        std::uint32_t end_ = 0;
        bool closing_ = false;
        bool ends_ = false;  // behind the answer under way
    };

    /// What a connection needs while it answers: none of it between requests.
    struct answering {
        struct send_step : send_operation {
            explicit send_step(connection& of) noexcept
                : send_operation(
                      [](operation& op) noexcept { static_cast<send_step&>(op).owner.on_sent(op.failed()); }),
                  owner(of) {}
            connection& owner;
        };
        explicit answering(connection& of) noexcept : sending(of) {}
        send_step sending;
        std::array<slice, answers_per_write> slices;
    };

    void on_connection(handle accepted) noexcept;
    void on_pause(std::error_code why) noexcept;
    void destroy(connection& ended) noexcept;
    void stop_if_empty() noexcept;

    loop& loop_;
    const handler& handler_;
    std::function<void(std::string_view)> report_;
    std::error_code reported_;
    object_pool<connection> connections_;
    object_pool<answering> answering_;
    std::optional<acceptor> acceptor_;
    handle listener_;
    bool stopping_ = false;
    bool listener_closed_ = true;
};

}  // namespace naru::lab
