// HTTP/2: what is counted, and that it is all there is, whatever the server does with streams.
#include "load_fixture.hpp"

#include <load/target.hpp>
#include <tls/pair.hpp>

#include <future>
#include <set>

namespace naru::load {
namespace {

constexpr std::uint8_t type_data = 0, type_headers = 1, type_reset = 3, type_settings = 4, type_ping = 6,
                       type_goaway = 7;
constexpr std::uint8_t end_stream = 1, end_headers = 4, ack = 1;
constexpr std::uint32_t internal_error = 2, refused_stream = 7, calm_down = 11;

std::string number(std::uint32_t value) {
    return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
            static_cast<char>(value)};
}

/// The server's side of one HTTP/2 connection, by hand.
class http2_conversation {
 public:
    explicit http2_conversation(conversation& over, std::uint32_t most_streams = 0) : over_(over) {
        over_.read_bytes(24);
        send(type_settings, 0, 0, most_streams == 0 ? "" : std::string("\0\3", 2) + number(most_streams));
    }
    /// The stream of the next request, whole; 0 when the client has gone.
    std::uint32_t next_request() {
        while (true) {
            const std::string head = over_.read_bytes(9);
            if (head.size() < 9) return 0;
            const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(head[at]); };
            over_.read_bytes(byte(0) * 65'536u + byte(1) * 256u + byte(2));
            if (byte(3) == type_settings && byte(4) == 0) send(type_settings, ack, 0, "");
            const std::uint32_t id = byte(5) * 16'777'216u + byte(6) * 65'536u + byte(7) * 256u + byte(8);
            if (byte(3) == type_reset) resets.insert(id);
            const bool is_request = byte(3) == type_headers || byte(3) == type_data;
            if (is_request && (byte(4) & end_stream) != 0) return id;
        }
    }
    void answer(std::uint32_t id) {  // ":status: 200" is entry 8 of HPACK's table
        send(type_headers, end_headers, id, "\x88");
        send(type_data, end_stream, id, "hello");
    }
    void reset(std::uint32_t id, std::uint32_t code) { send(type_reset, 0, id, number(code)); }
    void goaway(std::uint32_t last, std::uint32_t code) {
        send(type_goaway, 0, 0, number(last) + number(code));
    }
    void send(std::uint8_t type, std::uint8_t flags, std::uint32_t id, std::string_view payload) {
        std::string frame = number(static_cast<std::uint32_t>(payload.size())).substr(1);
        frame += {static_cast<char>(type), static_cast<char>(flags)};
        over_.send(frame + number(id) + std::string(payload));
    }
    std::set<std::uint32_t> resets;  // that have come

