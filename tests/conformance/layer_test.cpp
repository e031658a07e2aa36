// Layers: operations that something above a backend completes, under the same contract. The layer here joins
// what a stream brings into records of a fixed length.
#include "support/conformance.hpp"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::string_literals;

/// Receives whole records into lent memory (recv_into). Holds what has come of the next ones.
class record_layer final : public layer {
 public:
    record_layer(naru::loop& on, handle from, std::size_t length)
        : loop_(on), length_(length), read_(from, 7) {
        read_.then = [this] { arrived(); };
    }
    ~record_layer() { EXPECT_TRUE(waiting_.empty() && read_.idle()); }
    record_layer(const record_layer&) = delete;
    record_layer& operator=(const record_layer&) = delete;

    void receive(operation& op) {
        loop_.begin(op, *this);
        waiting_.push(op);
        advance();
    }
    void cancel(operation& op) noexcept override {
        if (!waiting_.remove(op)) return;
        loop_.finish(op, outcome::canceled);
        if (waiting_.empty() && !read_.idle()) loop_.cancel(read_);
    }

 private:
    void arrived() {
        if (read_.failed() && read_.result != outcome::canceled) end_ = read_.result;
        if (!read_.failed()) held_ += read_.text();
        advance();
    }
    void advance() {
        while (!waiting_.empty() && held_.size() >= length_) {
            operation& op = *waiting_.pop();
            const std::string record = held_.substr(0, length_);
            held_.erase(0, length_);
            std::copy_n(reinterpret_cast<const std::byte*>(record.data()), length_, op.data);
            loop_.finish(op, static_cast<std::int64_t>(length_));
        }
        while (end_ < 0 && !waiting_.empty())
            loop_.finish(*waiting_.pop(), end_);
        if (!waiting_.empty() && read_.idle()) loop_.submit(read_);
    }

    naru::loop& loop_;
    const std::size_t length_;
    a_recv_into read_;
    operation_queue waiting_;
    std::string held_;
    std::int64_t end_ = 0;
};

struct a_record : any_operation {
    explicit a_record(std::size_t length) : any_operation(operation_kind::recv_into), memory(length, '.') {
        data = reinterpret_cast<std::byte*>(memory.data());
        count = static_cast<std::uint32_t>(length);
    }
    std::string memory;
};

class Layer : public conformance {
 protected:
    void SetUp() override {
        conformance::SetUp();
        if (loop_ == nullptr) return;
        sockets_ = tcp_pair();
        ours_ = adopt(sockets_.ours);
    }
    void TearDown() override {
        if (loop_ != nullptr) loop().close(ours_);
        sockets_ = {};
        conformance::TearDown();
    }
    socket_pair sockets_;
    handle ours_;
};
NARU_ON_EVERY_BACKEND(Layer);

TEST_P(Layer, CompletesOnceInOrderAndNeverInsideACall) {
    record_layer records(loop(), ours_, 10);
    std::vector<std::unique_ptr<a_record>> asked;
    std::string order;
    write_all(sockets_.peer.get(), "0........91........92.......");
    for (int each = 0; each < 3; ++each) {
        asked.push_back(std::make_unique<a_record>(10));
        a_record& record = *asked.back();
        record.then = [&order, &record] { order += record.memory.substr(0, 1) + record.memory.substr(9); };
        records.receive(record);
        EXPECT_FALSE(record.idle());
        EXPECT_EQ(record.completions, 0);
    }
    EXPECT_GE(loop().in_flight(), 3u);
    ASSERT_TRUE(run_until([&] { return asked[1]->done(); }));
    EXPECT_EQ(order, "0919");
    // What is held already is handed over in a later round, too.
    write_all(sockets_.peer.get(), ".93........9");
    ASSERT_TRUE(run_until(*asked[2]));
    a_record next(10);
    ASSERT_TRUE(run_until([&] {
        if (next.completions == 0 && next.idle()) {
            records.receive(next);
            EXPECT_EQ(next.completions, 0);
        }
        return next.done();
    }));
    EXPECT_EQ(next.memory, "3........9");
    EXPECT_EQ(order, "091929");
    for (const auto& each : asked) {
        EXPECT_EQ(each->completions, 1);
        EXPECT_EQ(each->result, 10);
    }
    settle();
}

