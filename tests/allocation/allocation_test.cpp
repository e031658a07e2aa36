// The steady state allocates nothing: the global operator new counts.
#include "counted_memory.hpp"
#include "support/conformance.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace naru::testing {
namespace {

class Allocation : public conformance {};
// Not in a simulated world, which allocates.
INSTANTIATE_TEST_SUITE_P(OnEveryBackend, Allocation, ::testing::ValuesIn(backend_variants()),
                         [](const auto& each) { return each.param.name; });

constexpr int warm_up = 200;
constexpr int rounds = 2000;

/// A peer that answers every byte with a byte, without allocating.
bool ping(int socket) { return ::send(socket, "p", 1, MSG_NOSIGNAL) == 1; }
bool pong(int socket) {
    char byte = 0;
    return ::recv(socket, &byte, 1, 0) == 1;
}

/// Runs `round` until it has returned true `count` times, and counts the allocations meanwhile.
template <class Round>
std::size_t allocations_of(naru::loop& on, int count, Round round) {
    const std::size_t before = allocations.load();
    const instant end = clock::now() + 80s;  // a thread of the kernel (SQPOLL) may have to wait for a core
    for (int done = 0; done < count;) {
        if (round()) ++done;
        on.run_for_one_tick(0ms);
        if (clock::now() > end) {
            ADD_FAILURE() << "only " << done << " rounds";
            break;
        }
    }
    return allocations.load() - before;
}

TEST_P(Allocation, TheCounterCounts) {
    const std::size_t before = allocations.load();
    ::operator delete(::operator new(1));  // a new expression could be optimised away
    EXPECT_EQ(allocations.load(), before + 1);
}

struct plain_echo {
    struct recv_half : operation {
        explicit recv_half(plain_echo& of)
            : operation(operation_kind::recv,
                        [](operation& op) noexcept { static_cast<recv_half&>(op).owner.received(); }),
              owner(of) {}
        plain_echo& owner;
    };
    struct send_half : send_operation {
        explicit send_half(plain_echo& of)
            : send_operation([](operation& op) noexcept { static_cast<send_half&>(op).owner.sent(); }),
              owner(of) {}
        plain_echo& owner;
    };
    plain_echo(naru::loop& of, handle on) : loop(of), socket(on) {
        recv.target = on;
        loop.submit(recv);
    }
    void received() noexcept {
        if (recv.failed()) return;
        leased = lease(loop.buffers(), mutable_bytes(recv.data, static_cast<std::size_t>(recv.result)));
        send.set(socket, bytes_view(leased.bytes()));
        loop.submit(send);
    }
    void sent() noexcept {
        leased.reset();
        if (!send.failed()) loop.submit(recv);
    }
    naru::loop& loop;
    handle socket;
    lease leased;
    recv_half recv{*this};
    send_half send{*this};
};

/// One byte there and back at a time.
struct ping_pong {
    int socket;
    bool waiting = false;
    bool operator()() {
        if (!waiting) waiting = ping(socket);
        if (!pong(socket)) return false;
        waiting = false;
        return true;
    }
};

struct datagram_echo {
    struct receive_half : receive_from_operation {
        explicit receive_half(datagram_echo& of)
            : receive_from_operation(
                  [](operation& op) noexcept { static_cast<receive_half&>(op).owner.received(); }),
              owner(of) {}
        datagram_echo& owner;
    };
    struct send_half : send_to_operation {
        explicit send_half(datagram_echo& of)
            : send_to_operation([](operation& op) noexcept { static_cast<send_half&>(op).owner.sent(); }),
              owner(of) {}
        datagram_echo& owner;
    };
    datagram_echo(naru::loop& of, handle on) : loop(of), socket(on) {
        receive.set(socket, memory);
        loop.submit(receive);
    }
    void received() noexcept {
        if (receive.failed()) return;
        send.set(socket, {memory.data(), static_cast<std::size_t>(receive.result)}, receive.peer.data(),
                 receive.peer_size);
        loop.submit(send);
    }
    void sent() noexcept {
        if (!send.failed()) loop.submit(receive);
    }
    naru::loop& loop;
    handle socket;
    std::array<std::byte, 64> memory{};
    receive_half receive{*this};
    send_half send{*this};
};

TEST_P(Allocation, AnEchoOfDatagramsAllocatesNothing) {
    unique_descriptor socket = bind_datagram(address::parse("127.0.0.1:0").value()).value();
    const unique_descriptor peer = bind_datagram(address::parse("127.0.0.1:0").value()).value();
    checked(connect_socket(peer.get(), address::local_of(socket.get()).value()), "connect");
    const handle ours = adopt(socket, descriptor_kind::datagram);
    datagram_echo echo(loop(), ours);
    ping_pong client{peer.get()};
    allocations_of(loop(), warm_up, [&] { return client(); });
    EXPECT_EQ(allocations_of(loop(), rounds, [&] { return client(); }), 0u);
    loop().close(ours);
    settle();
}

TEST_P(Allocation, AnEchoOfOperationsAllocatesNothing) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    plain_echo echo(loop(), ours);
    ping_pong peer{sockets.peer.get()};
    allocations_of(loop(), warm_up, [&] { return peer(); });
    EXPECT_EQ(allocations_of(loop(), rounds, [&] { return peer(); }), 0u);
    loop().close(ours);
    settle();
}

task<> coroutine_echo(tcp_stream& peer) {
    while (auto data = co_await with_deadline(peer.home().now() + 60s, peer.receive())) {
        if (!co_await peer.send(*data)) break;
    }
}

