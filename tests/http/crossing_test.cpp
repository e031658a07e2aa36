// Writes that are stopped before their turn has come, on every engine: the answers before them are still on
// their way, because the client does not read. Both sockets hold less than those are, and the output
// holds them all.
#include "fixture.hpp"

#include <naru/coro/combine.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/http/http.hpp>

#include <semaphore>

namespace naru::testing {
namespace {

using http::exchange;

constexpr int answers_before = 9;
constexpr std::size_t before_bytes = 1'150;
constexpr std::size_t piece_bytes = 700;

class crossing_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.threads = 1;
        options_.send_buffer = 1;  // the least that the system has
    }
    /// Answers that go before, and what is asked for behind.
    static http::site surroundings() {
        http::site made;
        made.get("/before",
                 [](exchange& x) noexcept { x.respond(200, "text/plain", std::string(before_bytes, 'b')); })
            .get("/next",
                 [](exchange& x) noexcept { x.respond(200, "text/plain", std::string(piece_bytes, 'n')); });
        return made;
    }
    /// Asks for all in one piece, and reads nothing.
    client ask_behind_others(std::string_view target) {
        std::string text;
        for (int each = 0; each < answers_before; ++each)
            text += get("/before");
        client one = connect(1);
        one.send(text + get(target) + get("/next", "Connection: close\r\n"));
        return one;
    }

    std::binary_semaphore ended_{0};
    std::error_code error_;
};
NARU_ON_EVERY_ENGINE(crossing_test);

// Its length has been promised, and no byte of it has gone: the answer to the next request is not it.
TEST_P(crossing_test, a_write_that_is_stopped_before_its_turn_ends_the_connection) {
    const auto ends_with = [this](const result<void>& wrote) {
        error_ = wrote ? std::error_code() : wrote.error();
        ended_.release();
    };
    http::site site = surroundings();
    site.get("/deadline",
             [=](exchange& x) -> task<> {
                 const std::string all(piece_bytes, 'p');
                 co_await yield();  // what came before is being sent
                 x.add("Content-Length", std::to_string(all.size()));
                 auto wrote = co_await with_deadline(0s, x.write(all));
                 ends_with(wrote);
             })
        .get("/scope",
             [=](exchange& x) -> task<> {
                 const std::string all(piece_bytes, 'p');
                 stop_scope over;
                 over.stop();
                 co_await yield();
                 x.add("Content-Length", std::to_string(all.size()));
                 auto wrote = co_await with_stop(over, x.write(all));
                 ends_with(wrote);
             })
        .get("/ends",
             [=](exchange& x) -> task<> {
                 const std::string all(piece_bytes, 'p');
                 co_await yield();
                 x.add("Content-Length", std::to_string(all.size()));
                 auto wrote = co_await with_deadline(0s, x.write(all));
                 EXPECT_FALSE(wrote.has_value());
                 auto more = co_await x.write("more");
                 EXPECT_FALSE(more.has_value());
                 auto ended = co_await x.end();  // refused at once: something is missing before it
                 ends_with(ended);
             })
        .get("/chunked",
             [=](exchange& x) -> task<> {
                 const std::string all(piece_bytes, 'p');
                 co_await yield();
                 auto wrote = co_await with_deadline(0s, x.write(all));
                 EXPECT_FALSE(wrote.has_value());
                 auto ended = co_await x.end();
                 ends_with(ended);
             })
        .get("/limit",
             [=](exchange& x) -> task<> {
                 const std::string all(piece_bytes, 'p');
                 co_await yield();
                 x.add("Content-Length", std::to_string(all.size()));
                 auto wrote = co_await x.write(all);
                 ends_with(wrote);
             },
             {.handler_time = 1ms});
    start(std::move(site));
    for (const std::string_view target : {"/deadline", "/scope", "/ends", "/chunked", "/limit"}) {
        client one = ask_behind_others(target);
        ASSERT_TRUE(ended_.try_acquire_for(patience)) << target;
        EXPECT_TRUE(error_) << target;
        std::string text = one.read_to_end();
        response got;
        int whole = 0;
        for (; take_response(text, got); ++whole)
            EXPECT_EQ(got.body, std::string(before_bytes, 'b')) << target;
        EXPECT_LE(whole, answers_before) << target;
        // What the reset has overtaken is the rest of an answer that went before.
        const std::size_t head = text.find("\r\n\r\n");
        if (head != std::string::npos) {
            EXPECT_EQ(text.find_first_not_of('b', head + 4), std::string::npos) << target << text;
        }
        EXPECT_TRUE(one.has_ended()) << target;
    }
}

// An interim answer is no part of the answer: without it, all others come.
TEST_P(crossing_test, an_interim_answer_that_is_stopped_before_its_turn_is_left_out) {
    http::site site = surroundings();
    site.get("/informs", [this](exchange& x) -> task<> {
        co_await yield();
        auto informed = co_await with_deadline(0s, x.inform(103));
        error_ = informed ? std::error_code() : informed.error();
        x.respond(200, "text/plain", std::string(piece_bytes, 'p'));
        ended_.release();
    });
    start(std::move(site));
    client one = ask_behind_others("/informs");
    ASSERT_TRUE(ended_.try_acquire_for(patience));
    EXPECT_TRUE(error_);
    for (int each = 0; each < answers_before; ++each)
        EXPECT_EQ(one.read().body, std::string(before_bytes, 'b'));
    EXPECT_EQ(one.read().body, std::string(piece_bytes, 'p'));
    EXPECT_EQ(one.read().body, std::string(piece_bytes, 'n'));
}

}  // namespace
}  // namespace naru::testing
