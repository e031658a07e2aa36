// A WebSocket that is used allocates nothing: malloc itself is counted, which the blocks of messages come
// from.
#include "accepting.hpp"
#include "support/conformance.hpp"
#include "support/sockets.hpp"

#include <naru/http/http.hpp>

#include <malloc.h>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> bytes_asked{0};
std::atomic<std::ptrdiff_t> bytes_held{0};

// What was asked for stands at a block's end, with a mark: blocks of others have none.
constexpr std::uint64_t mark = 0x6e61'7275'0000'0000;
constexpr std::size_t room_of_mark = sizeof(std::uint64_t);

std::byte* place_of_mark(void* memory) {
    return static_cast<std::byte*>(memory) + malloc_usable_size(memory) - room_of_mark;
}

void* marked(void* made, std::size_t size) {
    if (made == nullptr) return nullptr;
    const std::uint64_t with_mark = mark | size;
    std::memcpy(place_of_mark(made), &with_mark, room_of_mark);
    bytes_held.fetch_add(static_cast<std::ptrdiff_t>(size), std::memory_order_relaxed);
    return made;
}

std::ptrdiff_t size_of_block(void* memory) {
    if (memory == nullptr) return 0;
    std::uint64_t with_mark = 0;
    std::memcpy(&with_mark, place_of_mark(memory), room_of_mark);
    return with_mark >> 32 == mark >> 32 ? static_cast<std::ptrdiff_t>(with_mark & 0xffff'ffff) : 0;
}

}  // namespace

extern "C" {
void* __real_malloc(std::size_t size);
void* __real_realloc(void* old, std::size_t size);
void __real_free(void* memory);
void* __wrap_malloc(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    bytes_asked.fetch_add(size, std::memory_order_relaxed);
    return marked(__real_malloc(size + room_of_mark), size);
}
void* __wrap_realloc(void* old, std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    const std::ptrdiff_t before = size_of_block(old);
    void* const made = __real_realloc(old, size + room_of_mark);
    if (made != nullptr) bytes_held.fetch_sub(before, std::memory_order_relaxed);
    return marked(made, size);
}
void __wrap_free(void* memory) {
    bytes_held.fetch_sub(size_of_block(memory), std::memory_order_relaxed);
    __real_free(memory);
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
    EXPECT_LE(per_socket, 600u);
#endif
    clients.clear();
    run_until([&] { return handlers.running() == 0; });
}

// All of it: what a server's connection has left behind, what runs the handler, and the frames.
TEST(WebsocketMemory, AnIdleWebsocketOfAServer) {
    http::site site;
    site.get("/echo", http::websocket(echo_messages));
    http::server_options options;
    options.engine = engine::epoll;
    http::server server(std::move(site), {{"127.0.0.1:0"}}, std::move(options));
    server.start();
    const std::string handshake =
        "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    const websocket::mask_key key{};
    const auto head = websocket::make_frame_head(websocket::opcode::text, true, false, 5, &key);
    const std::string message = std::string(as_text(head.view())) + "hello";
    constexpr std::size_t count = 256;
    std::vector<unique_descriptor> clients;
    clients.reserve(2 * count);
    std::array<char, 4096> answer{};
    // True when the handler has answered a message and waits for the next.
    const auto open = [&] {
        clients.push_back(connect_to(server.local_address()));
        const int each = clients.back().get();
        if (write_some(each, handshake + message) != handshake.size() + message.size()) return false;
        std::size_t got = 0;
        const instant end = clock::now() + 60s;
        while (!std::string_view(answer.data(), got).ends_with("hello") && clock::now() < end) {
            (void)wait_for(each, POLLIN, 1000);
            const std::ptrdiff_t step = receive_some(each, answer.data() + got, answer.size() - got);
            if (step > 0) got += static_cast<std::size_t>(step);
        }
        return std::string_view(answer.data(), got).starts_with("HTTP/1.1 101 ") &&
               std::string_view(answer.data(), got).ends_with("hello");
    };
    for (std::size_t each = 0; each < count; ++each)
        ASSERT_TRUE(open());
    const std::ptrdiff_t before = bytes_held.load();
    for (std::size_t each = 0; each < count; ++each)
        ASSERT_TRUE(open());
    const std::ptrdiff_t each = (bytes_held.load() - before) / static_cast<std::ptrdiff_t>(count);
    RecordProperty("bytes", static_cast<int>(each));
    std::printf("an idle WebSocket of a server: %td bytes\n", each);
#if defined(__clang__)
    EXPECT_LE(each, 512);
#endif
    clients.clear();
    server.drain();
    server.wait();
}

}  // namespace
}  // namespace naru::testing
