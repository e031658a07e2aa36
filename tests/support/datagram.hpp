// What the tests of datagrams share.
#pragma once

#include "support/conformance.hpp"

#include <string>
#include <utility>

namespace naru::testing {

struct a_receive_from : tracked<receive_from_operation> {
    explicit a_receive_from(handle from, std::size_t size = 2048) : memory(size, '.') { lend(from); }
    void lend(handle from) {
        set(from, mutable_bytes(reinterpret_cast<std::byte*>(memory.data()), memory.size()));
    }
    std::string text() const {
        return failed() ? error().message() : memory.substr(0, static_cast<std::size_t>(result));
    }
    naru::address sender() const { return naru::address::of(peer.data(), peer_size).value(); }
    std::string memory;
};

struct a_send_to : tracked<send_to_operation> {
    a_send_to(handle via, std::string content, const naru::address& receiver)
        : text(std::move(content)), to(receiver) {
        set(via, as_bytes(text), to.data(), to.size());
    }
    std::string text;
    naru::address to;
};

class Datagram : public conformance {
 protected:
    static address local(const char* text = "127.0.0.1:0") { return address::parse(text).value(); }

    handle adopt_datagrams(unique_descriptor& socket) { return adopt(socket, descriptor_kind::datagram); }

    /// A socket of the loop's, bound to a free port.
    void open(const address& at = local(), const udp_options& options = {}) {
        unique_descriptor made = open_datagram(at, options).value();
        where = local_of(made.get()).value();
        ours = adopt_datagrams(made);
    }

    /// Another socket, whose plain sends go to ours, and which hears of nobody else.
    unique_descriptor peer_on(const address& at = local()) const {
        unique_descriptor made = open_datagram(at).value();
        checked(connect_socket(made.get(), where), "connect");
        return made;
    }

    /// The next datagram that has come to a plain socket.
    std::string next_at(const unique_descriptor& socket) {
        std::ptrdiff_t got = -1;
        run_until([&] {
            got = receive_some(socket.get(), largest_.data(), largest_.size());
            return got >= 0;
        });
        return largest_.substr(0, got >= 0 ? static_cast<std::size_t>(got) : 0);
    }

    void go_there_and_back(const char* loopback) {
        open(local(loopback));
        const unique_descriptor peer = peer_on(local(loopback));
        a_receive_from receive(ours);
        loop().submit(receive);
        write_all(peer.get(), "question");
        ASSERT_TRUE(run_until(receive));
        EXPECT_EQ(receive.text(), "question");
        EXPECT_FALSE(receive.truncated);
        EXPECT_EQ(receive.sender().text(), local_of(peer.get())->text());
        a_send_to send(ours, "the answer", receive.sender());
        loop().submit(send);
        ASSERT_TRUE(run_until(send));
        EXPECT_EQ(send.result, 10);
        EXPECT_EQ(next_at(peer), "the answer");
        loop().close(ours);
    }

    static address closed_port() { return local_of(open_datagram(local()).value().get()).value(); }

    handle ours;
    address where;

 private:
    std::string largest_ = std::string(70'000, '.');  // room for any datagram
};

}  // namespace naru::testing
