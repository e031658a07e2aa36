// Requests for cached files cost no allocation. A program of its own: it replaces the global operator new,
// and counts what any thread asks it for while the client's side uses nothing but system calls and its stack.
#include "fixture.hpp"

#include <naru/coro/run.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/http/client/client.hpp>
#include <naru/http/http.hpp>
#include <naru/http/server/frames.hpp>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<bool> counting{false};
std::atomic<std::size_t> allocations{0};

void* allocate(std::size_t size, std::size_t alignment) {
    if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
    void* const made = alignment == 0
                           ? std::malloc(size == 0 ? 1 : size)
                           : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (made == nullptr) throw std::bad_alloc();
    return made;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, 0); }
void* operator new[](std::size_t size) { return allocate(size, 0); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept try {
    return allocate(size, 0);
} catch (const std::bad_alloc&) {
    return nullptr;
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace naru::testing {
namespace {

class allocation_http_test : public http_server_test {
 protected:
    static inline int failure = 0;  ///< errno of the receive that ended ask_often, or 0 for an end of stream

    /// Asks `count` times; false if an answer has not `size` bytes. Allocates nothing itself.
    static bool ask_often(int socket, std::string_view text, std::size_t size, int count) {
        std::array<char, 32'768> answer;
        for (int each = 0; each < count; ++each) {
            if (::send(socket, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
                return false;
            for (std::size_t got = 0; got < size;) {
                const ssize_t step = ::recv(socket, answer.data(), std::min(answer.size(), size - got), 0);
                if (step < 0 && errno == EINTR) continue;  // a receive with a time limit is not restarted
                if (step <= 0) {
                    failure = step < 0 ? errno : 0;
                    return false;
                }
                got += static_cast<std::size_t>(step);
            }
        }
        return true;
    }

    /// So many requests, one behind the other, show what each costs. On the engines that are there for most
    /// users they are many, for what is made now and then; where a thread of the kernel's has to be woken for
    /// each of them a busy machine takes a minute for so many.
    static int many() {
        if (GetParam() == engine::io_uring_sqpoll) return 20;
        return GetParam() == engine::epoll || GetParam() == engine::io_uring ? 1'000 : 200;
    }

    /// Allocations during that many requests, on a connection that has had its first ones: the least of some
    /// attempts.
    std::size_t allocations_for(const std::string& text, int count = many()) {
        client one = connect();
        (void)one.ask(text, text.starts_with("HEAD"));
        one.send(text);
        EXPECT_TRUE(one.has_bytes_within(patience));
        response second;
        std::string bytes;
        while (true) {  // how long an answer is
            bytes += one.read_some(100'000);
            std::string copy = bytes;
            if (take_response(copy, second, text.starts_with("HEAD"))) break;
        }
        checked(::fcntl(one.descriptor(), F_SETFL, 0), "fcntl");
        const timeval limit{.tv_sec = 20, .tv_usec = 0};
        checked(::setsockopt(one.descriptor(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), "SO_RCVTIMEO");
        EXPECT_TRUE(ask_often(one.descriptor(), text, bytes.size(), std::min(count, 100))) << text << failure;
        std::size_t least = 1'000'000;
        for (int attempt = 0; attempt < 5 && least > 0;
             ++attempt) {  // a file just made is read again, once a second
            allocations = 0;
            counting = true;
            const bool good = ask_often(one.descriptor(), text, bytes.size(), count);
            counting = false;
            EXPECT_TRUE(good) << text << failure;
            least = std::min(least, allocations.load());
        }
        return least;
    }
};
NARU_ON_EVERY_ENGINE(allocation_http_test);

TEST_P(allocation_http_test, cached_files_cost_none) {
    files_.write("page.html", "plain");
    files_.write("page.html.gz", "zip");
    start();
    const std::string kinds[] = {
        get("/hello.txt"),
        get("/hello.txt", "User-Agent: test\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n"),
        get("/page.html", "Accept-Encoding: gzip, br\r\n"),
        get("/hello.txt", "If-None-Match: *\r\n"),
        get("/hello.txt", "If-Modified-Since: Thu, 04 Mar 2021 05:06:07 GMT\r\n"),
        request("HEAD", "/hello.txt"),
        request("OPTIONS", "/hello.txt"),
        request("POST", "/hello.txt"),
        get("/hello.txt", "Range: bytes=2-5\r\n"),
        "GET /hello.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    };
    for (const std::string& text : kinds)
        EXPECT_EQ(allocations_for(text), 0u) << text;
}

TEST_P(allocation_http_test, rules_and_rates_for_clients_of_a_proxy_cost_none) {
    const std::string_view from[] = {"127.0.0.0/8"};
    options_.trusted_proxies = std::make_shared<const http::trusted_proxies>(from);
    http::site site = options_.site();
    site.before(http::address_rules({}, std::vector{network::parse("10.0.0.0/8").value()}))
        .before(http::rate_limit({.per_second = 1e6, .burst = 1'000'000}))
        .get("/hello", [](http::exchange& x) noexcept {
            x.respond(x.is_secure() ? 200 : 500, "text/plain", "Hello!");
        });
    start(std::move(site));
    for (const char* path : {"/hello.txt", "/hello"})
        EXPECT_EQ(allocations_for(get(path,
                                      "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 127.0.0.1\r\n"
                                      "X-Forwarded-Proto: http, https, http\r\n")),
                  0u)
            << path;
}

// Bodies that are not copied behind their heads but sent from the cache or the file.
TEST_P(allocation_http_test, larger_ones_cost_none) {
    files_.write("medium.bin", pattern(20'000));
    files_.write("large.bin", pattern(100'000));
    start();
    for (const std::string& text : {get("/medium.bin"), get("/medium.bin", "Range: bytes=100-15099\r\n"),
                                    get("/large.bin", "Range: bytes=-10000\r\n")}) {
        EXPECT_EQ(allocations_for(text), 0u) << text;
    }
}

// Handlers of all kinds: functions, and coroutines that answer at once, wait, read or write.
TEST_P(allocation_http_test, handlers_cost_none) {
    static const http::prepared ready(200, "text/plain", "Hello!");
    http::site site;
    site.get("/function/{name}",
             [](http::exchange& x) noexcept {
                 x.add("X-A", "a field that is longer than a small string")
                     .respond(200, "text/plain", x.param("name"));
             })
        .get("/prepared", [](http::exchange& x) noexcept { x.respond(ready); })
        .get("/coroutine/{name}",
             [](http::exchange& x) -> task<> {
                 x.respond(200, "text/plain", x.param("name"));
                 co_return;
             })
        .get("/waits",
             [](http::exchange& x) -> task<> {
                 (void)co_await yield();
                 x.respond(200, "text/plain", "waited");
             })
        .get("/pieces",
             [](http::exchange& x) -> task<> {
                 x.add("Content-Length", "6").add("X-A", "a field that is longer than a small string");
                 (void)co_await x.write("one");
                 (void)co_await x.write("two");
                 (void)co_await x.end();
             })
        .post("/reads", [](http::exchange& x) -> task<> {
            while (auto piece = co_await x.read()) {
            }
            x.respond(200, "text/plain", "read");
        });
    start(std::move(site));
    for (const std::string& text : {get("/function/me"), get("/prepared"), get("/coroutine/me"),
                                    get("/waits"), get("/pieces"), get("/missing"), request("PUT", "/waits"),
                                    request("POST", "/reads", "Content-Length: 4\r\n") + "body"}) {
        EXPECT_EQ(allocations_for(text), 0u) << text;
    }
}

TEST_P(allocation_http_test, the_access_log_costs_none) {
    const temporary_directory logs;
    options_.access_log = (logs.path() / "log").string();
    for (const http::log_format each : {http::log_format::combined, http::log_format::json}) {
        options_.log_format = each;
        start();
        for (const std::string& text :
             {get("/hello.txt", "User-Agent: a name that is longer than a small string\r\n"),
              get("/missing")})
            EXPECT_LE(allocations_for(text), 30u) << text << "a thousand lines, and two strings that grow";
        stop();
    }
}

TEST_P(allocation_http_test, the_counter_counts) {
    start();
    (void)connect().ask(get("/hello.txt"));
    allocations = 0;
    counting = true;
    EXPECT_EQ(ask(get("/missing")).status, 404);
    counting = false;
    EXPECT_GT(allocations.load(), 0u);
}

TEST_P(allocation_http_test, encoded_answers_cost_none) {
    std::string body;
    for (int each = 0; body.size() < 20'000; ++each)
        body += "Line " + std::to_string(each * 7919) + "\n";
    http::site site;
    site.encode()
        .get("/function", [&body](http::exchange& x) noexcept { x.respond(200, "text/plain", body); })
        .get("/coroutine", [&body](http::exchange& x) -> task<> {
            x.respond(200, "text/plain", body);
            co_return;
        });
    start(std::move(site));
    for (const char* const path : {"/function", "/coroutine"}) {
        for (const char* const coding : {"gzip", "br", "zstd"}) {
            const std::string text = get(path, std::string("Accept-Encoding: ") + coding + "\r\n");
            if (ask(text)["Content-Encoding"] != coding) continue;  // not in this build
            // Compressing takes its time, with sanitizers the more.
            EXPECT_EQ(allocations_for(text, std::min(many(), 100)), 0u) << path << " " << coding;
        }
    }
}

// A client's request on a kept connection: the URL that its user gives away is all. Frames come from a pool,
// as they do in a server's handlers.
TEST_P(allocation_http_test, a_client_on_a_kept_connection) {
    http::site site;
    const std::string body(3000, 'b');
    site.get("/hello", [&body](http::exchange& x) noexcept { x.respond(200, "text/plain", body); });
    start(std::move(site));
    const std::string url = "http://" + server_->local_address().text() + "/hello";
    uring_options ring;
    ring.sqpoll_idle_milliseconds = 1;
    naru::loop loop(std::move(try_backend(GetParam(), ring).backend));
    http::handler_frames pool(loop);
    const frame_pool::use frames(pool);
    std::size_t least = 1'000'000;
    {
        http::client client(loop);
        auto ask = [&](int count) -> task<> {
            for (int each = 0; each < count; ++each) {
                auto answer = co_await client.get(url);
                if (!answer) throw std::runtime_error(answer.error().text());
                std::size_t size = 0;
                while (true) {
                    auto piece = co_await answer->read();
                    if (!piece) throw std::runtime_error(piece.error().text());
                    if (piece->empty()) break;
                    size += piece->size();
                }
                if (size != body.size()) throw std::runtime_error("a body of another size");
            }
        };
        run(loop, ask(std::min(many(), 100)));
        const int count = many();
        const std::size_t expected = static_cast<std::size_t>(count) + 10;  // the loop's own begin and end
        for (int attempt = 0; attempt < 5 && least > expected; ++attempt) {
            allocations = 0;
            counting = true;
            run(loop, ask(count));
            counting = false;
            least = std::min(least, allocations.load());
        }
        EXPECT_LE(least, expected);
        EXPECT_EQ(client.open_connections(), 1u);
    }
}

}  // namespace
}  // namespace naru::testing