 private:
    conversation& over_;
};

class http2_load_test : public engine_test {
 protected:
    run_options http2_options(const address& target, unsigned streams, std::string_view path = "/") const {
        run_options made = options(target, path);
        speak_http2(made, streams);
        return made;
    }
    static void speak_http2(run_options& made, unsigned streams) {
        made.pipeline = streams;
        made.http2 = *make_http2_request(made.request, made.tls.context.has_value());
    }
};
NARU_LOAD_ON_BOTH_FAMILIES(http2_load_test);

void expect_all_answered(const report& got, std::uint64_t requests) {
    EXPECT_EQ(got.counts.completed, requests);
    EXPECT_EQ(got.counts.requests(), requests);
    EXPECT_EQ(got.service.count(), requests);
    EXPECT_EQ(got.counts.statuses[1], requests);
    EXPECT_EQ(got.counts.errors_in_all(), 0u) << got.counts.first_problem;
}

TEST_P(http2_load_test, against_naru_in_clear_text_and_over_tls) {
    testing::temporary_directory files;
    files.write("hello.txt", "Hello, ferry.\n");
    std::atomic<unsigned> posted{0};
    http::site site;
    site.post("/count", [&](http::exchange& x) -> task<> {
        const auto body = co_await x.read_all();
        if (body && *body == std::string(100'000, 'b')) ++posted;
        x.respond(200, "text/plain", "counted");
    });
    site.mount("/", http::files(files.path().string()));
    http::server_options settings;
    settings.engine = GetParam();
    settings.h2c = true;
    settings.report = [](std::string_view) {};
    http::endpoint secure{"127.0.0.1:0"};
    secure.tls = std::make_shared<http::tls_credentials>(
        testing::server_context([](tls_server_options& how) { how.protocols = {"h2", "http/1.1"}; }));
    http::server server(std::move(site), {{"127.0.0.1:0"}, secure}, settings);
    server.start();

    run_options asked = http2_options(server.addresses()[0], 16, "/hello.txt");
    asked.requests = 5003;
    asked.idle = 3;
    const report closed = carry_out(asked);
    expect_all_answered(closed, 5003);
    EXPECT_EQ(closed.counts.opened, 7u);
    EXPECT_EQ(closed.counts.idle_open, 3u);

    asked.rate = 2000;
    asked.requests = 500;
    asked.threads = 2;
    const report open = carry_out(asked);
    EXPECT_EQ(open.counts.scheduled, 500u);
    EXPECT_EQ(open.counts.completed, 500u);
    EXPECT_EQ(open.corrected.count(), 500u);

    run_options posting = options(server.addresses()[0]);
    posting.request =
        "POST /count HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n" + std::string(100'000, 'b');
    speak_http2(posting, 3);
    posting.requests = 50;
    expect_all_answered(carry_out(posting), 50);
    EXPECT_EQ(posted, 50u);

    url where;
    where.host = "localhost";
    run_options secured = options(server.addresses()[1], "/hello.txt");
    secured.tls = *make_tls_options(where, true, testing::common_authority().root_file(), true, true);
    ASSERT_TRUE(probe_tls(secured.target, secured.tls, 30s));
    speak_http2(secured, 16);
    secured.requests = 2000;
    expect_all_answered(carry_out(secured), 2000);
}

TEST_P(http2_load_test, a_server_that_chooses_another_protocol_is_not_asked) {
    http::server_options settings;
    settings.engine = GetParam();
    settings.report = [](std::string_view) {};
    http::endpoint secure{"127.0.0.1:0"};
    secure.tls = std::make_shared<http::tls_credentials>(
        testing::server_context([](tls_server_options& how) { how.protocols = {}; }));
    http::server server(http::site(), {secure}, settings);
    server.start();
    url where;
    where.host = "localhost";
    run_options asked = options(server.local_address());
    asked.tls = *make_tls_options(where, true, testing::common_authority().root_file(), false, true);
    const auto probed = probe_tls(asked.target, asked.tls, 30s);
    ASSERT_FALSE(probed);
    EXPECT_NE(probed.error().find("does not speak HTTP/2"), std::string::npos) << probed.error();
    speak_http2(asked, 4);
    asked.run_time = 50ms;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.in_time, 0u);
    EXPECT_GE(errors_of(got, failure::bad_response), 1u);
    EXPECT_NE(got.counts.first_problem.find("does not speak HTTP/2"), std::string::npos)
        << got.counts.first_problem;
}

TEST_P(http2_load_test, a_server_of_http1_is_named) {
    scripted_server server([](conversation& client) {
        client.read_bytes(24);
        client.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        client.wait_for_end();
    });
    run_options asked = http2_options(server.where(), 4);
    asked.run_time = 50ms;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.in_time, 0u);
    EXPECT_GE(errors_of(got, failure::bad_response), 1u);
    EXPECT_NE(got.counts.first_problem.find("HTTP/1"), std::string::npos) << got.counts.first_problem;
}

TEST_P(http2_load_test, what_is_no_http2_is_an_error) {
    scripted_server server([](conversation& client) {
        http2_conversation http2(client);
        if (const std::uint32_t id = http2.next_request(); id != 0) {
            http2.answer(id);
            http2.send(type_ping, 0, 0, "seven b");  // eight are right
        }
        client.wait_for_end();
    });
    run_options asked = http2_options(server.where(), 2);
    asked.connections = 1;
    asked.requests = 20;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.requests(), 20u);
    EXPECT_EQ(got.counts.completed + got.counts.failed, 20u);
    EXPECT_GE(got.counts.failed, 1u);
    EXPECT_GE(errors_of(got, failure::bad_response), got.counts.failed);
}

TEST_P(http2_load_test, answers_in_any_order) {
    scripted_server server([](conversation& client) {
        http2_conversation http2(client, 8);
        std::vector<std::uint32_t> waiting;
        while (const std::uint32_t id = http2.next_request()) {
            waiting.push_back(id);
            if (waiting.size() < 8) continue;
            for (const std::size_t each : {3u, 7u, 0u, 5u, 6u, 1u, 2u, 4u})
                http2.answer(waiting[each]);
            waiting.clear();
        }
    });
    run_options asked = http2_options(server.where(), 8);
    asked.connections = 1;
    asked.requests = 640;  // 80 rounds
    expect_all_answered(carry_out(asked), 640);
}

TEST_P(http2_load_test, no_more_streams_than_the_server_allows) {
    std::atomic<unsigned> most{0};
    scripted_server server([&](conversation& client) {
        http2_conversation http2(client, 3);
        std::vector<std::uint32_t> open;
        while (const std::uint32_t id = http2.next_request()) {
            open.push_back(id);
            most = std::max<unsigned>(most, static_cast<unsigned>(open.size()));
            if (open.size() < 3) continue;
            for (const std::uint32_t each : open)
                http2.answer(each);
            open.clear();
        }
    });
    run_options asked = http2_options(server.where(), 16);
    asked.connections = 1;
    asked.requests = 300;
    const report got = carry_out(asked);
    expect_all_answered(got, 300);
    EXPECT_EQ(most, 3u);
    EXPECT_EQ(got.counts.streams_allowed, 3u);
}

TEST_P(http2_load_test, refused_streams_are_sent_again) {
    std::atomic<unsigned> refused{0};
    std::atomic<unsigned> answered{0};
    scripted_server server([&](conversation& client) {
        http2_conversation http2(client);
        for (unsigned each = 0; const std::uint32_t id = http2.next_request(); ++each) {
            if (each % 5 == 2) {
                ++refused;
                http2.reset(id, refused_stream);
            } else {
                ++answered;
                http2.answer(id);
            }
        }
    });
    run_options asked = http2_options(server.where(), 7);
    asked.requests = 1000;
    const report got = carry_out(asked);
    expect_all_answered(got, 1000);
    EXPECT_EQ(answered, 1000u);
    EXPECT_GE(refused, 240u);
    EXPECT_EQ(got.counts.sent_again, refused);
    EXPECT_EQ(got.counts.opened, 4u);
}

TEST_P(http2_load_test, what_a_goaway_leaves_out_is_sent_again_on_the_next_connection) {
    std::atomic<unsigned> answered{0};
    scripted_server server([&](conversation& client) {
        http2_conversation http2(client);
        for (unsigned each = 0; const std::uint32_t id = http2.next_request();) {
            if (++each > 10) continue;  // not looked at
            if (each == 10) http2.goaway(id, 0);
            ++answered;
            http2.answer(id);
            if (each == 10) return client.end_in_order();
        }
    });
    run_options asked = http2_options(server.where(), 6);
    asked.requests = 500;
    const report got = carry_out(asked);
    expect_all_answered(got, 500);
    EXPECT_EQ(answered, 500u);
    EXPECT_GE(got.counts.opened, 50u);
}

TEST_P(http2_load_test, a_goaway_with_an_error_is_one) {
    scripted_server server([&](conversation& client) {
        http2_conversation http2(client);
        if (const std::uint32_t id = http2.next_request(); id != 0) {
            http2.answer(id);
            http2.goaway(id, calm_down);
        }
        client.end_in_order();
    });
    run_options asked = http2_options(server.where(), 4);
    asked.requests = 40;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.requests(), 40u);
    EXPECT_EQ(got.counts.completed + got.counts.failed, 40u);
    EXPECT_GE(errors_of(got, failure::bad_response), 1u);
    EXPECT_EQ(got.counts.first_problem, "ENHANCE_YOUR_CALM");
}

