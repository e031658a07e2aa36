// What a server does without memory: the n-th allocation fails, for n = 1 and on, while a request of each
// kind is served. It ends in its answer, in 500 or 503, or with its connection; the process and everybody
// else go on. A program of its own: it replaces the global operator new. What the client's side asks for is
// given.
#include "worker_fixture.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

#include <malloc.h>

namespace {

std::atomic<long> left{-1};       // allocations until the one that fails; below 0: none does
std::atomic<bool> failed{false};  // it has
thread_local bool spared = false;
std::atomic<std::size_t> live{0};
std::atomic<std::size_t> peak{0};

void* allocate(std::size_t size, std::size_t alignment) {
    if (!spared && left.load(std::memory_order_relaxed) >= 0 && left.fetch_sub(1) == 0) {
        failed = true;
        throw std::bad_alloc();
    }
    void* const made = alignment == 0
                           ? std::malloc(size == 0 ? 1 : size)
                           : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (made == nullptr) throw std::bad_alloc();
    const std::size_t now = live.fetch_add(malloc_usable_size(made)) + malloc_usable_size(made);
    for (std::size_t seen = peak; seen < now && !peak.compare_exchange_weak(seen, now);) {
    }
    return made;
}

void give_back(void* memory) noexcept {
    if (memory != nullptr) live.fetch_sub(malloc_usable_size(memory));
    std::free(memory);
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
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete[](void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { give_back(memory); }

namespace naru::testing {
namespace {

class allocation_failure_test : public worker_test {
 protected:
    void SetUp() override {
        spared = true;
        files_.write("page.html", "plain");
        files_.write("page.html.gz", "zip");
        files_.write("directory/file.txt", "inner");
        files_.write("empty/other.txt", "other");
        log_ = std::make_unique<http::access_log>((files_.path() / "access.log").string(),
                                                  [](std::string_view) {});
        with_handlers_ = true;
        worker_test::SetUp();
    }
    void TearDown() override {
        left = -1;
        worker_test::TearDown();
        spared = false;
    }
    http::site site() const override {
        http::site made = options_.site();
        made.get("/function/{name}",
                 [](http::exchange& x) noexcept {
                     x.add("X-A", "a field that is longer than a small string")
                         .respond(200, "text/plain", x.param("name"));
                 })
            .get("/forgets", [](http::exchange&) noexcept {})
            .get("/twice",
                 [](http::exchange& x) noexcept {
                     x.respond(200, "text/plain", "once");
                     x.respond(200, "text/plain", "twice");
                 })
            .get("/coroutine",
                 [](http::exchange& x) -> task<> {
                     (void)co_await yield();
                     x.respond(200, "text/plain", std::string(3'000, 'c'));
                 })
            .get("/pieces",
                 [](http::exchange& x) -> task<> {
                     x.add("X-A", "a field that is longer than a small string");
                     (void)co_await x.write("one");
                     (void)co_await x.write("two");
                     (void)co_await x.end();
                 })
            .get("/throws",
                 [](http::exchange&) -> task<> {
                     (void)co_await yield();
                     throw std::runtime_error("a text that is longer than a small string is");
                 })
            .post("/reads",
                  [](http::exchange& x) -> task<> {
                      const auto body = co_await x.read_all();
                      x.respond(body ? 200 : 500, "text/plain", body ? *body : std::string());
                  })
            .post("/blocking", http::blocking([](const http::request_view& asked, std::stop_token) {
                      return http::answer{200, "text/plain", std::string(asked.body())};
                  }));
        return made;
    }
    void tick() override {
        spared = false;
        loop_->run_for_one_tick(1ms);
        spared = true;
    }

    /// What has come of a request and one for a small file behind it: answers, in order, and then the end.
    std::vector<response> outcome_of(const std::string& text, bool to_head) {
        peer one = connect();
        one.say(text + get("/hello.txt", "Connection: close\r\n"));
        EXPECT_TRUE(run_until([&] {
            one.got.read_from(one.socket.get());
            return one.got.ended || one.got.error != 0;
        }));
        std::vector<response> all;
        while (!one.got.data.empty()) {
            const bool chunked =
                one.got.data.substr(0, one.got.data.find("\r\n\r\n")).find("chunked") != std::string::npos;
            if (const std::size_t end = one.got.data.find("0\r\n\r\n"); chunked && end != std::string::npos) {
                all.emplace_back().status = std::stoi(one.got.data.substr(9, 3));
                one.got.data.erase(0, end + 5);
                continue;
            }
            response next;
            if (chunked || !take_response(one.got.data, next, to_head && all.empty()))
                break;  // cut by its end
            all.push_back(next);
        }
        return all;
    }
};
NARU_ON_EVERY_ENGINE(allocation_failure_test);

TEST_P(allocation_failure_test, ends_a_request_and_nothing_else) {
    struct kind {
        std::string text;
        int status;
    };
    const kind kinds[] = {
        {get("/hello.txt"), 200},
        {get("/COLD.txt"), 200},
        {get("/page.html", "Accept-Encoding: gzip\r\n"), 200},
        {get("/medium.bin"), 200},
        {get("/hello.txt", "Range: bytes=2-5\r\n"), 206},
        {get("/hello.txt", "Range: bytes=0-1,4-5,7-8\r\n"), 206},
        {get("/hello.txt", "Range: bytes=500-\r\n"), 416},
        {get("/hello.txt", "If-None-Match: *\r\n"), 304},
        {request("HEAD", "/hello.txt"), 200},
        {request("OPTIONS", "/hello.txt"), 204},
        {request("PUT", "/hello.txt", "Content-Length: 4\r\n") + "body", 405},
        {get("/missing"), 404},
        {get("/directory"), 301},
        {get("/directory?" + std::string(600, 'q')), 301},
        {get("/empty/"), 200},
        {get("/%zz"), 400},
        {get("/function/me"), 200},
        {get("/forgets"), 500},
        {get("/twice"), 200},
        {get("/coroutine"), 200},
        {get("/pieces"), 200},
        {get("/throws"), 500},
        {request("POST", "/reads", "Content-Length: 4\r\n") + "body", 200},
        {request("POST", "/reads", "Transfer-Encoding: chunked\r\n") + "4\r\nbody\r\n0\r\n\r\n", 200},
        {request("POST", "/blocking", "Content-Length: 4\r\n") + "body", 200},
    };
    int made = 0;
    for (const kind& each : kinds) {
        SCOPED_TRACE(each.text.substr(0, 60));
        const bool to_head = each.text.starts_with("HEAD");
        const auto name_anew = [&](std::string text) {
            const std::size_t at = text.find("COLD");
            if (at == std::string::npos) return text;
            const std::string name = std::to_string(++made);
            files_.write(name + ".txt", "read for the first time");
            return text.replace(at, 4, name);
        };
        for (int warm = 0; warm < 2; ++warm) {
            const auto all = outcome_of(name_anew(each.text), to_head);
            ASSERT_EQ(all.size(), 2u);
            ASSERT_EQ(all[0].status, each.status);
            ASSERT_EQ(all[1].body, hello);
        }
        for (long n = 0; n < 400; ++n) {
            SCOPED_TRACE(n);
            const std::string text = name_anew(each.text);
            failed = false;
            left = n;
            const auto all = outcome_of(text, to_head);
            left = -1;
            ASSERT_LE(all.size(), 2u);
            if (!all.empty()) {
                ASSERT_TRUE(all[0].status == each.status || all[0].status == 500 || all[0].status == 503)
                    << all[0].status;
            }
            if (all.size() == 2) {
                ASSERT_TRUE(all[1].body == hello || all[1].status == 503) << all[1].status;
            }
            if (!failed) break;
            ASSERT_EQ(ask(get("/hello.txt")).body, hello) << "others are served";
        }
        EXPECT_FALSE(failed) << "as many allocations as were tried";
    }
}

class listing_memory_test : public worker_test {};
NARU_ON_EVERY_ENGINE(listing_memory_test);

// Two thousand names of 200 bytes make as large a page as ten thousand short ones, and fewer files. What they
// hold together is limits::loose_bytes, and the page in hand with what it is made of.
TEST_P(listing_memory_test, listings_that_nobody_reads_hold_a_bounded_amount) {
    std::filesystem::create_directory(files_.path() / "many");
    for (int each = 0; each < 2'000; ++each) {
        const std::string path =
            (files_.path() / "many" / (std::string(200, 'a') + std::to_string(each))).string();
        unique_descriptor(checked(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644), "open"))
            .reset();
    }
    const std::size_t page = ask(get("/many/")).body.size();
    ASSERT_GT(page, 900'000u);
    const std::size_t before = live;
    peak = before;
    std::deque<peer> all;
    const auto has_begun = [](peer& each) {
        each.got.read_from(each.socket.get(), 1);
        return !each.got.data.empty() || each.got.ended || each.got.error != 0;
    };
    while (all.size() < 300) {
        for (int each = 0; each < 6; ++each) {  // those of one moment share a page
            all.push_back(connect());
            all.back().say(get("/many/"));
        }
        ASSERT_TRUE(run_until([&] { return has_begun(all.back()); }));
    }
    const std::size_t most = peak - before;
    EXPECT_LE(most, http::limits::loose_bytes + 4 * page + 4 * 1024 * 1024);
    EXPECT_GE(most, http::limits::loose_bytes - page) << "more were asked for than may be held";
    for (peer& each : all)
        ASSERT_TRUE(run_until([&] { return has_begun(each); })) << "answered, or reset for others' sake";
    EXPECT_EQ(ask(get("/hello.txt")).body, hello);
    all.clear();
    EXPECT_TRUE(run_until([&] { return live < before + page; })) << live - before;
}

}  // namespace
}  // namespace naru::testing