TEST_P(Layer, ACancelledOneEndsOnceAndLosesNothing) {
    record_layer records(loop(), ours_, 4);
    a_record first(4);
    a_record second(4);
    records.receive(first);
    records.receive(second);
    write_all(sockets_.peer.get(), "ab");
    ticks(3);
    loop().cancel(first);
    loop().cancel(first);
    EXPECT_EQ(first.completions, 0);
    ASSERT_TRUE(run_until(first));
    EXPECT_EQ(first.error(), std::errc::operation_canceled);
    write_all(sockets_.peer.get(), "cd");
    ASSERT_TRUE(run_until(second));
    EXPECT_EQ(second.memory, "abcd");
    // Of the last one the layer gives its own read back, and of one that has its result that stands.
    a_record third(4);
    records.receive(third);
    ticks(2);
    loop().cancel(third);
    settle();
    EXPECT_EQ(third.error(), std::errc::operation_canceled);
    write_all(sockets_.peer.get(), "efgh");
    a_record fourth(4);
    fourth.then = [&] { loop().cancel(fourth); };
    records.receive(fourth);
    ASSERT_TRUE(run_until(fourth));
    EXPECT_EQ(fourth.memory, "efgh");
    EXPECT_EQ(fourth.result, 4);
    EXPECT_EQ(first.completions + second.completions + third.completions + fourth.completions, 4);
}

TEST_P(Layer, AHandlerMayBeginTheNextAndDestroyItsOwn) {
    record_layer records(loop(), ours_, 2);
    std::string got;
    std::deque<std::unique_ptr<a_record>> all;
    std::function<void()> next = [&] {
        if (!all.empty()) {
            EXPECT_EQ(all.front()->result, 2);
            got += all.front()->memory;
            all.pop_front();
        }
        if (got.size() >= 200) return;
        all.push_back(std::make_unique<a_record>(2));
        all.back()->then = next;
        records.receive(*all.back());
    };
    next();
    const std::string sent = pattern(200);
    write_all(sockets_.peer.get(), sent);
    ASSERT_TRUE(run_until([&] { return got.size() >= 200; }));
    EXPECT_EQ(got, sent);
}

TEST_P(Layer, WhatIsLinkedBehindItBeginsWhenItHasSucceeded) {
    record_layer records(loop(), ours_, 3);
    for (const bool succeeds : {true, false}) {
        a_record record(3);
        a_send answer(ours_, "answer");
        record.link = &answer;
        records.receive(record);
        ticks(2);
        EXPECT_FALSE(answer.done());
        if (succeeds) {
            write_all(sockets_.peer.get(), "ask");
        } else {
            loop().cancel(record);
        }
        ASSERT_TRUE(run_until([&] { return record.done() && answer.done(); }));
        EXPECT_EQ(answer.result, succeeds ? 6 : outcome::canceled);
    }
    settle();
}

TEST_P(Layer, TheEndBelowItIsTheEndOfWhatWaits) {
    record_layer records(loop(), ours_, 4);
    a_record whole(4);
    a_record part(4);
    records.receive(whole);
    records.receive(part);
    write_all(sockets_.peer.get(), "wholepar");
    ASSERT_EQ(end_sending(sockets_.peer.get()), 0);
    ASSERT_TRUE(run_until(part));
    EXPECT_EQ(whole.memory, "whol");
    EXPECT_EQ(part.result, 4);
    a_record none(4);
    records.receive(none);
    ASSERT_TRUE(run_until(none));
    EXPECT_EQ(none.error(), errc::end_of_stream);
}

}  // namespace
}  // namespace naru::testing
