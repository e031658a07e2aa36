// Contexts for the tests, and two engines without a network between them.
#pragma once

#include "tls/certificates.hpp"

#include <naru/stream/tls/tls_engine.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace naru::testing {

template <class T>
T or_throw(std::expected<T, std::string> made) {
    if (!made) throw std::runtime_error(made.error());
    return std::move(*made);
}

inline const tls_certificate& localhost_certificate() {
    static const tls_certificate one = common_authority().issue({"localhost", "IP:127.0.0.1"});
    return one;
}

inline tls_context server_context(const std::function<void(tls_server_options&)>& change = nullptr) {
    tls_server_options how(localhost_certificate());
    if (change) change(how);
    return or_throw(tls_context::server(how));
}

inline tls_context client_context(const std::function<void(tls_client_options&)>& change = nullptr) {
    tls_client_options how;
    how.ca_file = common_authority().root_file();
    if (change) change(how);
    return or_throw(tls_context::client(how));
}

/// One side, with what is on its way to it.
struct tls_side {
    tls_engine engine;
    std::string arrived;  // not yet fed
    result<bool> established = false;
    std::string received;
    std::error_code read_error;

    /// All that it has to send.
    std::string output() {
        std::string all;
        std::array<std::byte, 1000> room;
        while (engine.has_output()) {
            engine.lend_output(room);
            all += as_text(bytes_view(room).first(engine.take_output()));
        }
        return all;
    }
    /// Takes what has arrived, at most `limit` bytes of it, and goes on as far as it can.
    void step(std::size_t limit = ~std::size_t{0}) {
        const std::string now = arrived.substr(0, limit);
        arrived.erase(0, now.size());
        engine.feed(as_bytes(now));
        if (established && !*established) established = engine.handshake();
        while (established && *established && !read_error && engine.may_read()) {
            std::array<std::byte, 3000> room;
            const auto got = engine.read(room);
            if (!got) read_error = got.error();
            if (!got || *got == 0) break;
            received += as_text(bytes_view(room).first(*got));
        }
        if (!engine.fed().empty()) throw std::runtime_error("the engine has left what it could use");
    }
    void write(std::string_view text) {
        std::string room(17'000, '\0');
        while (!text.empty()) {
            engine.lend_output(std::as_writable_bytes(std::span(room)));
            const auto taken = engine.write(as_bytes(text));
            const std::size_t made = engine.take_output();
            sent += room.substr(0, made);
            if (!taken || *taken == 0) throw std::runtime_error("write");
            text.remove_prefix(*taken);
        }
    }
    std::string sent;  // by write, not yet taken by who moves it
};

struct tls_pair {
    tls_side server;
    tls_side client;

    tls_pair(const tls_context& server_side, const tls_context& client_side,
             std::string_view host = "localhost", const tls_session& resumed = {}) {
        if (!server.engine.accept(server_side)) throw std::runtime_error("accept");
        if (!client.engine.connect(client_side, host, resumed)) throw std::runtime_error("connect");
    }

    /// Moves everything between the two until nothing moves, in pieces of `piece` bytes.
    void run(std::size_t piece = ~std::size_t{0}) {
        client.step(piece);
        bool moved = true;
        while (moved) {
            moved = false;
            moved = move(client, server, piece) || moved;
            moved = move(server, client, piece) || moved;
        }
    }
    static bool move(tls_side& from, tls_side& to, std::size_t piece) {
        // What was written before what the engine has kept since.
        to.arrived += std::exchange(from.sent, {}) + from.output();
        if (to.arrived.empty()) return false;
        to.step(piece);
        return true;
    }
    bool established() const {
        return server.established && *server.established && client.established && *client.established;
    }
};

}  // namespace naru::testing
