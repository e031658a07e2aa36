// permessage-deflate: what is agreed on, and the two directions against each other.
#include <naru/http/websocket/deflate.hpp>

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace naru::websocket {
namespace {

#define NEEDS_DEFLATE() \
    if (!deflate_available()) GTEST_SKIP() << "this build has no zlib"

deflate_options on() {
    deflate_options with;
    with.enabled = true;
    with.no_context_takeover = false;
    return with;
}

std::string answer_to(std::string_view offers, const deflate_options& with = on()) {
    std::string answer;
    return choose_deflate(offers, with, answer) ? answer : "none";
}

TEST(WebsocketDeflate, OffersAreAnswered) {
    NEEDS_DEFLATE();
    const std::string name = "permessage-deflate";
    EXPECT_EQ(answer_to(""), "none");
    EXPECT_EQ(answer_to(name), name);
    EXPECT_EQ(answer_to(name, deflate_options()), "none");
    EXPECT_EQ(answer_to("x-other; a=1, " + name + "; client_max_window_bits"), name);
    EXPECT_EQ(answer_to(name + ";server_no_context_takeover ; client_no_context_takeover"),
              name + "; server_no_context_takeover; client_no_context_takeover");
    EXPECT_EQ(answer_to(name + "; server_max_window_bits=10"), name + "; server_max_window_bits=10");
    EXPECT_EQ(answer_to(name + "; server_max_window_bits=\"10\""), name + "; server_max_window_bits=10");
    EXPECT_EQ(answer_to(name + "; client_max_window_bits=9"), name + "; client_max_window_bits=9");
    EXPECT_EQ(answer_to(name + "; client_max_window_bits=8"), name + "; client_max_window_bits=8");
    deflate_options sparing = on();
    sparing.no_context_takeover = sparing.peer_no_context_takeover = true;
    sparing.window_bits = 11;
    EXPECT_EQ(answer_to(name, sparing),
              name + "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11");
    for (const char* parameters :
         {"; foo=1", "; foo", "; server_max_window_bits", "; server_max_window_bits=16",
          "; server_max_window_bits=7", "; server_max_window_bits=010", "; server_max_window_bits=8",
          "; client_max_window_bits=16", "; client_max_window_bits=", "; server_no_context_takeover=1",
          "; client_no_context_takeover=\"\"", "; server_no_context_takeover; server_no_context_takeover",
          "; client_max_window_bits; client_max_window_bits=10", "; ", ";;"}) {
        EXPECT_EQ(answer_to(name + parameters), "none") << parameters;
        EXPECT_EQ(answer_to(name + parameters + ", " + name), name) << parameters;
    }
}

TEST(WebsocketDeflate, AClientChecksTheAnswer) {
    NEEDS_DEFLATE();
    const deflate_options with = on();
    EXPECT_EQ(offer_deflate(with), "permessage-deflate; client_max_window_bits");
    EXPECT_TRUE(check_deflate_answer("permessage-deflate", with));
    const auto agreed = check_deflate_answer(
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=9",
        with);
    ASSERT_TRUE(agreed);
    EXPECT_TRUE(agreed->server_no_context_takeover);
    EXPECT_EQ(agreed->server_window_bits, 10);
    EXPECT_EQ(agreed->client_window_bits, 9);
    for (const char* answer :
         {"x-other", "permessage-deflate, permessage-deflate", "permessage-deflate; client_max_window_bits",
          "permessage-deflate; foo", "permessage-deflate; server_max_window_bits=7"})
        EXPECT_FALSE(check_deflate_answer(answer, with)) << answer;
    deflate_options asking = with;
    asking.peer_no_context_takeover = true;
    EXPECT_FALSE(check_deflate_answer("permessage-deflate", asking));
}

std::string sample(std::mt19937& chance, std::size_t size, bool random) {
    std::string text;
    while (text.size() < size)
        text += random ? std::string(1, static_cast<char>(chance()))
                       : "word" + std::to_string(chance() % 50) + ' ';
    text.resize(size);
    return text;
}

TEST(WebsocketDeflate, MessagesComeBackWhateverTheirPieces) {
    NEEDS_DEFLATE();
    std::mt19937 chance(3);
    for (const bool takeover : {true, false}) {
        for (const int bits : {9, 12, 15}) {
            deflater out(bits, takeover, 6);
            inflater in(bits, takeover);
            for (unsigned round = 0; round < 120; ++round) {
                const std::size_t size = round % 7 == 0 ? 0 : chance() % (round % 11 == 0 ? 200'000 : 900);
                const std::string message = sample(chance, size, round % 3 == 0);
                buffer compressed;
                ASSERT_TRUE(out.compress(as_bytes(message), compressed));
                buffer back;
                const std::size_t most = size + 1;
                bytes_view left = compressed.view();
                while (!left.empty()) {
                    bytes_view piece = left.first(std::min<std::size_t>(left.size(), 1 + chance() % 5000));
                    left = left.subspan(piece.size());
                    ASSERT_EQ(in.inflate(piece, back, most), inflater::status::need_more);
                }
                ASSERT_EQ(in.finish(back, most), inflater::status::need_more);
                ASSERT_EQ(as_text(back.view()), message);
            }
        }
    }
}

TEST(WebsocketDeflate, PiecesOfBoundedSize) {
    NEEDS_DEFLATE();
    std::mt19937 chance(4);
    deflater out(15, true, 6);
    inflater in(15, true);
    for (unsigned round = 0; round < 40; ++round) {
        const std::string message =
            round % 2 == 0 ? std::string(100'000, 'a') : sample(chance, 30'000, false);
        buffer compressed;
        ASSERT_TRUE(out.compress(as_bytes(message), compressed));
        std::string back;
        bytes_view left = compressed.view();
        const std::size_t most = 1 + chance() % 3000;
        const auto take = [&](auto step) {
            for (;;) {
                buffer piece;
                const inflater::status outcome = step(piece);
                ASSERT_LE(piece.size(), most);
                back += as_text(piece.view());
                if (outcome == inflater::status::need_more) return;
                ASSERT_EQ(outcome, inflater::status::full);
            }
        };
        take([&](buffer& piece) { return in.inflate(left, piece, most); });
        ASSERT_TRUE(left.empty());
        take([&](buffer& piece) { return in.finish(piece, most); });
        ASSERT_EQ(back, message);
    }
}

TEST(WebsocketDeflate, ABombStopsAtTheLimit) {
    NEEDS_DEFLATE();
    deflater out(15, true, 9);
    buffer compressed;
    ASSERT_TRUE(out.compress(as_bytes(std::string(64 * 1024 * 1024, '\0')), compressed));
    inflater in(15, true);
    buffer back;
    bytes_view left = compressed.view();
    constexpr std::size_t limit = 100'000;
    EXPECT_EQ(in.inflate(left, back, limit + 1), inflater::status::full);
    EXPECT_EQ(back.size(), limit + 1);
    EXPECT_LE(back.capacity(), 2 * limit);
}

TEST(WebsocketDeflate, ThePayloadsOfTheRfc) {
    NEEDS_DEFLATE();
    inflater in(15, true);
    const auto inflated = [&](std::string_view payload) {
        buffer back;
        bytes_view left = as_bytes(payload);
        if (in.inflate(left, back, 100) != inflater::status::need_more) return std::string("refused");
        if (in.finish(back, 100) != inflater::status::need_more) return std::string("refused at the end");
        return std::string(as_text(back.view()));
    };
    using namespace std::string_view_literals;
    EXPECT_EQ(inflated("\xf2\x48\xcd\xc9\xc9\x07\x00"sv), "Hello");
    EXPECT_EQ(inflated("\xf2\x00\x11\x00\x00"sv), "Hello");  // by the window
    EXPECT_EQ(inflated("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"sv), "Hello");
    EXPECT_EQ(inflated("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"sv),
              "Hello");  // a last block, and the window after it
    EXPECT_EQ(inflated("\xf2\x00\x11\x00\x00"sv), "Hello");
    EXPECT_EQ(inflated("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"sv), "Hello");
    EXPECT_EQ(inflated("\x00"sv), "");
    EXPECT_EQ(inflated("\xf2\x48\xcd"sv), "refused at the end");  // cut off
    inflater other(15, true);
    buffer back;
    bytes_view bad = as_bytes("\x07\x06\xff\xff\xff"sv);
    EXPECT_EQ(other.inflate(bad, back, 100), inflater::status::invalid);
    inflater fresh(15, true);
    bytes_view far = as_bytes("\xf2\x00\x11\x00\x00"sv);  // before the window's beginning
    EXPECT_EQ(fresh.inflate(far, back, 100), inflater::status::invalid);
}

}  // namespace
}  // namespace naru::websocket
