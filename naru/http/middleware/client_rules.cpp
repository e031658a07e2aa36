#include <naru/http/middleware/client_rules.hpp>

#include <naru/loop/loop.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <string_view>
#include <vector>

namespace naru::http {

namespace {

constexpr std::uint8_t allowed_says = 1;
constexpr std::uint8_t denied_says = 0;

}  // namespace

address_rules::address_rules(std::span<const network> allowed, std::span<const network> denied)
    : otherwise_(allowed.empty()) {
    std::vector<network_table::entry> entries;
    for (const network& each : allowed)
        entries.push_back({each, allowed_says});
    for (const network& each : denied)
        entries.push_back({each, denied_says});
    table_ = std::make_shared<const network_table>(entries);
}

bool address_rules::allows(const std::optional<address>& client) const noexcept {
    if (!client) return otherwise_;
    return table_->at(*client, otherwise_ ? allowed_says : denied_says) == allowed_says;
}

void address_rules::operator()(exchange& x) const noexcept {
    const auto client = x.client();
    // One that has reset its connection has no address any more, and is not let through for that.
    const bool is_unknown = !client && !x.is_local();
    if (is_unknown || !allows(client))
        x.respond(403, "text/plain; charset=utf-8", "This address may not ask here.\n");
}

void rate_limit::operator()(exchange& x) const noexcept {
    const auto after = limit_->ask(x.client(), x.home().now());
    if (!after) return;
    std::array<char, 24> seconds;
    const auto [end, error] = std::to_chars(seconds.data(), seconds.data() + seconds.size(),
                                            std::chrono::ceil<std::chrono::seconds>(*after).count());
    if (error == std::errc())
        x.add("Retry-After", {seconds.data(), static_cast<std::size_t>(end - seconds.data())});
    x.respond(429, "text/plain; charset=utf-8", "These are too many requests: come back later.\n");
}

}  // namespace naru::http
