#include "reload.hpp"

#include "configuration.hpp"

#include <load/text_file.hpp>

#include <algorithm>
#include <exception>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace naru::program {

/// What the clients of each name are asked for: two policies are the same if their texts are.
class client_policies {
 public:
    explicit client_policies(const tls_server_options& how)
        : others_(text_of(how.client_certificates, how.client_ca_file)) {
        for (const tls_host_policy& each : how.hosts)
            by_name_.emplace(in_lower_case(each.name),
                             text_of(each.client_certificates, each.client_ca_file));
    }

    const std::string& of(std::string_view name) const {
        const std::string lower = in_lower_case(name);
        const auto exact = by_name_.find(lower);
        if (exact != by_name_.end()) return exact->second;
        const std::size_t dot = lower.find('.');
        const auto wild = dot == std::string::npos ? by_name_.end() : by_name_.find("*" + lower.substr(dot));
        return wild == by_name_.end() ? others_ : wild->second;
    }
    bool operator==(const client_policies&) const = default;

 private:
    static std::string in_lower_case(std::string_view text) {
        std::string lower(text);
        for (char& each : lower) {
            if (each >= 'A' && each <= 'Z') each = static_cast<char>(each | 0x20);
        }
        return lower;
    }
    static std::string text_of(tls_client_certificates asked, const std::string& file) {
        const auto content = file.empty() ? std::string() : load::read_file(file).value_or(std::string());
        return fmt::format("{} {}", static_cast<int>(asked), content);
    }

    std::string others_;
    std::map<std::string, std::string> by_name_;
};

reloader::reloader(serve_plan running, site_maker& sites, http::server& server, certificates* shown,
                   reporter say, std::function<bool(const serve_plan*)> elsewhere)
    : running_(std::move(running)),
      policies_(std::make_shared<const client_policies>(running_.tls)),
      sites_(sites),
      server_(server),
      shown_(shown),
      say_(std::move(say)),
      elsewhere_(std::move(elsewhere)) {}

void reloader::reload() noexcept try {
    try {
        take(running_.read_again());
    } catch (const std::exception& error) {
        // A process that may read more says what is wrong.
        if (!elsewhere_(nullptr)) say_(fmt::format("{}; what was read before stays", error.what()));
    }
} catch (const std::exception&) {  // no memory to say so
    return;
}

namespace {

std::string listed(const std::vector<std::string>& names) {
    return fmt::format("{}", fmt::join(names, " and "));
}

// What no worker can change.
bool is_the_masters(std::string_view setting) noexcept {
    return setting == "no-sandbox" || setting == "pid-file";
}

}  // namespace

// All that can fail comes first.
void reloader::take(const serve_settings& fresh) {
    const std::vector<std::string> fixed = differing_settings(*running_.settings, fresh);
    std::vector<std::string> elsewhere;
    std::ranges::remove_copy_if(fixed, std::back_inserter(elsewhere), is_the_masters);
    if (!elsewhere.empty()) {
        (void)to_plan(fresh);
        if (elsewhere_(nullptr))
            return say_(
                fmt::format("the configuration has been read again: for a new {} a fresh worker serves it",
                            listed(elsewhere)));
    }
    serve_plan next = to_plan(with_fixed_settings_of(*running_.settings, fresh));
    next.read_again = running_.read_again;
    next.readable = running_.readable;
    if (elsewhere_(&next))
        return say_(
            "the configuration has been read again: it names other places, and a fresh worker serves it");
    auto new_policies = std::make_shared<const client_policies>(next.tls);
    std::optional<certificates::others> shown;
    if (shown_ != nullptr) shown = shown_->read(next.tls);
    server_.replace(sites_.make(next));
    if (shown) shown_->take(std::move(*shown));
    if (shown && !(*policies_ == *new_policies))
        server_.end_connections([old = policies_, fresh = new_policies](std::string_view name) {
            return old->of(name) != fresh->of(name);
        });
    policies_ = std::move(new_policies);
    running_ = std::move(next);
    std::string line = "the configuration has been read again";
    if (!fixed.empty()) line += fmt::format("; for a new {} the server must be started again", listed(fixed));
    say_(line);
}

}  // namespace naru::program
