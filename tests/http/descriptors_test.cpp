// A server that runs out of descriptors. A program of its own: it lowers the limit of its process.
#include "fixture.hpp"

#include <array>

#include <sys/resource.h>
#include <sys/select.h>

namespace naru::testing {
namespace {

std::chrono::microseconds cpu_time() {
    rusage used{};
    checked(::getrusage(RUSAGE_SELF, &used), "getrusage");
    const auto of = [](const timeval& time) {
        return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
    };
    return of(used.ru_utime) + of(used.ru_stime);
}

class descriptors_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.listings = true;
        checked(::getrlimit(RLIMIT_NOFILE, &before_), "getrlimit");
    }
    void TearDown() override {
        unlimit();
        http_server_test::TearDown();
    }
    /// To be called before the server starts: io_uring remembers the limit of when an accept was submitted.
    void limit_to(rlim_t most) {
        rlimit low = before_;
        low.rlim_cur = most;
        checked(::setrlimit(RLIMIT_NOFILE, &low), "setrlimit");
    }
    /// UndefinedBehaviorSanitizer looks at a class for the first time with the help of a pipe, and takes it
    /// for damaged memory if there can be none. So those that are used in a shortage are used before it.
    static void use_classes(client& with) {
        ASSERT_FALSE(std::error_code(EMFILE, std::system_category()).message().empty());
        ASSERT_EQ(with.ask(get("/")).status, 200);  // a listing: formatted text
    }
    /// Takes every descriptor there is but `left`.
    static std::vector<unique_descriptor> take_all_but(std::size_t left) {
        std::vector<unique_descriptor> taken;
        for (int made = ::dup(0); made >= 0; made = ::dup(0))
            taken.emplace_back(made);
        EXPECT_EQ(errno, EMFILE);
        while (left-- > 0 && !taken.empty())
            taken.pop_back();
        return taken;
    }
    void unlimit() { (void)::setrlimit(RLIMIT_NOFILE, &before_); }

