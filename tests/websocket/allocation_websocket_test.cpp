// A WebSocket that is used allocates nothing: malloc itself is counted, which the blocks of messages come
// from.
#include "accepting.hpp"
#include "support/conformance.hpp"
#include "support/sockets.hpp"

#include <atomic>
#include <cstdlib>
#include <string>

namespace {

std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> bytes_asked{0};

}  // namespace

extern "C" {
void* __real_malloc(std::size_t size);
void* __real_realloc(void* old, std::size_t size);
void* __wrap_malloc(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    bytes_asked.fetch_add(size, std::memory_order_relaxed);
    return __real_malloc(size);
}
void* __wrap_realloc(void* old, std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    return __real_realloc(old, size);
}
}
void* operator new(std::size_t size) {
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace naru::testing {
namespace {

class WebsocketAllocation : public conformance {};
NARU_ON_EVERY_BACKEND_OF_THE_SYSTEM(WebsocketAllocation);

TEST_P(WebsocketAllocation, EchoesAllocateNothingAfterWarmUp) {
    for (const std::size_t size : {64u, 1000u}) {
        socket_pair sockets = tcp_pair();
        auto with = std::make_shared<websocket::options>();
        websocket::peer server(stream_of(sockets.ours), {}, websocket::role::server, with, {});
        started_task<> running(loop(), websocket::attend(std::move(server), echo_messages));
        const websocket::mask_key key{};  // a mask of zeros: the payload is as it is
        const auto head = websocket::make_frame_head(websocket::opcode::text, true, false, size, &key);
        const std::string frame = std::string(as_text(head.view())) + std::string(size, 'm');
        // One at a time, and a few in one piece.
        const std::string several = frame + frame + frame;
        char answer[8192];
        std::size_t before = 0;
        for (int round = 0; round < 600; ++round) {
            if (round == 100) before = allocations.load();
            const std::string& sent = round % 2 == 0 ? frame : several;
            const std::size_t expected = (round % 2 == 0 ? 1 : 3) * (frame.size() - 4);
            ASSERT_EQ(write_some(sockets.peer.get(), sent), sent.size());
            std::size_t got = 0;
            const instant end = clock::now() + 60s;
            while (got < expected && clock::now() < end) {
                loop().run_for_one_tick(1ms);
                const std::ptrdiff_t step = receive_some(sockets.peer.get(), answer, sizeof answer);
                if (step > 0) got += static_cast<std::size_t>(step);
            }
            ASSERT_EQ(got, expected);
        }
        EXPECT_EQ(allocations.load(), before);
        sockets.peer.reset();
        run_until([&] { return running.ended(); });
    }
}

TEST_P(WebsocketAllocation, AnIdleWebsocketIsSmall) {
    if (GetParam().name != "epoll") GTEST_SKIP() << "the same objects on every backend";
    std::vector<unique_descriptor> clients;
    background handlers(loop());
    auto with = std::make_shared<websocket::options>();
    // The frames are the compiler's; what the wrapper, the handler and the connection take together.
    const auto serve = [&] {
        socket_pair sockets = local_pair();
        clients.push_back(std::move(sockets.peer));
        handlers.spawn(websocket::attend(
            websocket::peer(stream_of(sockets.ours), {}, websocket::role::server, with, {}), echo_messages));
    };
    constexpr std::size_t count = 100;
    clients.reserve(count + 1);
    serve();
    const std::size_t bytes = bytes_asked.load();
    for (std::size_t each = 0; each < count; ++each)
        serve();
    const std::size_t per_socket = (bytes_asked.load() - bytes) / count;
    RecordProperty("bytes", static_cast<int>(per_socket));
    std::printf("an idle WebSocket: %zu bytes; the connection itself %zu\n", per_socket,
                sizeof(websocket::connection));
#if defined(__clang__)
    EXPECT_LE(per_socket, 704u);
#endif
    clients.clear();
    run_until([&] { return handlers.running() == 0; });
}

}  // namespace
}  // namespace naru::testing
