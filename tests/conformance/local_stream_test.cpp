// UNIX sockets, pipes and standard streams: what a system has for programs on the same machine.
#include "support/conformance.hpp"

#if !defined(_WIN32)

#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace naru::testing {
namespace {

class temporary_directory {
 public:
    temporary_directory() {
        char name[] = "/tmp/naru-test-XXXXXX";
        if (::mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    ~temporary_directory() {
        for (const char* each : {"/socket", "/client", "/file"})
            ::unlink((path_ + each).c_str());
        ::rmdir(path_.c_str());
    }
    std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
    std::string path_;
};

class Local : public conformance {};
NARU_ON_EVERY_BACKEND_OF_THE_SYSTEM(Local);

TEST_P(Local, AListenerAtAPathAndAtAnAbstractName) {
    const temporary_directory directory;
    const std::string abstract = "@naru-test-" + std::to_string(process_number()) + GetParam().name;
    for (const std::string& where : {directory / "socket", abstract}) {
        auto listener = unix_listener::bind(loop(), where);
        ASSERT_TRUE(listener) << where << listener.error().message();
        EXPECT_EQ(listener->local_address()->text(), where);
        auto talk = [&]() -> task<> {
            auto client = co_await unix_stream::connect(loop(), where);
            EXPECT_TRUE(client) << client.error().message();
            auto server = co_await listener->accept();
            EXPECT_TRUE(server);
            if (!client || !server) co_return;
            EXPECT_EQ(client->peer_address()->text(), where);
            EXPECT_TRUE(server->peer_address()->is_unnamed());
            auto sent = co_await client->send("through the file system");
            EXPECT_TRUE(sent);
            auto got = co_await server->receive();
            EXPECT_TRUE(got && got->text() == "through the file system");
            const result<endpoint> peer(client->peer_address());
            EXPECT_TRUE(peer->local() != nullptr && peer->text() == where);
        };
        run_task(loop(), talk());
    }
}

TEST_P(Local, AConnectFromALocalName) {
    const temporary_directory directory;
    auto listener = unix_listener::bind(loop(), directory / "socket");
    ASSERT_TRUE(listener);
    const unix_address own = unix_address::path(directory / "client").value();
    auto talk = [&]() -> task<> {
        auto client = co_await unix_stream::connect(loop(), *listener->local_address(), own);
        EXPECT_TRUE(client) << client.error().message();
        auto server = co_await listener->accept();
        EXPECT_TRUE(server && server->peer_address().value() == own);
        auto taken = co_await unix_stream::connect(loop(), *listener->local_address(), own);
        EXPECT_EQ(taken.error(), std::errc::address_in_use);
        auto nowhere = co_await unix_stream::connect(loop(), directory / "no such");
        EXPECT_EQ(nowhere.error(), std::errc::no_such_file_or_directory);
        auto too_long = co_await unix_stream::connect(loop(), std::string(108, 'x'));
        EXPECT_EQ(too_long.error(), std::errc::filename_too_long);
    };
    run_task(loop(), talk());
}

TEST_P(Local, APathThatIsLeftBehindIsReplacedWhenAsked) {
    const temporary_directory directory;
    const std::string path = directory / "socket";
    unix_listen_options replaces;
    replaces.replace_stale = true;
    replaces.mode = 0600;
    const auto error_of = [&](const unix_listen_options& how, const std::string& where) {
        auto listener = unix_listener::bind(loop(), where, how);
        return listener ? std::error_code() : listener.error();
    };
    {
        auto first = unix_listener::bind(loop(), path);
        ASSERT_TRUE(first);
        EXPECT_EQ(error_of(replaces, path), std::errc::address_in_use);  // somebody listens
    }
    settle();
    EXPECT_EQ(error_of({}, path), std::errc::address_in_use);
    EXPECT_EQ(error_of(replaces, path), std::error_code());
    struct stat about{};
    ASSERT_EQ(::stat(path.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u);
    const unique_descriptor file(
        checked(::open((directory / "file").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600), "open"));
    EXPECT_EQ(error_of(replaces, directory / "file"), std::errc::address_in_use);
    EXPECT_EQ(::access((directory / "file").c_str(), F_OK), 0);
}

TEST_P(Local, UnixSocketsFromOutside) {
    const temporary_directory directory;
    auto listening = listen_on(unix_address::path(directory / "socket").value());
    ASSERT_TRUE(listening);
    auto pair = unix_socket_pair();
    ASSERT_TRUE(pair);
    EXPECT_EQ(tcp_stream::adopt(loop(), duplicate_from(pair->first.get(), 3)).error(),
              errc::wrong_kind_of_descriptor);
    EXPECT_EQ(unix_stream::adopt(loop(), duplicate_from(listening->get(), 3)).error(),
              errc::wrong_kind_of_descriptor);
    EXPECT_EQ(unix_listener::adopt(loop(), duplicate_from(pair->first.get(), 3)).error(),
              errc::not_listening);
    auto listener = unix_listener::adopt(loop(), std::move(*listening));
    ASSERT_TRUE(listener) << listener.error().message();
    auto stream = unix_stream::adopt(loop(), std::move(pair->first));
    ASSERT_TRUE(stream);
    write_all(pair->second.get(), "hello");
    auto talk = [&]() -> task<> {
        auto got = co_await stream->receive();
        EXPECT_TRUE(got && got->text() == "hello");
        auto client = co_await unix_stream::connect(loop(), directory / "socket");
        auto server = co_await listener->accept();
        EXPECT_TRUE(client && server);
        // A unix stream leaves its loop like any other.
        auto left = co_await stream->release();
        EXPECT_TRUE(left);
        auto again = unix_stream::adopt(loop(), std::move(*left));
        EXPECT_TRUE(again);
    };
    run_task(loop(), talk());
}

TEST_P(Local, APipeHasOneDirection) {
    auto pipe = pipe_stream::make(loop()).value();
    auto all = [&]() -> task<> {
        auto wrong_way = co_await pipe.reader.send("x");
        EXPECT_EQ(wrong_way.error(), std::errc::bad_file_descriptor);
        auto sent = co_await pipe.writer.send("some");
        EXPECT_TRUE(sent);
        auto got = co_await pipe.reader.receive();
        EXPECT_TRUE(got && got->text() == "some");
        EXPECT_EQ(result<endpoint>(pipe.reader.peer_address())->text(), "");
        auto closed = co_await pipe.reader.close();
        EXPECT_TRUE(closed);
        auto broken = co_await pipe.writer.send("x");
        EXPECT_EQ(broken.error(), std::errc::broken_pipe);
    };
    run_task(loop(), all());
}

TEST_P(Local, APipeThatIsFullIsNoneToItsEnd) {
    auto pipe = pipe_stream::make(loop()).value();
    auto all = [&]() -> task<> {
        std::size_t held = 0;
        while (true) {  // until it is full to the last byte
            stop_scope now;
            now.stop();
            auto sent = co_await with_deadline(5ms, pipe.writer.send_some(std::string(65'536, 'x')));
            if (!sent) break;
            held += *sent;
        }
        EXPECT_GE(held, 65'536u);
        auto ended = co_await pipe.writer.shutdown();  // with nothing before it, it waits for nobody
        EXPECT_TRUE(ended) << ended.error().message();
        std::size_t got = 0;
        while (auto data = co_await pipe.reader.receive())
            got += data->size();
        EXPECT_EQ(got, held);
    };
    run_task(loop(), all());
}

/// A pipe in blocking mode, as a shell makes it.
std::pair<unique_descriptor, unique_descriptor> blocking_pipe() {
    int ends[2];
    checked(::pipe2(ends, O_CLOEXEC), "pipe2");
    return {unique_descriptor(ends[0]), unique_descriptor(ends[1])};
}

TEST_P(Local, APipeFromOutsideKeepsItsMode) {
    auto [read_end, write_end] = blocking_pipe();
    const unique_descriptor shared = duplicate_from(read_end.get(), 3);
    auto reader = pipe_stream::adopt(loop(), std::move(read_end));
    ASSERT_TRUE(reader) << reader.error().message();
    EXPECT_FALSE(is_non_blocking(shared.get()));
    ASSERT_EQ(::write(write_end.get(), "text", 4), 4);
    auto read = [&]() -> task<> {
        auto got = co_await reader->receive();
        EXPECT_TRUE(got && got->text() == "text");
        auto nothing = co_await with_deadline(2ms, reader->receive());
        EXPECT_EQ(nothing.error(), std::errc::timed_out);
        write_end.reset();
        auto end = co_await reader->receive();
        EXPECT_EQ(end.error(), errc::end_of_stream);
    };
    run_task(loop(), read());
    EXPECT_EQ(pipe_stream::adopt(loop(), file_with("x")).error(), errc::wrong_kind_of_descriptor);
    EXPECT_EQ(pipe_stream::adopt(loop(), tcp_pair().ours).error(), errc::wrong_kind_of_descriptor);
}

/// With worker threads, which are gone before the loop is.
class Standard : public conformance {
 protected:
    void SetUp() override {
        conformance::SetUp();
        if (!IsSkipped()) workers_.emplace(1);
    }
    void TearDown() override {
        workers_.reset();
        conformance::TearDown();
    }
    standard_stream open(const unique_descriptor& descriptor) {
        return standard_stream::of(loop(), *workers_, descriptor.get()).value();
    }
    std::optional<worker_pool> workers_;
};
NARU_ON_EVERY_BACKEND_OF_THE_SYSTEM(Standard);

TEST_P(Standard, FilesGoToTheWorkers) {
    const unique_descriptor file = file_with("first line\nsecond line\n");
    checked(static_cast<int>(::lseek(file.get(), 0, SEEK_SET)), "lseek");
    standard_stream stream = open(file);
    EXPECT_EQ(stream.how(), standard_stream::way::worker);
    auto all = [&]() -> task<> {
        buffered_reader reader(stream);
        auto first = co_await reader.line();
        EXPECT_TRUE(first && as_text(*first) == "first line");
        auto second = co_await reader.line();
        EXPECT_TRUE(second && as_text(*second) == "second line");
        EXPECT_EQ((co_await reader.line()).error(), errc::end_of_stream);
        slice pieces[] = {slice("third "), slice("line\n")};
        auto sent = co_await stream.send(std::span<slice>(pieces));
        EXPECT_TRUE(sent && *sent == 11);
        EXPECT_EQ(::lseek(file.get(), 0, SEEK_CUR), 34);  // the place in the file is shared, as it was
        auto ended = co_await stream.shutdown();
        EXPECT_TRUE(ended);
    };
    run_task(loop(), all());
    const unique_descriptor nothing(checked(::open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null"));
    standard_stream null = open(nothing);
    EXPECT_EQ(null.how(), standard_stream::way::worker);
    auto drop = [&]() -> task<> {
        auto sent = co_await null.send(std::string(100'000, 'x'));
        EXPECT_TRUE(sent && *sent == 100'000);
        char memory[10];
        EXPECT_EQ((co_await null.receive(memory)).error(), errc::end_of_stream);
        auto closed = co_await null.close();
        EXPECT_TRUE(closed);
    };
    run_task(loop(), drop());
}

TEST_P(Standard, PipesSocketsAndTerminalsAreTheLoopsAndKeepTheirModes) {
    auto [read_end, write_end] = blocking_pipe();
    standard_stream in = open(read_end);
    standard_stream out = open(write_end);
    EXPECT_EQ(in.how(), standard_stream::way::loop);
    EXPECT_EQ(out.how(), standard_stream::way::loop);
    auto sockets = local_pair();
    checked(::fcntl(sockets.ours.get(), F_SETFL, 0), "fcntl");
    standard_stream inherited = open(sockets.ours);
    EXPECT_EQ(inherited.how(), standard_stream::way::loop);
    auto talk = [&]() -> task<> {
        const std::string text = pattern(300'000);
        auto send = [&]() -> task<result<std::size_t>> { co_return co_await out.send(text); };
        auto receive = [&]() -> task<std::string> {
            std::string got;
            while (got.size() < text.size()) {
                auto data = co_await in.receive();
                if (!data) co_return got;
                got += data->text();
            }
            co_return got;
        };
        auto [sent, got] = co_await when_all(send(), receive());
        EXPECT_TRUE(sent && got == text);
        auto answer = co_await inherited.send("over a socket");
        EXPECT_TRUE(answer);
        auto nothing = co_await with_deadline(2ms, inherited.receive());
        EXPECT_EQ(nothing.error(), std::errc::timed_out);
        EXPECT_TRUE(inherited.peer_address());
        auto ended = co_await inherited.shutdown();
        EXPECT_TRUE(ended);
    };
    run_task(loop(), talk());
    received_text over;
    over.read_from(sockets.peer.get());
    EXPECT_EQ(over.data, "over a socket");
    EXPECT_TRUE(over.ended);
    for (const int each : {read_end.get(), write_end.get(), sockets.ours.get()})
        EXPECT_FALSE(is_non_blocking(each));
    // A terminal, of which the test has the other side.
    const unique_descriptor keyboard(checked(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt"));
    ASSERT_EQ(::grantpt(keyboard.get()) | ::unlockpt(keyboard.get()), 0);
    const unique_descriptor terminal(
        checked(::open(::ptsname(keyboard.get()), O_RDWR | O_NOCTTY | O_CLOEXEC), "the terminal"));
    standard_stream typed = open(terminal);
    EXPECT_EQ(typed.how(), standard_stream::way::loop);
    ASSERT_EQ(::write(keyboard.get(), "typed\n", 6), 6);
    auto read = [&]() -> task<> {
        buffered_reader reader(typed);
        auto line = co_await reader.line();
        EXPECT_TRUE(line && as_text(*line) == "typed");
    };
    run_task(loop(), read());
    EXPECT_FALSE(is_non_blocking(terminal.get()));
}

TEST_P(Standard, WhatCannotBeOpenedAgainIsWaitedForByTheLoopAndReadByAWorker) {
    const unique_descriptor counter(checked(::eventfd(0, EFD_CLOEXEC), "eventfd"));  // blocking
    standard_stream stream = open(counter);
    EXPECT_EQ(stream.how(), standard_stream::way::worker);
    auto all = [&]() -> task<> {
        std::uint64_t number = 0;
        auto stopped =
            co_await with_deadline(2ms, stream.receive(std::as_writable_bytes(std::span(&number, 1))));
        EXPECT_EQ(stopped.error(), std::errc::timed_out);  // no worker was held
        const std::uint64_t seven = 7;
        auto sent = co_await stream.send(std::as_bytes(std::span(&seven, 1)));
        EXPECT_TRUE(sent && *sent == 8);
        auto got = co_await stream.receive(std::as_writable_bytes(std::span(&number, 1)));
        EXPECT_TRUE(got && *got == 8 && number == 7);
        auto closed = co_await stream.close();
        EXPECT_TRUE(closed);
    };
    run_task(loop(), all());
    EXPECT_FALSE(is_non_blocking(counter.get()));
}

TEST_P(Standard, TheProcessesOwn) {
    for (auto* each : {&standard_stream::input, &standard_stream::output, &standard_stream::error}) {
        auto stream = (*each)(loop(), *workers_);
        ASSERT_TRUE(stream) << stream.error().message();
        EXPECT_EQ(&stream->home(), &loop());
    }
    EXPECT_TRUE(is_open(0) && is_open(1) && is_open(2));
    const auto closed = standard_stream::of(loop(), *workers_, 19'999);
    EXPECT_EQ(closed.error(), std::errc::bad_file_descriptor);
}

}  // namespace
}  // namespace naru::testing

#endif
