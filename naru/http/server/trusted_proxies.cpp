#include <naru/http/server/trusted_proxies.hpp>

#include <stdexcept>
#include <vector>

#include <fmt/format.h>

namespace naru::http {

namespace {

network_table table_of(std::span<const network> from) {
    std::vector<network_table::entry> entries;
    for (const network& each : from)
        entries.push_back({each, 1});
    return network_table(entries);
}

}  // namespace

trusted_proxies::trusted_proxies(std::span<const network> from, fields by, bool local)
    : table_(table_of(from)), by_(by), local_(local) {}

trusted_proxies::trusted_proxies(std::span<const std::string_view> texts, fields by) : by_(by) {
    std::vector<network> from;
    for (const std::string_view each : texts) {
        if (each == "unix") {
            local_ = true;
            continue;
        }
        const auto parsed = network::parse(each);
        if (!parsed)
            throw std::invalid_argument(fmt::format(
                "{} is no network of proxies: want an address, a prefix such as 10.0.0.0/8 or 2001:db8::/32 "
                "with no bits set behind it, or unix",
                each));
        from.push_back(*parsed);
    }
    table_ = table_of(from);
}

}  // namespace naru::http