TEST_P(http2_load_test, a_reset_stream_is_an_error_and_the_others_go_on) {
    std::atomic<unsigned> resets{0};
    scripted_server server([&](conversation& client) {
        http2_conversation http2(client);
        for (unsigned each = 0; const std::uint32_t id = http2.next_request(); ++each) {
            if (each % 4 == 1) {
                ++resets;
                http2.reset(id, internal_error);
            } else {
                http2.answer(id);
            }
        }
    });
    run_options asked = http2_options(server.where(), 5);
    asked.requests = 400;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed + got.counts.failed, 400u);
    EXPECT_EQ(got.counts.failed, resets);
    EXPECT_EQ(errors_of(got, failure::reset), resets);
    EXPECT_EQ(got.counts.opened, 4u);
    EXPECT_EQ(got.counts.first_problem, "the server reset a stream: INTERNAL_ERROR");
}

TEST_P(http2_load_test, a_stream_without_an_answer_times_out_by_itself) {
    std::promise<void> has_gone_on;
    std::atomic<bool> told{false};
    scripted_server server([&](conversation& client) {
        http2_conversation http2(client);
        const std::uint32_t unanswered = http2.next_request();
        while (const std::uint32_t id = http2.next_request()) {
            http2.answer(id);
            if (http2.resets.contains(unanswered) && !told.exchange(true)) has_gone_on.set_value();
        }
    });
    run_options asked = http2_options(server.where(), 4);
    asked.connections = 1;
    asked.timeout = 500ms;
    run one(asked);
    one.start();
    EXPECT_EQ(has_gone_on.get_future().wait_for(30s), std::future_status::ready)
        << "a connection goes on without the stream that has been given up";
    one.stop();
    const report got = one.finish();
    EXPECT_GE(errors_of(got, failure::timed_out), 1u);
    EXPECT_GE(errors_of(got, failure::timed_out), got.counts.failed) << got.counts.first_problem;
    EXPECT_GE(got.counts.completed, 1u);
}

TEST_P(http2_load_test, a_connection_that_ends_without_a_word_fails_what_is_under_way) {
    scripted_server server([&](conversation& client) {
        http2_conversation http2(client);
        for (unsigned each = 0; each < 10; ++each)
            if (const std::uint32_t id = http2.next_request(); id != 0) http2.answer(id);
        (void)http2.next_request();
        client.end_in_order();
    });
    run_options asked = http2_options(server.where(), 3);
    asked.requests = 300;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed + got.counts.failed, 300u);
    EXPECT_GE(got.counts.failed, 1u);
    EXPECT_EQ(errors_of(got, failure::closed_early) + errors_of(got, failure::reset), got.counts.failed)
        << got.counts.first_problem;
}

}  // namespace
}  // namespace naru::load
