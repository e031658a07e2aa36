// What `naru serve` is told of clients and of proxies: its flags, and what they come to.
#pragma once

#include "serve_config.hpp"

#include <naru/http/site/site.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace naru::program {

void add_client_flags(CLI::App& command, const std::shared_ptr<serve_settings>& given);

/// A flag that may be given several times, with one value each. `keeps`: what `into` is a member of.
void add_list(CLI::App& command, const char* flag, std::optional<std::vector<std::string>>& into,
              const char* says, const std::shared_ptr<serve_settings>& keeps);

/// "ADDRESS:PORT", "unix:PATH" or "unix:@NAME", with ",proxy" and ",mode=0660" behind it. Throws
/// std::runtime_error.
std::vector<http::endpoint> to_endpoints(std::string_view flag, const std::vector<std::string>& given);

/// Of an address that two flags have. Throws std::runtime_error.
void complain_of_places(const serve_plan& plan);

/// Of ADDRESS:PORT,proxy or unix:PATH,mode=0660,proxy: what stands in front of the commas' words, as it is
/// written by the system ("0.0.0.0:80" for "*:80"), and whether the PROXY protocol is wanted. Throws
/// std::runtime_error.
struct listener_words {
    std::string where;
    bool proxy;
};
listener_words words_of_listener(const std::string& given);

/// For a look at settings without a manager: in the place of each fd:NAME a place that can be listened at.
serve_settings with_places_for_names(serve_settings settings);

/// Throws std::runtime_error with one sentence for a value that cannot be.
void set_client_rules(serve_plan& plan, const serve_settings& settings);

/// What stands before all else on the site: rules, then rates.
void add_client_rules(http::site& site, const serve_plan& plan);
/// What stands behind a redirect, which wants no password: one that is sent in clear text is known to all.
/// `open_beneath`: a path beneath which none is wanted; empty: nowhere.
void add_passwords(http::site& site, const serve_plan& plan, std::string_view open_beneath);

}  // namespace naru::program
