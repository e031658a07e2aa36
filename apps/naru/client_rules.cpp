#include "client_rules.hpp"

#include <naru/http/middleware/client_rules.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

constexpr std::string_view named_prefix = "fd:";

address to_address(const std::string& where) {
    if (where.starts_with(named_prefix))
        throw std::runtime_error(fmt::format(
            "cannot listen on {}: who has started this has passed no socket of that name", where));
    const auto parsed = address::parse(where);
    if (!parsed) {
        throw std::runtime_error(
            fmt::format("cannot listen on {}: want ADDRESS:PORT, such as 127.0.0.1:8080, [::1]:8080 or "
                        "*:8080, or unix:PATH",
                        where));
    }
    return *parsed;
}

struct endpoint_text {
    std::string where;
    bool proxy = false;
    std::optional<unsigned> mode;
};

unsigned to_mode(std::string_view text, std::string_view whole) {
    unsigned mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (error != std::errc() || end != text.data() + text.size() || mode > 0777)
        throw std::runtime_error(
            fmt::format("cannot listen on {}: mode wants permissions in octal, such as 0660", whole));
    return mode;
}

// What stands behind commas at the end; a comma in a path is the path's.
endpoint_text take_apart(const std::string& given) {
    constexpr std::string_view mode = "mode=";
    endpoint_text made{given, false, std::nullopt};
    while (true) {
        const std::size_t comma = made.where.rfind(',');
        if (comma == std::string::npos) break;
        const std::string last = made.where.substr(comma + 1);
        if (last == "proxy") {
            made.proxy = true;
        } else if (last.starts_with(mode)) {
            made.mode = to_mode(std::string_view(last).substr(mode.size()), given);
        } else {
            break;
        }
        made.where.resize(comma);
    }
    if (made.mode && (!made.where.starts_with("unix:") || made.where.starts_with("unix:@")))
        throw std::runtime_error(
            fmt::format("cannot listen on {}: mode is for the file of a socket, unix:PATH", given));
    return made;
}

bool same_place(const http::endpoint& a, const http::endpoint& b) {
    if (a.listen.local || b.listen.local)
        return a.listen.local && b.listen.local && *a.listen.local == *b.listen.local;
    return a.listen.port() != 0 && a.listen.text() == b.listen.text();
}

std::string place_text(const http::endpoint& each) {
    return each.listen.local ? "unix:" + each.listen.local->text() : each.listen.text();
}

http::rate to_rate(std::string_view flag, const std::string& text) {
    http::rate made;
    const std::size_t comma = std::min(text.find(','), text.size());
    const auto [end, error] = std::from_chars(text.data(), text.data() + comma, made.per_second);
    bool good = error == std::errc() && end == text.data() + comma && made.per_second >= 0.001 &&
                made.per_second <= 1e6;
    made.burst = static_cast<unsigned>(std::max(1.0, good ? made.per_second : 1.0));
    if (good && comma < text.size()) {
        const char* const last = text.data() + text.size();
        const auto [behind, wrong] = std::from_chars(text.data() + comma + 1, last, made.burst);
        good = wrong == std::errc() && behind == last && made.burst >= 1 && made.burst <= 1'000'000;
    }
    if (!good)
        throw std::runtime_error(fmt::format(
            "--{} wants RATE or RATE,BURST: so many a second, and so many at once, such as 10,20", flag));
    return made;
}

std::vector<network> to_networks(std::string_view flag,
                                 const std::optional<std::vector<std::string>>& given) {
    std::vector<network> made;
    for (const std::string& each : given.value_or(std::vector<std::string>())) {
        const auto parsed = network::parse(each);
        if (!parsed)
            throw std::runtime_error(fmt::format(
                "--{} wants an address, or a prefix with no bits set behind it, such as 10.0.0.0/8 or "
                "2001:db8::/32, not {}",
                flag, each));
        made.push_back(*parsed);
    }
    return made;
}