    unique_descriptor from(const char* source) {
        unique_descriptor made(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        const address local = address::parse(source).value();
        checked(::bind(made.get(), static_cast<const sockaddr*>(local.data()), local.size()), "bind");
        const address where = server_->local_address();
        checked(::connect(made.get(), static_cast<const sockaddr*>(where.data()), where.size()), "connect");
        set_non_blocking(made.get());
        return made;
    }
    static bool is_served(const unique_descriptor& one) {
        received_text got;
        // Where it is closed first, this may fail.
        (void)write_some(one.get(), get("/hello.txt"));
        while (!got.ended && got.error == 0 && !got.data.ends_with(hello)) {
            if (got.read_from(one.get()) == 0 && !got.ended && got.error == 0 &&
                !wait_readable(one.get(), 20'000))
                break;
        }
        return got.data.ends_with(hello);
    }
    static std::size_t open_connections(const http::server_metrics& of) {
        return of.open_idle + of.open_reading + of.open_working + of.open_starved + of.open_sending +
               of.open_closing;
    }

 private:
    rlimit before_{};
};
NARU_ON_EVERY_ENGINE(descriptors_test);

TEST_P(descriptors_test, without_descriptors_it_waits_serves_and_recovers) {
    options_.engine_options = engine_options(backend_options::direct::off);
    limit_to(100);
    start();
    client served = connect();
    use_classes(served);
    EXPECT_EQ(served.ask(get("/hello.txt")).body, hello);
    // Sockets that are made before there is a shortage, and connect in it: the server cannot accept them all.
    std::vector<unique_descriptor> sockets;
    for (int each = 0; each < 8; ++each)
        sockets.emplace_back(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    const address where = server_->local_address();
    std::vector<unique_descriptor> taken = take_all_but(3);
    for (const unique_descriptor& each : sockets) {
        checked(::connect(each.get(), static_cast<const sockaddr*>(where.data()), where.size()), "connect");
        checked(::fcntl(each.get(), F_SETFL, O_NONBLOCK), "fcntl");
        write_all(each.get(), get("/hello.txt"));
    }
    ASSERT_TRUE(eventually([this] { return !reports().empty(); })) << "it says so";
    EXPECT_NE(reports().front().find("accepting pauses with"), std::string::npos) << reports().front();

    const auto cpu_before = cpu_time();
    const auto before = test_clock::now();
    while (test_clock::now() - before < 600ms) {  // it goes on serving the one it has
        EXPECT_EQ(served.ask(get("/hello.txt")).body, hello);
        pollfd never{-1, 0, 0};
        ::poll(&never, 1, 20);
    }
    EXPECT_LT(cpu_time() - cpu_before, 300ms) << "it does not spin";

    // Some close, others get their turn.
    std::size_t answered = 0;
    const auto end = test_clock::now() + patience;
    while (!sockets.empty() && test_clock::now() < end) {
        for (std::size_t each = 0; each < sockets.size();) {
            received_text got;
            got.read_from(sockets[each].get());
            if (got.data.empty()) {
                ++each;
                continue;
            }
            EXPECT_TRUE(got.data.ends_with(hello));
            ++answered;
            sockets.erase(sockets.begin() + static_cast<std::ptrdiff_t>(each));
        }
        pollfd never{-1, 0, 0};
        ::poll(&never, 1, 2);
    }
    EXPECT_EQ(answered, 8u);
    taken.clear();
    EXPECT_TRUE(answers());
    EXPECT_EQ(served.ask(get("/hello.txt")).body, hello);
}

// Direct descriptors: the process's limit is not the connections'.
TEST_P(descriptors_test, io_uring_serves_more_connections_than_there_are_descriptors) {
    if (GetParam() != engine::io_uring && GetParam() != engine::io_uring_sqpoll)
        GTEST_SKIP() << "io_uring only";
    files_.write("large.bin", pattern(300'000));
    for (const auto mode : {backend_options::direct::near_limit, backend_options::direct::always}) {
        options_.engine_options = engine_options(mode);
        options_.access_log = (files_.path() / "log").string();
        start();
        client first = connect();
        use_classes(first);
        EXPECT_EQ(first.ask(get("/large.bin")).body, pattern(300'000));
        std::vector<unique_descriptor> sockets;
        for (int each = 0; each < 40; ++each)
            sockets.emplace_back(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        const address where = server_->local_address();
        // Fewer than connections. Some for a moment: the file is looked at again meanwhile, by several
        // threads.
        const std::vector<unique_descriptor> taken = take_all_but(10);
        for (const unique_descriptor& each : sockets) {
            checked(::connect(each.get(), static_cast<const sockaddr*>(where.data()), where.size()),
                    "connect");
            write_all(each.get(), get("/hello.txt"));
        }
        for (const unique_descriptor& each : sockets) {
            std::array<char, 4096> answer;
            const ssize_t size = ::recv(each.get(), answer.data(), answer.size(), 0);
            ASSERT_GT(size, 0);
            // Those accepted before the switch have taken the last descriptors: it may be 503.
            const std::string_view text(answer.data(), static_cast<std::size_t>(size));
            EXPECT_TRUE(text.starts_with("HTTP/1.1 ")) << text;
            if (mode == backend_options::direct::always) {
                EXPECT_TRUE(text.ends_with(hello)) << text;
            }
        }
        EXPECT_TRUE(reports().empty()) << reports().front();
        // A large file goes out through a descriptor installed for it, or in copies where there is none left.
        EXPECT_EQ(first.ask(get("/large.bin", "Range: bytes=100000-299999\r\n")).body,
                  pattern(300'000).substr(100'000));
        sockets.clear();
        stop();
    }
}

// One address may have many connections, until most of those that there can be are open.
TEST_P(descriptors_test, near_the_limit_an_address_may_have_so_many_connections_only) {
    options_.connections_per_address = 5;
    options_.engine_options = engine_options(backend_options::direct::off);
    limit_to(100);  // as the server sees it; both ends are in this process
    server_ = make_server(options_, [](std::string_view) {});
    unlimit();
    server_->start();
    std::vector<unique_descriptor> all;
    for (int each = 0; each < 75; ++each) {  // three quarters
        all.push_back(from("127.0.0.1:0"));
        ASSERT_TRUE(is_served(all.back())) << each;
    }
    EXPECT_FALSE(is_served(from("127.0.0.1:0")));
    for (int each = 0; each < 5; ++each) {
        all.push_back(from("127.0.0.2:0"));
        EXPECT_TRUE(is_served(all.back())) << each;
    }
    EXPECT_FALSE(is_served(from("127.0.0.2:0")));
    EXPECT_TRUE(is_served(from("127.0.0.3:0")));
    for (const unique_descriptor& each : all)
        EXPECT_TRUE(is_served(each)) << "those that are there stay";
    all.clear();
    EXPECT_TRUE(eventually([&] { return is_served(from("127.0.0.1:0")); }));
}

TEST_P(descriptors_test, near_the_limit_those_are_counted_who_came_when_there_was_room_again) {
    if (GetParam() == engine::io_uring_sqpoll) GTEST_SKIP() << "its thread of the kernel's takes long";
    options_.connections_per_address = 5;
    options_.engine_options = engine_options(backend_options::direct::off);
    limit_to(100);  // as the server sees it
    server_ = make_server(options_, [](std::string_view) {});
    unlimit();
    server_->start();
    std::vector<unique_descriptor> all;
    const auto fill_to = [&](std::size_t size, const char* source) {
        while (all.size() < size) {
            all.push_back(from(source));
            ASSERT_TRUE(is_served(all.back())) << all.size();
        }
    };
    fill_to(75, "127.0.0.1:0");  // three quarters
    EXPECT_FALSE(is_served(from("127.0.0.1:0")));
    all.resize(50);
    ASSERT_TRUE(eventually([this] { return open_connections(server_->metrics(20'000ms)) == 50; }));
    fill_to(55, "127.0.0.2:0");
    fill_to(75, "127.0.0.1:0");
    EXPECT_FALSE(is_served(from("127.0.0.2:0")));
    EXPECT_TRUE(is_served(from("127.0.0.3:0")));
}

TEST_P(descriptors_test, files_that_cannot_be_opened_are_answered_with_503) {
    files_.write("other.txt", "other");
    limit_to(100);
    start();
    client one = connect();
    use_classes(one);
    EXPECT_EQ(one.ask(get("/hello.txt")).body, hello);
    std::vector<unique_descriptor> taken = take_all_but(0);
    const response got = one.ask(get("/other.txt"));
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got["Retry-After"], "1");
    taken.clear();
    EXPECT_EQ(one.ask(get("/other.txt")).body, "other");
    EXPECT_EQ(one.ask(get("/hello.txt")).body, hello);
}

// Descriptors past FD_SETSIZE: select cannot watch them and must say no to them, without harm to the others.
TEST_P(descriptors_test, past_a_thousand_connections) {
    rlimit limit{};
    checked(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 8'192);
    checked(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
    start();
    client early = connect();
    EXPECT_EQ(early.ask(get("/hello.txt")).body, hello);
    std::vector<unique_descriptor> filling;
    while (filling.empty() || filling.back().get() < FD_SETSIZE + 10)
        filling.emplace_back(checked(::dup(0), "dup"));
    for (int each = 0; each < 20; ++each) {
        client late = connect();
        late.send(get("/hello.txt", "Connection: close\r\n"));
        const std::string got = late.read_to_end();
        if (GetParam() == engine::select) {
            EXPECT_TRUE(got.empty()) << got;
        } else {
            EXPECT_TRUE(got.ends_with(hello)) << got;
        }
        EXPECT_EQ(early.ask(get("/hello.txt")).body, hello) << each;
    }
    filling.clear();
    EXPECT_TRUE(eventually([this] {
        try {
            return answers();
        } catch (const std::exception&) {
            return false;  // select may still be in a pause
        }
    }));
    EXPECT_EQ(early.ask(get("/hello.txt")).body, hello);
}

}  // namespace
}  // namespace naru::testing
