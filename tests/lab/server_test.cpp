// Every model gives the same bytes for the same bytes, on real sockets.
#include <lab/event_server.hpp>
#include <lab/model.hpp>
#include <lab/threads_server.hpp>

#include "support/sockets.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>

namespace naru::lab {
namespace {

const handler& answering() {
    static const handler made(body_sizes);
    return made;
}

/// A model at work in a thread.
class running_model {
 public:
    explicit running_model(const model& which) : listener_(testing::listening_socket()) {
        where_ = address::local_of(listener_.get()).value();
        if (which.threads) {
            testing::checked(::fcntl(listener_.get(), F_SETFL, 0), "fcntl");
            thread_ = std::thread(
                [this] { serve_with_threads(listener_.get(), answering(), [](std::string_view) {}); });
            return;
        }
        backend_choice choice = make_backend(which);
        if (choice.backend == nullptr) {
            reason_ = choice.reason;
            return;
        }
        loop_ = std::make_unique<loop>(std::move(choice.backend));
        server_ = std::make_unique<event_server>(*loop_, answering(), [](std::string_view) {});
        const handle attached = loop_->attach(listener_.release(), descriptor_kind::listener).value();
        thread_ = std::thread([this, attached] {
            server_->serve(attached);
            loop_->run();
        });
    }
    ~running_model() {
        if (loop_) {
            loop_->post([this] { server_->stop(); });
        } else if (listener_) {
            ::shutdown(listener_.get(), SHUT_RDWR);  // ends the blocking accept
        }
        if (thread_.joinable()) thread_.join();
    }
    running_model(const running_model&) = delete;
    running_model& operator=(const running_model&) = delete;

    const std::string& missing() const { return reason_; }

    unique_descriptor connect() const {
        unique_descriptor made(testing::checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        const timeval patience{20, 0};
        testing::checked(::setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience),
                         "setsockopt");
        testing::checked(::connect(made.get(), static_cast<const sockaddr*>(where_.data()), where_.size()),
                         "connect");
        return made;
    }

 private:
    unique_descriptor listener_;
    address where_;
    std::string reason_;
    std::unique_ptr<loop> loop_;
    std::unique_ptr<event_server> server_;
    std::thread thread_;
};

void send_all(int socket, std::string_view text) {
    while (!text.empty()) {
        const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        ASSERT_GT(sent, 0);
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

/// Exactly so many bytes, or what came before the end.
std::string receive(int socket, std::size_t bytes) {
    std::string all(bytes, '\0');
    std::size_t have = 0;
    while (have < bytes) {
        const ssize_t got = ::recv(socket, all.data() + have, bytes - have, 0);
        // A ring that this thread has made and another one has ended interrupts it: with a timeout that is
        // EINTR.
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        have += static_cast<std::size_t>(got);
    }
    all.resize(have);
    return all;
}

std::string expected(const std::string& request) {
    std::array<slice, 1> slices;
    (void)answering().answer(request, slices);
    return {reinterpret_cast<const char*>(slices[0].data), slices[0].size};
}

std::string get(std::size_t size, std::string_view fields = {}) {
    return "GET /" + std::to_string(size) + " HTTP/1.1\r\nHost: x\r\n" + std::string(fields) + "\r\n";
}

class LabModels : public ::testing::TestWithParam<model> {
 protected:
    void SetUp() override {
        if (!server_.missing().empty()) GTEST_SKIP() << server_.missing();
    }
    running_model server_{GetParam()};
};

TEST_P(LabModels, AnswersOneRequestAfterAnother) {
    const unique_descriptor client = server_.connect();
    for (const std::size_t size : body_sizes) {
        send_all(client.get(), get(size));
        const std::string wanted = expected(get(size));
        EXPECT_EQ(receive(client.get(), wanted.size()), wanted);
    }
}

TEST_P(LabModels, PutsARequestTogetherFromSingleBytes) {
    const unique_descriptor client = server_.connect();
    const int now = 1;
    testing::checked(::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &now, sizeof now), "setsockopt");
    const std::string request = get(64);
    for (const char& each : request)
        send_all(client.get(), std::string_view(&each, 1));
    const std::string wanted = expected(request);
    EXPECT_EQ(receive(client.get(), wanted.size()), wanted);
}

TEST_P(LabModels, AnswersPipelinedRequestsInOrder) {
    const unique_descriptor client = server_.connect();
    std::string requests;
    std::string wanted;
    for (unsigned index = 0; index < 300; ++index) {
        const std::string each = get(index % 3 == 0 ? 64 : 1024);
        requests += each;
        wanted += expected(each);
    }
    send_all(client.get(), requests);
    EXPECT_EQ(receive(client.get(), wanted.size()), wanted);
}

TEST_P(LabModels, SendsTheWholeOfALargeAnswerToASlowReader) {
    const unique_descriptor client = server_.connect();
    const std::string request = get(1024 * 1024);
    send_all(client.get(), request + request);
    const std::string wanted = expected(request);
    for (unsigned index = 0; index < 2; ++index)
        EXPECT_TRUE(receive(client.get(), wanted.size()) == wanted);
}

TEST_P(LabModels, ClosesWhenAskedAndRefusesWhatIsNoRequest) {
    const unique_descriptor polite = server_.connect();
    const std::string last = get(64, "Connection: close\r\n");
    send_all(polite.get(), last);
    EXPECT_EQ(receive(polite.get(), 1 << 20), expected(last));
    const unique_descriptor rude = server_.connect();
    send_all(rude.get(), "hello\r\n\r\n");
    EXPECT_TRUE(receive(rude.get(), 1 << 20).starts_with("HTTP/1.1 400 "));
}

TEST_P(LabModels, OutlivesClientsThatGoAway) {
    for (unsigned index = 0; index < 50; ++index) {
        const unique_descriptor client = server_.connect();
        if (index % 2 == 0) send_all(client.get(), get(1024 * 1024));
        if (index % 5 == 0) reset_on_close(client.get());
    }
    const unique_descriptor client = server_.connect();
    send_all(client.get(), get(64));
    const std::string wanted = expected(get(64));
    EXPECT_EQ(receive(client.get(), wanted.size()), wanted);
}

INSTANTIATE_TEST_SUITE_P(Every, LabModels, ::testing::ValuesIn(all_models().begin(), all_models().end()),
                         [](const auto& each) {
                             std::string name(each.param.name);
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

}  // namespace
}  // namespace naru::lab
