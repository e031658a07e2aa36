// The steps of a handler's life, on every engine: what stands before it, what it gives, and clients that
// leave.
#include "handler_fixture.hpp"

#include <naru/coro/combine.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/http/http.hpp>

#include <atomic>
#include <semaphore>
#include <stdexcept>
#include <thread>

#if !defined(_WIN32)
#include <fcntl.h>
#endif

namespace naru::testing {
namespace {

using http::exchange;

class handler_life_test : public handler_fixture {};
NARU_ON_EVERY_ENGINE(handler_life_test);

#if !defined(_WIN32)  // where the system does not tell
// It asks for no more of the body, and so receives nothing: its client's end is seen all the same.
TEST_P(handler_life_test, a_client_that_leaves_while_its_body_is_not_read) {
    for (const bool reset : {false, true}) {
        ending seen;
        http::site site;
        site.post("/upload", [&seen](exchange& x) -> task<> {
            auto first = co_await x.read();
            EXPECT_TRUE(first);
            seen.begun.release();
            auto slept = co_await sleep_for(1h);
            seen.stopped = !slept && x.scope().stopped();
            seen.ended.release();
        });
        start(std::move(site));
        client one = connect();
        one.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" +
                 std::string(10'000, 'x'));
        seen.begun.acquire();
        one.send(std::string(20'000, 'x'));
        reset ? one.reset() : one.close();
        seen.ended.acquire();
        EXPECT_TRUE(seen.stopped);
        stop();
    }
}
#endif

// After each kind of wait for the connection the handler waits for something else.
TEST_P(handler_life_test, a_client_that_leaves_behind_a_piece) {
    for (const bool writes : {false, true}) {
        ending seen;
        http::site site;
        site.post("/piece", [&seen, writes](exchange& x) -> task<> {
            while (co_await x.read()) {
            }
            if (writes) {
                auto wrote = co_await x.write("piece");
                EXPECT_TRUE(wrote);
            }
            seen.begun.release();
            auto slept = co_await sleep_for(1h);
            seen.stopped = !slept && x.scope().stopped();
            seen.ended.release();
        });
        start(std::move(site));
        client one = connect();
        one.send("POST /piece HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        EXPECT_EQ(one.read().status, 100);
        one.send("body");
        seen.begun.acquire();
        one.end_sending();
        seen.ended.acquire();
        EXPECT_TRUE(seen.stopped);
        stop();
    }
}

// Its 100 Continue is on its way: what the handler does then, its connection goes on with.
TEST_P(handler_life_test, a_read_that_is_stopped_while_its_continue_is_on_its_way) {
    http::site site;
    site.get("/before", [](exchange& x) noexcept { x.respond(200, "text/plain", std::string(1000, 'b')); })
        .post("/again",
              [](exchange& x) -> task<> {
                  std::string body;
                  stop_scope over;
                  over.stop();
                  for (int each = 0; each < 3; ++each) {
                      auto some = co_await with_stop(over, x.read());
                      if (some) body += some->text();  // it was there already
                  }
                  auto rest = co_await x.read_all();
                  x.respond(200, "text/plain", rest ? body + *rest : "failed");
              })
        .post("/ends",
              [](exchange& x) -> task<> {
                  stop_scope over;
                  over.stop();
                  auto none = co_await with_stop(over, x.read());
                  EXPECT_FALSE(none);
              })
        .post("/answers",
              [](exchange& x) -> task<> {
                  (void)co_await with_deadline(0s, x.read());
                  x.respond(202, "text/plain", "without it");
              })
        .post("/writes",
              [](exchange& x) -> task<> {
                  stop_scope over;
                  over.stop();
                  auto none = co_await with_stop(over, x.read());
                  EXPECT_FALSE(none);
                  x.status(202).add("Content-Length", "5");
                  auto wrote = co_await x.write("piece");
                  EXPECT_TRUE(wrote);
              })
        .post("/late",
              [](exchange& x) -> task<> {
                  std::this_thread::sleep_for(2ms);  // the limit is past when the loop goes on
                  auto none = co_await x.read();
                  EXPECT_FALSE(none);
                  none = co_await x.read();
                  EXPECT_FALSE(none);
              },
              {.handler_time = 1ms});
    start(std::move(site));
    const auto post_of = [](std::string_view target) {
        return request("POST", target, "Content-Length: 4\r\nExpect: 100-continue\r\n");
    };
    const auto last = [](client& from) {  // a 100 may have gone before it
        response got = from.read();
        return got.status == 100 ? from.read() : got;
    };
    for (const int before : {0, 1, 3}) {
        std::string others;
        for (int each = 0; each < before; ++each)
            others += get("/before");
        const auto asks = [&](std::string_view target) {
            client one = connect();
            one.send(others + post_of(target));
            for (int each = 0; each < before; ++each)
                EXPECT_EQ(one.read().body, std::string(1000, 'b'));
            return one;
        };
        client again = asks("/again");
        EXPECT_EQ(again.read().status, 100);
        again.send("body");
        EXPECT_EQ(again.read().body, "body");
        EXPECT_EQ(again.ask(get("/before")).status, 200);
        for (const auto& [target, status] : {std::pair("/ends", 500), std::pair("/answers", 202),
                                             std::pair("/writes", 202), std::pair("/late", 503)}) {
            client one = asks(target);
            EXPECT_EQ(last(one).status, status) << target;
            EXPECT_TRUE(one.ends()) << target;
        }
    }
}

// It reads in one coroutine and writes in another, on one connection.
TEST_P(handler_life_test, what_is_written_while_continue_is_on_its_way) {
    const auto reads = [](exchange& x, std::string& into) -> task<> {
        auto all = co_await x.read_all();
        into = all ? *all : "failed: " + all.error().message();
    };
    http::site site;
    site.post("/piece",
              [reads](exchange& x) -> task<> {
                  std::string body;
                  const auto writes = [&x]() -> task<> {
                      auto wrote = co_await x.write("piece ");
                      EXPECT_TRUE(wrote);
                  };
                  auto read = reads(x, body);
                  auto write = writes();
                  co_await when_all(std::move(read), std::move(write));
                  auto wrote = co_await x.write(body);
                  EXPECT_TRUE(wrote);
                  (void)co_await x.end();
              })
        .post("/interim", [reads](exchange& x) -> task<> {
            std::string body;
            const auto informs = [&x]() -> task<> {
                auto informed = co_await x.inform(102);
                EXPECT_TRUE(informed);
            };
            auto inform = informs();
            auto read = reads(x, body);
            co_await when_all(std::move(inform), std::move(read));
            x.respond(200, "text/plain", body);
        });
    start(std::move(site));
    const auto asks = [](client& one, std::string_view target) {
        one.send(request("POST", target, "Content-Length: 4\r\nExpect: 100-continue\r\n"));
    };
    client one = connect();
    asks(one, "/piece");
    EXPECT_EQ(one.read().status, 100);
    std::string text;
    const auto read_until = [&](std::string_view ending) {
        while (!text.ends_with(ending)) {
            const std::string more = one.read_some(1);
            ASSERT_FALSE(more.empty()) << text;
            text += more;
        }
    };
    read_until("6\r\npiece \r\n");
    one.send("body");
    read_until("4\r\nbody\r\n0\r\n\r\n");
    asks(one, "/interim");
    EXPECT_EQ(one.read().status, 102);
    EXPECT_EQ(one.read().status, 100);
    one.send("body");
    EXPECT_EQ(one.read().body, "body");
    EXPECT_EQ(one.ask(get("/nothing")).status, 404);
}

#if !defined(_WIN32)
TEST_P(handler_life_test, pieces_from_files) {
    std::string content(500'000, '\0');
    for (std::size_t each = 0; each < content.size(); ++each)
        content[each] = static_cast<char>('a' + each * 7919 % 26);
    files_.write("large", content);
    const unique_descriptor file(::open((files_.path() / "large").c_str(), O_RDONLY | O_CLOEXEC));
    const lent_descriptor descriptor = file;
    const std::uint64_t size = content.size();
    http::site site;
    site.get("/counted",
             [descriptor, size](exchange& x) -> task<> {
                 x.add("Content-Length", std::to_string(size + 8));
                 auto wrote = co_await x.write("first ");
                 EXPECT_TRUE(wrote);
                 wrote = co_await x.write_file(descriptor, 0, size);
                 EXPECT_TRUE(wrote);
                 wrote = co_await x.write_file(descriptor, 17, 2);
                 EXPECT_TRUE(wrote);
                 wrote = co_await x.write_file(descriptor, 0, 1);
                 EXPECT_EQ(wrote.error().value(), EMSGSIZE);
                 wrote = co_await x.end();
                 EXPECT_TRUE(wrote);
             })
        .get("/short", [descriptor, size](exchange& x) -> task<> {
            x.add("Content-Length", "1000");
            auto wrote = co_await x.write_file(descriptor, size - 10, 1000);
            EXPECT_FALSE(wrote);
        });
    start(std::move(site));
    client one = connect();
    for (int each = 0; each < 3; ++each)
        EXPECT_TRUE(one.ask(get("/counted")).body == "first " + content + content.substr(17, 2));
    EXPECT_EQ(one.ask(request("HEAD", "/counted"), true)["Content-Length"], std::to_string(size + 8));
    client other = connect();
    other.send(get("/short"));
    (void)other.read_to_end();
    EXPECT_TRUE(other.was_reset());
}
#endif

#if !defined(_WIN32)
// What has ended before it stops the write when the head has gone and the file has not been begun.
TEST_P(handler_life_test, a_stop_between_the_head_and_the_file) {
    const std::string content(8'000'000, 'f');
    files_.write("large", content);
    const unique_descriptor file(::open((files_.path() / "large").c_str(), O_RDONLY | O_CLOEXEC));
    const lent_descriptor descriptor = file;
    std::error_code error;
    std::binary_semaphore ended{0};
    http::site site;
    site.get("/stopped", [&, descriptor](exchange& x) -> task<> {
        auto others = tcp_pair();
        auto other = tcp_stream::adopt(x.home(), std::move(others.ours));
        EXPECT_TRUE(other);
        const auto writes = [&]() -> task<result<void>> {
            auto wrote = co_await x.write_file(descriptor, 0, content.size());
            error = wrote ? std::error_code() : wrote.error();
            co_return wrote;
        };
        auto write = writes();
        (void)co_await when_any(other->send("first"), std::move(write));
        ended.release();
    });
    start(std::move(site));
    client one = connect();
    one.send(get("/stopped"));
    EXPECT_LT(one.read_to_end().size(), content.size());
    EXPECT_TRUE(one.was_reset());
    ended.acquire();
    EXPECT_EQ(error, std::errc::operation_canceled);
    stop();
}
#endif

TEST_P(handler_life_test, steps_that_wait_before_every_kind_of_handler) {
    struct who {
        std::string name;
    };
    files_.write("page.html", "a page");
    http::site site;
    site.before([](exchange& x) -> task<> {
            (void)co_await sleep_for(1ms);
            x.value<who>().name = x.field("x-name").value_or("nobody");
            x.add("X-Seen", x.value<who>().name);
            if (x.field("x-refuse")) x.respond(403, "text/plain", "no");
        })
        .get("/function", [](exchange& x) noexcept { x.respond(200, "text/plain", x.value<who>().name); })
        .post("/coroutine",
              [](exchange& x) -> task<> {
                  auto body = co_await x.read_all();
                  x.respond(200, "text/plain", x.value<who>().name + (body ? *body : "failed"));
              })
        .get("/blocking", http::blocking([](const http::request_view& x, std::stop_token) {
                 return http::answer(200, "text/plain", std::string(x.path()));
             }))
        .mount("/files/", http::files(files_.path().string()));
    start(std::move(site));
    client one = connect();
    const std::string_view named = "X-Name: one\r\n";
    for (int each = 0; each < 3; ++each) {
        EXPECT_EQ(one.ask(get("/function", named)).body, "one");
        EXPECT_EQ(one.ask(post("/coroutine", "body", named)).body, "onebody");
        EXPECT_EQ(one.ask(get("/blocking", named)).body, "/blocking");
        const response page = one.ask(get("/files/page.html", named));
        EXPECT_EQ(page.body, "a page");
        EXPECT_EQ(page["X-Seen"], "one");
        EXPECT_EQ(one.ask(get("/nothing", named)).status, 404);
        EXPECT_EQ(one.ask(get("/function", "X-Refuse: 1\r\n")).body, "no");
        EXPECT_EQ(one.ask(post("/function", "body")).status, 405);
    }
    // Pipelined, and a client that leaves while the step waits.
    std::string all;
    for (int each = 0; each < 20; ++each)
        all += get("/function", "X-Name: " + std::to_string(each) + "\r\n");
    one.send(all);
    for (int each = 0; each < 20; ++each)
        EXPECT_EQ(one.read().body, std::to_string(each));
    one.send(get("/function"));
    one.reset();
    EXPECT_EQ(ask(get("/function", named)).body, "one");
}

// Handlers that end at once follow each other in the same place.
TEST_P(handler_life_test, nothing_of_a_request_is_left_for_the_next) {
    options_.threads = 1;
    http::site site;
    site.get("/fields",
             [](exchange& x) -> task<> {
                 x.status(201).add("X-A", "b").add("X-Long", std::string(200, 'l'));
                 x.respond(202, "text/plain", "fields");
                 co_return;
             })
        .get("/short",
             [](exchange& x) -> task<> {
                 x.add("X-A", "b").respond(202, "text/plain", "short");
                 co_return;
             })
        .get("/value/{of}",
             [](exchange& x) -> task<> {
                 x.value<int>() = 7;
                 x.respond(202, "text/plain", x.param("of"));
                 co_return;
             })
        .get("/stops",
             [](exchange& x) -> task<> {
                 x.scope().stop();
                 x.respond(202, "text/plain", "stopped");
                 co_return;
             })
        .get("/bad",
             [](exchange& x) -> task<> {
                 x.add("X-Bad", "a\r\nb").add("Content-Length", "7");
                 x.respond(202, "text/plain", "bad");
                 co_return;
             })
        .get("/throws",
             [](exchange& x) -> task<> {
                 x.respond(202, "text/plain", "thrown");
                 throw std::runtime_error("on purpose");
                 co_return;
             })
        .get("/silent", [](exchange&) -> task<> { co_return; })
        .get("/pieces",
             [](exchange& x) -> task<> {
                 x.status(202).add("Content-Length", "6");
                 auto wrote = co_await x.write("pieces");
                 EXPECT_TRUE(wrote);
                 (void)co_await x.end();
             })
        .post("/body",
              [](exchange& x) -> task<> {
                  auto body = co_await x.read_all();
                  x.respond(202, "text/plain", body ? *body : "failed");
              },
              {.body_limit = 10})
        .get("/plain", [](exchange& x) -> task<> {
            EXPECT_EQ(x.value<int>(), 0);
            EXPECT_FALSE(x.scope().stopped());
            EXPECT_FALSE(x.answered());
            EXPECT_EQ(x.param("of"), "");
            auto body = co_await x.read_all();
            EXPECT_EQ(body.value_or("failed"), "");
            x.respond(200, "text/plain", x.path());
        });
    start(std::move(site));
    const auto asks = [&](const std::string& text, int status) {
        client one = connect();
        EXPECT_EQ(one.ask(text).status, status) << text;
        const response plain = ask(get("/plain"));
        EXPECT_EQ(plain.status, 200) << text;
        EXPECT_EQ(plain.body, "/plain") << text;
        EXPECT_FALSE(plain.has("X-A") || plain.has("X-Long")) << text;
        EXPECT_EQ(plain["Content-Length"], "6") << text;
    };
    for (int each = 0; each < 2; ++each) {
        for (const std::string_view path :
             {"/fields", "/short", "/value/one", "/stops", "/pieces", "/throws"})
            asks(get(path), 202);
        for (const std::string_view path : {"/bad", "/silent"})
            asks(get(path), 500);
        asks(post("/body", "short"), 202);
        asks(post("/body", "longer than that"), 413);
    }
    // All on one connection.
    client one = connect();
    for (const std::string_view path : {"/fields", "/value/one", "/short", "/plain", "/value/two", "/plain"})
        one.send(get(path));
    for (const std::string_view body : {"fields", "one", "short", "/plain", "two", "/plain"})
        EXPECT_EQ(one.read().body, body);
}

// Gone at each step of a handler's life; what it holds is let go, and others are served.
TEST_P(handler_life_test, clients_that_leave_at_every_step) {
    const std::string whole = post("/all", std::string(3000, 'x'));
    http::site site;
    std::atomic<int> running{0};
    site.post("/all", [&running](exchange& x) -> task<> {
        struct counted {
            explicit counted(std::atomic<int>& of) : count(of) { ++count; }
            ~counted() { --count; }
            counted(const counted&) = delete;
            std::atomic<int>& count;
        } const counts(running);
        while (auto piece = co_await x.read())
            (void)co_await sleep_for(1ms);
        x.add("Content-Type", "text/plain");
        for (int each = 0; each < 20; ++each) {
            if (!co_await x.write(std::string(20'000, 'y'))) co_return;
            if (each % 7 == 0) (void)co_await sleep_for(1ms);
        }
        (void)co_await x.end();
        (void)co_await sleep_for(1ms);
    });
    start(std::move(site));
    const std::size_t head = whole.find("\r\n\r\n") + 4;
    for (const bool reset : {false, true}) {
        for (const std::size_t sent : {std::size_t{1}, head - 1, head, head + 1, head + 1500, whole.size()}) {
            for (const std::size_t taken : {std::size_t{0}, std::size_t{1}, std::size_t{100'000}}) {
                if (taken > 0 && sent < whole.size()) continue;
                client one = connect(4096);
                one.send(std::string_view(whole).substr(0, sent));
                for (std::size_t got = 0; got < taken;) {
                    const std::string piece = one.read_some(taken - got);
                    ASSERT_FALSE(piece.empty());
                    got += piece.size();
                }
                reset ? one.reset() : one.close();
            }
        }
    }
    EXPECT_TRUE(eventually([&] { return running == 0; }));
    client last = connect();
    last.send(whole);
    std::string bytes;
    while (!bytes.ends_with("\r\n0\r\n\r\n"))
        bytes += last.read_some(1'000'000);
    EXPECT_TRUE(bytes.starts_with("HTTP/1.1 200 "));
    stop();  // its handler counts still
}

}  // namespace
}  // namespace naru::testing