void set_trusted_proxies(serve_plan& plan, const serve_settings& settings) {
    using fields = http::trusted_proxies::fields;
    const std::string by = settings.forwarded_by.value_or("x-forwarded-for");
    if (by != "x-forwarded-for" && by != "forwarded" && by != "none")
        throw std::runtime_error(
            fmt::format("--forwarded-by wants x-forwarded-for, forwarded or none, not {}", by));
    if (!settings.trusted_proxy) {
        if (settings.forwarded_by)
            throw std::runtime_error("--forwarded-by is for proxies: say which with --trusted-proxy");
        const auto is_proxied = [](const http::endpoint& each) { return each.proxy_protocol; };
        const bool in_clear = std::ranges::any_of(plan.endpoints, is_proxied);
        if (in_clear || std::ranges::any_of(plan.tls_endpoints, is_proxied))
            throw std::runtime_error(
                fmt::format("--{}: the PROXY protocol is taken from trusted proxies alone: say who they are "
                            "with --trusted-proxy",
                            in_clear ? "listen" : "listen-tls"));
        return;
    }
    std::vector<std::string_view> texts(settings.trusted_proxy->begin(), settings.trusted_proxy->end());
    try {
        plan.options.trusted_proxies =
            std::make_shared<const http::trusted_proxies>(texts, by == "none"        ? fields::none
                                                                 : by == "forwarded" ? fields::forwarded
                                                                                     : fields::x_forwarded);
    } catch (const std::invalid_argument& error) {
        throw std::runtime_error(fmt::format("--trusted-proxy: {}", error.what()));
    }
}

}  // namespace

void add_list(CLI::App& command, const char* flag, std::optional<std::vector<std::string>>& into,
              const char* says, const std::shared_ptr<serve_settings>& keeps) {
    command
        .add_option_function<std::vector<std::string>>(
            flag, [&into, keeps](const std::vector<std::string>& all) { into = all; }, says)
        ->allow_extra_args(false);
}

void add_client_flags(CLI::App& command, const std::shared_ptr<serve_settings>& given) {
    CLI::Option_group& clients = *command.add_option_group("Clients and proxies", "See docs/operations.md");
    add_list(clients, "--trusted-proxy", given->trusted_proxy,
             "ADDRESS or PREFIX/LENGTH of proxies whose word on the client counts, or unix: who comes by a "
             "socket of the UNIX domain; may be given several times",
             given);
    clients.add_option("--forwarded-by", given->forwarded_by,
                       "The fields that they set: x-forwarded-for, forwarded, or none (default: "
                       "x-forwarded-for)");
    add_list(clients, "--allow", given->allow,
             "ADDRESS or PREFIX/LENGTH of clients who may ask, others get 403; may be given several times",
             given);
    add_list(clients, "--deny", given->deny,
             "ADDRESS or PREFIX/LENGTH of clients who may not; the most specific of all prefixes counts",
             given);
    clients.add_option(
        "--basic-auth", given->basic_auth,
        "A file of NAME:HASH, as htpasswd -B makes it: who has no name and password of it gets "
        "401");
    clients.add_option("--basic-auth-realm", given->basic_auth_realm,
                       "What browsers show when they ask for them (default: naru)");
    clients.add_option("--request-rate", given->request_rate,
                       "RATE[,BURST]: requests a second of one client, and at once; more get 429");
    clients.add_option("--connection-rate", given->connection_rate,
                       "RATE[,BURST]: new connections a second of one client; more are reset");
}

namespace {

std::vector<http::endpoint> read_endpoints(std::string_view flag, const std::vector<std::string>& given) {
    constexpr std::string_view localhost = "localhost:";
    std::vector<http::endpoint> to;
    for (const std::string& each : given) {
        const endpoint_text text = take_apart(each);
        const bool both = text.where.starts_with(localhost);
        http::endpoint first{address()};
        if (text.where.starts_with("unix:")) {
            try {
                first.listen = http::endpoint_address(text.where);
            } catch (const std::invalid_argument& error) {
                throw std::runtime_error(error.what());
            }
        } else {
            first.listen = to_address(text.where);
        }
        first.mode = text.mode;
        first.proxy_protocol = text.proxy;
        if (std::ranges::any_of(to, [&](const http::endpoint& other) { return same_place(other, first); }))
            throw std::runtime_error(fmt::format("--{} {} is given twice", flag, each));
        first.if_there = both;
        to.push_back(first);
        if (!both) continue;
        http::endpoint second{to_address("[::1]:" + text.where.substr(localhost.size()))};
        second.if_there = second.port_of_previous = true;
        second.proxy_protocol = text.proxy;
        to.push_back(second);
    }
    return to;
}

http::password_file read_passwords(const std::string& path) try {
    return http::password_file::read(path);
} catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("--basic-auth: {}", error.what()));
}

}  // namespace