TEST_P(Allocation, AnEchoOfCoroutinesWithDeadlinesAllocatesNothing) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    background group(loop());
    group.spawn(coroutine_echo(stream));
    ping_pong peer{sockets.peer.get()};
    allocations_of(loop(), warm_up, [&] { return peer(); });
    EXPECT_EQ(allocations_of(loop(), rounds, [&] { return peer(); }), 0u);
    group.stop();
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
}

/// What was allocated between the tenth line and the ninetieth.
task<> count_lines(tcp_stream& from, std::size_t& counted, int& lines) {
    buffered_reader reader(from);
    buffered_writer writer(from, 4096);
    std::size_t before = 0;
    while (auto line = co_await reader.line()) {
        auto written = co_await writer.write(*line);
        if (!written) co_return;
        ++lines;
        if (lines == 10) before = allocations.load();
        if (lines == 90) counted = allocations.load() - before;
    }
}

TEST_P(Allocation, LinesThatAreThereAreReadAndWrittenWithoutAny) {
    auto sockets = tcp_pair();
    background group(loop());
    tcp_stream peer = stream_of(sockets.ours);
    std::size_t counted = 1;
    int lines = 0;
    group.spawn(count_lines(peer, counted, lines));
    std::string text;
    for (int each = 0; each < 100; ++each)
        text += "line\r\n";
    write_all(sockets.peer.get(), text);
    ASSERT_TRUE(run_until([&] { return lines == 100; }));
    EXPECT_EQ(counted, 0u);
    group.stop();
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
}

/// Notes how large the frames are.
class measuring_pool : public frame_pool {
 public:
    using frame_pool::frame_pool;
    void* allocate(std::size_t bytes) override {
        sizes.push_back(bytes);
        return ::operator new(bytes);
    }
    void release(void* memory, std::size_t /*bytes*/) noexcept override { ::operator delete(memory); }
    std::vector<std::size_t> sizes;
};

task<> owning_echo(tcp_stream peer) {
    while (auto data = co_await peer.receive()) {
        if (!co_await peer.send(*data)) break;
    }
}

// What docs/coroutines.md says.
TEST_P(Allocation, AnIdleEchoCoroutineIsAsSmallAsPublished) {
    auto sockets = tcp_pair();
    measuring_pool pool(loop());
    const frame_pool::use here(pool);
    background group(loop());
    group.spawn(owning_echo(stream_of(sockets.ours)));
    ASSERT_EQ(pool.sizes.size(), 2u);  // its own, and its group's
#if defined(__clang__) && !defined(NARU_CHECKS)
    EXPECT_LE(pool.sizes[0], 224u);
    EXPECT_LE(pool.sizes[1], 104u);
#elif !defined(__clang__)
    EXPECT_LE(pool.sizes[0], 440u);
    EXPECT_LE(pool.sizes[1], 136u);
#endif
    EXPECT_EQ(sizeof(receive_request::awaiter), 120u);
    group.stop();
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
}

TEST_P(Allocation, TimersAllocateNothing) {
    struct counting : timer {
        counting() : timer([](timer& self) noexcept { ++static_cast<counting&>(self).expiries; }) {}
        int expiries = 0;
    };
    static counting timers[100];
    int step = 0;
    const auto round = [&] {
        for (counting& each : timers) {
            ++step;
            loop().arm(each, clock::now() + std::chrono::microseconds(step * 37 % 5000));
            if (step % 3 == 0) loop().arm(each, clock::now() + 1h);
            if (step % 5 == 0) loop().arm(each, clock::now());
            if (step % 7 == 0) loop().disarm(each);
        }
        return true;
    };
    EXPECT_EQ(allocations_of(loop(), rounds / 10, round), 0u);
    for (counting& each : timers) {
        loop().disarm(each);
        each.expiries = 0;
        loop().arm(each, clock::now() + 2ms);
    }
    const auto all_expired = [&] {
        for (const counting& each : timers) {
            if (each.expiries == 0) return false;
        }
        return true;
    };
    EXPECT_EQ(allocations_of(loop(), 1, all_expired), 0u);
}

TEST_P(Allocation, PostsAllocateNothing) {
    struct counting : posted {
        counting()
            : posted([](posted& self) noexcept {
                  auto& each = static_cast<counting&>(self);
                  ++each.runs;
                  each.waiting = false;
              }) {}
        int runs = 0;
        bool waiting = false;
    } task;
    const auto round = [&] {
        if (task.waiting) return false;
        task.waiting = true;
        loop().post(task);
        return true;
    };
    allocations_of(loop(), 10, round);
    EXPECT_EQ(allocations_of(loop(), rounds, round), 0u);
    ASSERT_TRUE(run_until([&] { return !task.waiting; }));
    EXPECT_EQ(task.runs, rounds + 10);
}

TEST_P(Allocation, CancelAllocatesNothing) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    struct counting : operation {
        counting()
            : operation(operation_kind::recv,
                        [](operation& op) noexcept { ++static_cast<counting&>(op).completions; }) {}
        int completions = 0;
    } recv;
    recv.target = ours;
    int phase = 0;
    const auto round = [&] {
        if (!recv.idle()) {
            if (++phase % 2 == 0) loop().cancel(recv);
            return false;
        }
        loop().submit(recv);
        return true;
    };
    allocations_of(loop(), warm_up, round);
    EXPECT_EQ(allocations_of(loop(), rounds / 2, round), 0u);
    EXPECT_GT(recv.completions, 0);
    loop().close(ours);
    settle();
}

}  // namespace
}  // namespace naru::testing
