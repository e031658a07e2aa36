// A slice of ./run sim: the web server and its client under every kind of misfortune, against the plain
// model.
#include "sim/campaign/campaign.hpp"
#include "sim/campaign/judgement.hpp"
#include "sim/campaign/plain_reader.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <random>
#include <string>
#include <string_view>

namespace naru::campaign {
namespace {

void expect_no_failure(const run_options& of) {
    const outcome_of_run got = run_seed(of);
    for (const std::string& each : got.failures)
        ADD_FAILURE() << each << "\n  again: ./run sim --seed " << of.seed << " --requests " << of.requests;
    EXPECT_GT(got.served, 0u) << "seed " << of.seed;
}

TEST(Campaign, TheServerAndTheClientKeepToTheModel) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed)
        expect_no_failure({.seed = seed, .requests = 1'000});
}

TEST(Campaign, FromSeedsThatNobodyHasChosen) {
    std::random_device from;
    for (int each = 0; each < 3; ++each) {
        const std::uint64_t seed = from();
        std::cout << "seed " << seed << std::endl;
        run_options options{.seed = seed, .requests = 500};
        const outcome_of_run got = run_seed(options);
        for (const std::string& failure : got.failures)
            ADD_FAILURE() << failure << "\n  again: ./run sim --seed " << seed << " --requests 500";
    }
}

TEST(Campaign, GoesTheSameWayFromTheSameSeed) {
    const run_options options{.seed = 3, .requests = 500, .keep_trace = true};
    const outcome_of_run first = run_seed(options);
    const outcome_of_run again = run_seed(options);
    EXPECT_EQ(first.trace_hash, again.trace_hash);
    EXPECT_TRUE(first.trace == again.trace);
    EXPECT_GT(first.trace.size(), 1'000u);
}

// Those who stand between client and server, WebSockets on streams of HTTP/2, and datagrams: each has its
// share.
TEST(Campaign, EveryKindOfExchangeHappens) {
    std::map<std::string, std::uint64_t> reached;
    for (std::uint64_t seed = 400; seed < 410; ++seed) {
        const outcome_of_run got = run_seed({.seed = seed, .requests = 200});
        for (const std::string& each : got.failures)
            ADD_FAILURE() << each << "\n  again: ./run sim --seed " << seed << " --requests 200";
        for (const auto& [name, count] : got.sometimes)
            reached[name] += count;
    }
    for (const char* each :
         {"questions in datagrams are answered", "WebSockets on streams of HTTP/2 are served",
          "clients are served by who forwards bytes", "clients are served by the proxy"}) {
        if (!http::speaks_http2 && std::string_view(each).find("HTTP/2") != std::string_view::npos) continue;
        EXPECT_GT(reached[each], 0u) << each;
    }
}

// Seeds that have shown a mistake of the server's or of the campaign's own, when they were found: a drain
// between two rounds of HTTP/2, resets that come seconds behind a crash, a server that is ended beside
// clients that try again, half a request of one who is harmed; an HTTP/2 connection that was ended because a
// client had ended a tunnel last, half a request step by step, a message that is half under way at the drain
// limit.
TEST(Campaign, FromSeedsThatHaveFound) {
    expect_no_failure({.seed = 108, .requests = 2'000, .only_plain = true});
    expect_no_failure({.seed = 5'021, .requests = 200, .only_plain = true});
    expect_no_failure({.seed = 8, .requests = 500, .only_plain = true});
    expect_no_failure({.seed = 1'010, .requests = 200, .only_plain = true});
    expect_no_failure({.seed = 27, .requests = 500});
    expect_no_failure({.seed = 4'296, .requests = 200});
    expect_no_failure({.seed = 9'890, .requests = 200});
}

// The judge of what a proxy says: 502 is for what has not been processed, and either only where something is
// the matter behind it.
TEST(Campaign, AProxyMayNotSayWhatIsNotSo) {
    const sim::world here;
    const auto failures = [](unsigned status, bool spared, bool processed, bool crashed) {
        ledger book;
        if (processed) book.process("7");
        question asked;
        asked.what = kind::sum;
        asked.id = 7;
        asked.method = "POST";
        const asked_question of(asked, 0);
        if (crashed) book.middle_crashes = 2;
        judge(book, {nullptr, "", 1, 1, spared, nullptr, route::proxied}, of, {status, "because"});
        return book.failures.size();
    };
    for (const unsigned status : {502u, 504u}) {
        EXPECT_EQ(failures(status, true, false, false), 1u);
        EXPECT_EQ(failures(status, true, false, true), 0u);
        EXPECT_EQ(failures(status, false, false, false), 0u);
        EXPECT_EQ(failures(status, false, true, false), status == 502 ? 1u : 0u);
    }
    ledger book;
    book.process("7");
    book.process("7");
    EXPECT_EQ(book.failures.size(), 1u);
}

// The model itself: it takes answers as they come, and nothing else.
TEST(Campaign, ThePlainReaderReadsAnswersAndNothingElse) {
    const auto read = [](std::string_view text) {
        plain_reader reader;
        std::optional<reply> got;
        for (const char each : text) {
            EXPECT_FALSE(got);
            reader.take({&each, 1});
            got = reader.next(false);
        }
        return reader.malformed() ? reply{0, "malformed"} : got.value_or(reply{});
    };
    EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), (reply{200, "abc"}));
    EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
              (reply{200, "abc"}));
    EXPECT_EQ(read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), (reply{204, ""}));
    EXPECT_EQ(read("HTTP/1.0 200 OK\r\n\r\n"), (reply{0, "malformed"}));
    EXPECT_EQ(read("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
              (reply{0, "malformed"}));
    EXPECT_EQ(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n"),
              (reply{0, "malformed"}));
}

// What it asks is what the table says, and each kind comes.
TEST(Campaign, EveryKindOfQuestionIsAsked) {
    dice from(1);
    bool seen[10] = {};
    for (std::uint64_t id = 1; id <= 1'000; ++id) {
        const question asked = draw_question(from, id);
        seen[static_cast<std::size_t>(asked.what)] = true;
        EXPECT_TRUE(text_of(asked).starts_with(asked.method + " " + asked.target + " HTTP/1.1\r\n"));
        EXPECT_TRUE(matches(expected_of(asked), expected_of(asked)));
        EXPECT_FALSE(matches({500, ""}, expected_of(asked)));
    }
    for (const bool each : seen)
        EXPECT_TRUE(each);
}

}  // namespace
}  // namespace naru::campaign