std::vector<http::endpoint> to_endpoints(std::string_view flag, const std::vector<std::string>& given) try {
    return read_endpoints(flag, given);
} catch (const std::runtime_error& error) {
    const std::string_view what = error.what();  // what it says of listening is of --listen
    if (flag == "listen" || what.starts_with("--")) throw;
    throw std::runtime_error(fmt::format("--{}: {}", flag, what));
}

void complain_of_places(const serve_plan& plan) {
    struct place {
        const char* flag;
        const http::endpoint& at;
    };
    std::vector<place> seen;
    const auto look_at = [&seen](const char* flag, const http::endpoint& each) {
        const auto other =
            std::ranges::find_if(seen, [&](const place& before) { return same_place(before.at, each); });
        if (other != seen.end() && other->flag != flag)
            throw std::runtime_error(fmt::format(
                "--{0} {1}: --{2} has the same address; each wants one of its own, or another port", flag,
                place_text(each), other->flag));
        seen.push_back({flag, each});
    };
    for (const http::endpoint& each : plan.endpoints)
        look_at("listen", each);
    for (const http::endpoint& each : plan.tls_endpoints)
        look_at("listen-tls", each);
    if (plan.status) look_at("status", *plan.status);
}

listener_words words_of_listener(const std::string& given) {
    const endpoint_text text = take_apart(given);
    const auto parsed = address::parse(text.where);
    return {parsed ? parsed->text() : text.where, text.proxy};
}

serve_settings with_places_for_names(serve_settings settings) {
    for (auto* const list : {&settings.listen, &settings.listen_tls}) {
        if (!*list) continue;
        for (std::string& each : **list) {
            if (each.starts_with(named_prefix)) each.replace(0, named_prefix.size(), "unix:@");
        }
    }
    return settings;
}

void set_client_rules(serve_plan& plan, const serve_settings& settings) {
    set_trusted_proxies(plan, settings);
    plan.allowed = to_networks("allow", settings.allow);
    plan.denied = to_networks("deny", settings.deny);
    if (settings.basic_auth) plan.passwords = read_passwords(*settings.basic_auth);
    if (settings.basic_auth_realm) {
        if (!settings.basic_auth)
            throw std::runtime_error("--basic-auth-realm is for passwords: say which with --basic-auth");
        if (settings.basic_auth_realm->find_first_of("\"\\\r\n") != std::string::npos)
            throw std::runtime_error("--basic-auth-realm wants a text without quotes and backslashes");
        plan.password.realm = *settings.basic_auth_realm;
    }
    if (settings.request_rate) plan.request_rate = to_rate("request-rate", *settings.request_rate);
    if (settings.connection_rate)
        plan.options.connection_rate =
            std::make_shared<http::client_rates>(to_rate("connection-rate", *settings.connection_rate));
}

void add_client_rules(http::site& site, const serve_plan& plan) {
    if (!plan.allowed.empty() || !plan.denied.empty())
        site.before(http::address_rules(plan.allowed, plan.denied));
    if (plan.request_rate)
        site.before(http::rate_limit(std::make_shared<http::client_rates>(*plan.request_rate)));
}

void add_passwords(http::site& site, const serve_plan& plan, std::string_view open_beneath) {
    if (!plan.passwords) return;
    http::password_options options = plan.password;
    options.open_beneath = open_beneath;
    site.before(http::password_auth(*plan.passwords, std::move(options)));
}

}  // namespace naru::program
