// A site that is replaced again and again under load, on every engine: no request fails, no connection is
// cut, and what it cost comes back. By itself it is small; NARU_RELOADS, NARU_RELOAD_WEBSOCKETS and
// NARU_RELOAD_SECONDS make it the whole: 100 reloads, 1,000 WebSockets, 30 s.
#include "fixture.hpp"

#include <naru/http/http.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include <sys/resource.h>
#include <unistd.h>

namespace naru::testing {
namespace {

using http::exchange;

std::size_t number_from(const char* name, std::size_t otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? std::stoul(text) : otherwise;
}

std::size_t resident_kib() {
    std::size_t size = 0;
    std::size_t resident = 0;
    std::ifstream("/proc/self/statm") >> size >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

class reload_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.threads = 2;
        options_.connections_per_address = 0;
        options_.send_buffer = 16'384;
        rlimit open{};
        ::getrlimit(RLIMIT_NOFILE, &open);
        open.rlim_cur = open.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &open);
    }
    // `alive` counts the sites.
    http::site made(std::size_t number) {
        http::site site;
        const std::shared_ptr<int> counted(new int(++*alive_), [alive = alive_](const int* each) {
            --*alive;
            delete each;
        });
        site.get("/number", [counted, number](exchange& x) noexcept {
            x.respond(200, "text/plain", std::to_string(number));
        });
        site.get("/echo", http::websocket(&reload_test::echo));
        site.mount("/", http::files(files_.path().string()));
        return site;
    }
    static task<> echo(http::websocket_peer peer) {
        while (auto message = co_await peer.receive())
            if (!co_await peer.send(std::move(*message))) break;
    }
    client websocket() {
        client one = connect();
        one.send(get("/echo",
                     "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
        std::string head;
        while (!head.ends_with("\r\n\r\n")) {
            const std::string piece = one.read_some(1'000);
            if (piece.empty()) throw std::runtime_error("no WebSocket: " + head);
            head += piece;
        }
        return one;
    }
    static bool comes_back(client& from, const std::string& text) {
        from.send(std::string{'\x81', static_cast<char>(0x80 | text.size())} + std::string(4, '\0') + text);
        std::string got;
        while (!got.ends_with(text)) {
            const std::string piece = from.read_some(1'000);
            if (piece.empty()) return false;
            got += piece;
        }
        return true;
    }
    // The last site lives as long as the server, which ends behind a test's body.
    std::shared_ptr<std::atomic<int>> alive_ = std::make_shared<std::atomic<int>>(0);
};
NARU_ON_EVERY_ENGINE(reload_test);

TEST_P(reload_test, under_load_with_websockets_and_slow_downloads) {
    constexpr std::size_t large = 1'000'000;
    const std::size_t reloads = number_from("NARU_RELOADS", 6);
    const std::size_t websockets = number_from("NARU_RELOAD_WEBSOCKETS", 20);
    const std::chrono::milliseconds time(1'000 * number_from("NARU_RELOAD_SECONDS", 0));
    files_.write("large.bin", std::string(large, 'l'));
    start(made(0));
    EXPECT_EQ(connect().ask(get("/hello.txt")).body, hello);
    EXPECT_TRUE(eventually([&] { return server_->metrics().open_idle == 0; }));
    const std::size_t descriptors = open_descriptors();
    const std::size_t resident = resident_kib();
    std::atomic<std::size_t> latest = 0;
    std::atomic<bool> done = false;
    std::array<std::atomic<std::size_t>, 3> seen{};
    std::atomic<std::size_t> asked = 0;
    std::atomic<int> failures = 0;
    const auto keep_asking = [&](std::atomic<std::size_t>& last) {
        try {
            client one = connect();
            while (!done) {
                const response got = one.ask(get("/number"));
                const std::size_t number = std::stoul(got.body);
                if (got.status != 200 || number < last || number > latest) throw std::runtime_error("wrong");
                last = number;
                if (one.ask(get("/hello.txt")).body != hello) throw std::runtime_error("wrong");
                asked += 2;
            }
        } catch (const std::exception& wrong) {
            ++failures;
            ADD_FAILURE() << wrong.what();
        }
    };
    {
        std::vector<client> open;
        for (std::size_t each = 0; each < websockets; ++each)
            open.push_back(websocket());
        std::vector<client> slow;
        std::vector<std::jthread> clients;
        for (auto& each : seen)
            clients.emplace_back([&] { keep_asking(each); });
        const auto began = std::chrono::steady_clock::now();
        for (std::size_t number = 1; number <= reloads; ++number) {
            if (slow.size() < 20) {
                slow.push_back(connect(16'384));
                slow.back().send(get("/large.bin", "Connection: close\r\n"));
                EXPECT_EQ(slow.back().read_some(12), "HTTP/1.1 200");
            }
            latest = number;
            server_->replace(made(number));
            for (const auto& each : seen) {
                while (each < number && failures == 0)
                    std::this_thread::yield();
            }
            EXPECT_TRUE(comes_back(open[number % open.size()], "still " + std::to_string(number)));
            std::this_thread::sleep_until(began + time * number / reloads);
        }
        for (client& each : open)
            EXPECT_TRUE(comes_back(each, "at the end"));
        for (client& each : slow) {
            const std::string rest = each.read_to_end();
            EXPECT_EQ(rest.size() - rest.find("\r\n\r\n") - 4, large) << "it was cut";
        }
        done = true;
        clients.clear();
    }
    EXPECT_EQ(failures, 0);
    EXPECT_TRUE(eventually([&] { return *alive_ == 1; }));
    // Of the cache: a file that is large stays open.
    EXPECT_TRUE(eventually([&] { return open_descriptors() <= descriptors + 2; })) << open_descriptors();
    EXPECT_TRUE(reports().empty());
    if (time.count() > 0)
        std::cout << reloads << " reloads, " << websockets << " WebSockets, " << asked
                  << " answers; resident " << resident << " KiB before, " << resident_kib()
                  << " KiB after; descriptors " << descriptors << " and " << open_descriptors() << "\n";
}

// Nobody serves what comes then, and nobody keeps it.
TEST_P(reload_test, of_a_server_that_has_ended_or_never_begins) {
    options_.report = [](std::string_view) {};
    for (const bool starts : {true, false}) {
        server_ = std::make_unique<http::server>(made(0), options_.listen, options_);
        if (starts) {
            server_->start();
            EXPECT_EQ(connect().ask(get("/number")).body, "0");
            server_->drain();
            server_->wait();
        }
        server_->replace(made(1));
        server_->end_connections([](std::string_view) { return true; });
        stop();
        EXPECT_EQ(*alive_, 0);
    }
}

TEST_P(reload_test, before_the_start) {
    server_ = std::make_unique<http::server>(made(0), options_.listen, options_);
    server_->replace(made(1));
    server_->start();
    EXPECT_EQ(connect().ask(get("/number")).body, "1");
}

}  // namespace
}  // namespace naru::testing
