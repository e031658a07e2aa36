#include <naru/http/middleware/password_auth.hpp>

#include <naru/coro/offload.hpp>
#include <naru/http/message/fields.hpp>
#include <naru/http/middleware/limits.hpp>
#include <naru/http/middleware/middleware.hpp>
#include <naru/loop/environment.hpp>
#include <naru/loop/loop.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace naru::http {

namespace {

struct digest {
    std::uint64_t first;
    std::uint64_t second;
};

// SipHash-2-4 with 128 bits of result (Aumasson and Bernstein).
class keyed_hash {
 public:
    keyed_hash(std::uint64_t key_0, std::uint64_t key_1) noexcept : key_{key_0, key_1} {}

    digest operator()(std::string_view text) const noexcept {
        std::array<std::uint64_t, 4> v = {0x736f6d6570736575u ^ key_[0], 0x646f72616e646f6du ^ key_[1] ^ 0xee,
                                          0x6c7967656e657261u ^ key_[0], 0x7465646279746573u ^ key_[1]};
        const auto mix = [&v](std::uint64_t word) {
            v[3] ^= word;
            rounds(v, 2);
            v[0] ^= word;
        };
        std::uint64_t word = 0;
        std::size_t at = 0;
        for (; at < text.size(); ++at) {
            word |= std::uint64_t{static_cast<unsigned char>(text[at])} << 8 * (at % 8);
            if (at % 8 != 7) continue;
            mix(word);
            word = 0;
        }
        mix(word | std::uint64_t{text.size()} << 56);
        v[2] ^= 0xee;
        rounds(v, 4);
        const std::uint64_t first = v[0] ^ v[1] ^ v[2] ^ v[3];
        v[1] ^= 0xdd;
        rounds(v, 4);
        return {first, v[0] ^ v[1] ^ v[2] ^ v[3]};
    }

 private:
    static void rounds(std::array<std::uint64_t, 4>& v, int count) noexcept {
        for (; count > 0; --count) {
            v[0] += v[1];
            v[1] = std::rotl(v[1], 13) ^ v[0];
            v[0] = std::rotl(v[0], 32);
            v[2] += v[3];
            v[3] = std::rotl(v[3], 16) ^ v[2];
            v[0] += v[3];
            v[3] = std::rotl(v[3], 21) ^ v[0];
            v[2] += v[1];
            v[1] = std::rotl(v[1], 17) ^ v[2];
            v[2] = std::rotl(v[2], 32);
        }
    }
    std::array<std::uint64_t, 2> key_;
};

// "name:password" of the request, if there is one.
std::optional<std::string> given_pair(const exchange& x) {
    constexpr std::string_view scheme = "basic ";
    const std::string_view given = x.field("authorization").value_or("");
    if (given.size() <= scheme.size() || !equals_lower(given.substr(0, scheme.size()), scheme))
        return std::nullopt;
    auto pair = decode_base64(trimmed(given.substr(scheme.size())));
    if (!pair || pair->find(':') == std::string::npos) return std::nullopt;
    return pair;
}

void answer_later(exchange& x, unsigned status, std::chrono::seconds after) noexcept {
    x.add("Retry-After", std::to_string(after.count()));
    x.respond(status, "text/plain; charset=utf-8",
              "Too many passwords are being looked at: come back later.\n");
}

}  // namespace

struct password_auth::state {
    state(password_file&& from, password_options&& chosen)
        : passwords(std::move(from)),
          options(std::move(chosen)),
          attempts(options.attempts, limits::password_clients),
          hash(environment::current().entropy(), environment::current().entropy()) {}

    // A right pair, until then. Written and read by any thread, word by word: what has come from two of them
    // is either nobody's digest, or somebody's with the time of another.
    struct remembered {
        std::atomic<std::uint64_t> first{0};
        std::atomic<std::uint64_t> second{0};
        std::atomic<std::int64_t> until{0};
    };
    remembered& place_of(const digest& of) noexcept { return known[of.first % known.size()]; }
    bool remembers(const digest& of, instant now) noexcept {
        const remembered& at = place_of(of);
        return at.first.load(std::memory_order_relaxed) == of.first &&
               at.second.load(std::memory_order_relaxed) == of.second &&
               now.time_since_epoch().count() < at.until.load(std::memory_order_relaxed);
    }
    void remember(const digest& of, instant now) noexcept {
        remembered& at = place_of(of);
        at.first.store(of.first, std::memory_order_relaxed);
        at.second.store(of.second, std::memory_order_relaxed);
        at.until.store((now + options.remembered).time_since_epoch().count(), std::memory_order_relaxed);
    }

    const password_file passwords;
    const password_options options;
    client_rates attempts;
    const keyed_hash hash;
    std::atomic<unsigned> checking{0};
    std::array<remembered, limits::passwords_remembered> known;
};

password_auth::password_auth(password_file from, password_options options)
    : state_(std::make_shared<state>(std::move(from), std::move(options))) {}

task<> password_auth::operator()(exchange& x) const {
    const std::shared_ptr<state> held = state_;
    state& own = *held;
    if (!x.path().starts_with(own.options.prefix)) co_return;
    if (!own.options.open_beneath.empty() && x.path().starts_with(own.options.open_beneath)) co_return;
    bool good = false;
    const std::optional<std::string> pair = given_pair(x);
    if (pair) {
        const digest known = own.hash(*pair);
        good = own.remembers(known, x.home().now());
        if (!good) {
            if (const auto after = own.attempts.ask(x.client(), x.home().now()))
                co_return answer_later(x, 429, std::chrono::ceil<std::chrono::seconds>(*after));
            struct one_more {
                explicit one_more(std::atomic<unsigned>& of) noexcept : count(of), now(++of) {}
                ~one_more() { --count; }
                one_more(const one_more&) = delete;
                one_more& operator=(const one_more&) = delete;
                std::atomic<unsigned>& count;
                unsigned now;
            };
            const one_more check(own.checking);
            if (check.now > limits::password_checks) co_return answer_later(x, 503, std::chrono::seconds(1));
            auto job = [&own, &pair] {
                const std::string_view both = *pair;
                const std::size_t colon = both.find(':');
                return own.passwords.matches(both.substr(0, colon), both.substr(colon + 1));
            };
            const auto matches = co_await offload(detail::blocking_pool(x), job);
            if (!matches) co_return answer_later(x, 503, std::chrono::seconds(1));
            good = *matches;
            if (good) own.remember(known, x.home().now());
        }
    }
    if (good) {
        x.value<authenticated>().name = pair->substr(0, pair->find(':'));
        co_return;
    }
    x.add("WWW-Authenticate", "Basic realm=\"" + own.options.realm + "\", charset=\"UTF-8\"");
    x.respond(401, "text/plain; charset=utf-8", "A name and a password are wanted here.\n");
}

}  // namespace naru::http
