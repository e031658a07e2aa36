#include "make_site.hpp"

#include "../client_rules.hpp"
#include "../log_settings.hpp"
#include "configuration.hpp"
#include "redirect_target.hpp"

#include <naru/coro/task.hpp>
#include <naru/http/exchange/answer_head.hpp>
#include <naru/http/exchange/exchange.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/middleware/middleware.hpp>
#include <naru/http/middleware/password_auth.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace naru::program {

namespace {

/// What is different about a route, for those who stand before all handlers.
struct route_rules {
    named_texts headers;  ///< also those of its host, and of all
    std::string cache;
    std::optional<http::password_auth> auth;
};

const route_rules* rules_of(const http::exchange& x) noexcept {
    return static_cast<const route_rules*>(x.attached());
}

/// What comes in clear text goes where TLS is spoken: the same name, another port.
void redirect_to(std::uint16_t port, http::exchange& x) noexcept try {
    const std::string_view authority = x.authority();
    const std::size_t colon = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0);
    const std::string_view host = authority.substr(0, colon);
    if (host.empty())
        return x.respond(400, "text/plain; charset=utf-8",
                         "This server speaks TLS, and the request does not say of which host.\n");
    x.redirect(308,
               fmt::format("https://{}{}{}", host, port == 443 ? std::string() : fmt::format(":{}", port),
                           x.raw_target().starts_with('/') ? x.raw_target() : "/"));
} catch (const std::bad_alloc&) {
    x.respond(503);
}

/// Where those who issue certificates look whether a host is ours (RFC 8555, section 8.3): they come in clear
/// text, and without a password.
constexpr std::string_view acme_path = "/.well-known/acme-challenge/";

struct fixed_answer {
    unsigned status;
    std::string type;
    std::string body;
    void operator()(http::exchange& x) const noexcept { x.respond(status, type, std::string_view(body)); }
};

struct redirecting {
    unsigned status;
    redirect_target target;
    void operator()(http::exchange& x) const noexcept try {
        x.redirect(status, target.of(x));
    } catch (const std::bad_alloc&) {
        x.respond(503);
    }
};

std::string in_lower_case(std::string_view text) {
    std::string lower(text);
    for (char& each : lower) {
        if (each >= 'A' && each <= 'Z') each = static_cast<char>(each | 0x20);
    }
    return lower;
}

// The later ones go before those of the same name.
void add_headers(named_texts& to, const std::optional<named_texts>& more) {
    if (!more) return;
    for (const auto& [name, value] : *more) {
        const std::string lower = in_lower_case(name);
        std::erase_if(to, [&](const auto& known) { return in_lower_case(known.first) == lower; });
        to.emplace_back(name, value);
    }
}

void set_headers(http::answer_head& head, const named_texts& headers) {
    for (const auto& [name, value] : headers)
        head.set(name, value);
}

// A configuration is read by many, and kept in places of all kinds: a password does not stand there as it is.
http::password_file hashes_of(const auth_settings& auth) {
    std::string lines;
    for (const auto& [name, hash] : auth.users.value_or(named_texts())) {
        if (name.empty() || name.find_first_of(":\r\n") != std::string::npos || name.starts_with('#'))
            throw std::runtime_error(fmt::format("basic-auth: {} cannot be a user's name", name));
        lines += fmt::format("{}:{}\n", name, hash.substr(0, hash.find('\n')));
        try {
            (void)http::password_file::parse(fmt::format("{}:{}", name, hash), "users");
        } catch (const std::runtime_error&) {
            throw std::runtime_error(fmt::format(
                "basic-auth: what stands for {} is no hash of a password that can be checked here; "
                "`htpasswd -nB {}` makes one",
                name, name));
        }
    }
    return http::password_file::parse(lines, "basic-auth");
}

void apply(const route_rules& rules, http::answer_head& head) {
    set_headers(head, rules.headers);
    const bool is_good = head.status() < 300 || head.status() == 304;
    if (is_good && !rules.cache.empty() && !head.field("Cache-Control"))
        head.add("Cache-Control", rules.cache);
}

}  // namespace

struct site_maker::making {
    const serve_plan& plan;
    complaints& wrong;
    const std::map<std::string, http::files>& before;
    std::map<std::string, http::files> directories;
    bool makes_directories = true;
    bool has_rules = false;
    bool has_passwords = false;
    std::optional<http::files> challenges;

    http::files_options options_of(const files_settings& outer, const files_settings& inner) const {
        http::files_options options = plan.files;
        for (const files_settings* each : {&outer, &inner}) {
            options.listings = each->listings.value_or(options.listings);
            options.dotfiles = each->dotfiles.value_or(options.dotfiles);
            options.encode = each->compress.value_or(options.encode);
            options.fallback = each->fallback.value_or(options.fallback);
            if (each->symlinks) options.links = to_links(*each->symlinks);
            if (each->symlink_target) options.link_targets = *each->symlink_target;
            if (each->hash_up_to) options.hash_up_to = static_cast<std::uint64_t>(*each->hash_up_to);
        }
        return options;
    }

    /// Opened, also if it is known: a directory that has gone is an error. The known one if it is the same.
    const http::files& directory(const std::string& path, const http::files_options& options) {
        std::string key =
            fmt::format("{}{}{}{} {} {} {}", options.listings, options.dotfiles, options.encode,
                        static_cast<int>(options.links), options.hash_up_to, options.disk_time.count(), path);
        key.append("\n").append(options.fallback);
        for (const std::string& each : options.link_targets)
            key.append("\n").append(each);
        for (const http::content_type& each : options.types)
            key.append("\n").append(each.extension).append("=").append(each.type);
        if (const auto known = directories.find(key); known != directories.end()) return known->second;
        for (const std::string& each : options.link_targets) {
            std::error_code error;
            if (!std::filesystem::is_directory(each, error))
                throw std::runtime_error(
                    fmt::format("symlink-target: cannot serve {}: there is no such directory", each));
        }
        http::files opened(path, options);
        const auto last = before.find(key);
        if (last != before.end()) {
            const auto same = last->second.source()->root->is_in_place(directory_root::blocking::yes);
            if (same && *same) opened = last->second;
        }
        return directories.emplace(key, std::move(opened)).first->second;
    }

    std::shared_ptr<const route_rules> rules(const route_settings& route, const host_settings& host) {
        auto made = std::make_shared<route_rules>();
        add_headers(made->headers, plan.sites->others.headers);
        add_headers(made->headers, host.headers);
        add_headers(made->headers, route.headers);
        check_headers(route.where, route.headers.value_or(named_texts()));
        made->cache = route.cache.value_or(std::string());
        if (!http::is_field("Cache-Control", made->cache))
            throw std::runtime_error("cache wants the value of a Cache-Control field");
        if (route.basic_auth) {
            http::password_options options;
            options.realm = route.basic_auth->realm.value_or("this place");
            made->auth.emplace(hashes_of(*route.basic_auth), std::move(options));
        }
        if (made->headers.empty() && made->cache.empty() && !made->auth) return nullptr;
        has_passwords |= made->auth.has_value();
        has_rules = true;
        return made;
    }

    void check_headers(const config_place& where, const named_texts& headers) {
        constexpr std::array<std::string_view, 5> own = {"connection", "content-length", "date", "server",
                                                         "transfer-encoding"};
        for (const auto& [name, value] : headers) {
            if (std::ranges::find(own, in_lower_case(name)) != own.end())
                wrong.add(where, fmt::format("headers cannot set {}: the server does", name));
            else if (!http::is_field(name, value))
                wrong.add(where, fmt::format("headers: {} with this text cannot stand in a head", name));
        }
    }

    void add_route(http::site& to, const route_settings& route, const host_settings& host);
    void add_host(http::site& to, const host_settings& host, const std::string& root);
    void add_named_host(http::site& to, const host_settings& host);
    void check_names(const host_settings& host) const;
    void open_acme_webroot();
};

namespace {

unsigned status_of_redirect(const route_settings& route) {
    const int status = route.status.value_or(308);
    constexpr std::array<int, 5> known = {301, 302, 303, 307, 308};
    if (std::ranges::find(known, status) == known.end())
        throw std::runtime_error(
            fmt::format("status of a redirect is 301, 302, 303, 307 or 308, not {}", status));
    return static_cast<unsigned>(status);
}

unsigned status_of_answer(const route_settings& route) {
    const int status = route.status.value_or(200);
    if (status < 200 || status > 599)
        throw std::runtime_error(fmt::format("status of an answer is between 200 and 599, not {}", status));
    if ((status == 204 || status == 205 || status == 304) && !route.answer->empty())
        throw std::runtime_error(fmt::format("an answer with status {} has no content", status));
    return static_cast<unsigned>(status);
}

http::route_options limits_of(const route_settings& route) {
    http::route_options options;
    if (route.body_limit) options.body_limit = static_cast<std::uint64_t>(*route.body_limit);
    if (route.body_timeout) {
        if (!(*route.body_timeout >= 0.001 && *route.body_timeout <= 86'400))
            throw std::runtime_error("body-timeout must be between 0.001 and 86400 seconds");
        options.body_time = std::chrono::milliseconds(static_cast<std::int64_t>(*route.body_timeout * 1000));
    }
    if (route.least_body_rate) options.least_body_rate = static_cast<std::uint64_t>(*route.least_body_rate);
    return options;
}

/// Beneath a path that ends in a slash, else at it, for all methods that have an answer.
template <class Handler>
void add(http::site& to, const std::string& path, const Handler& handler, const http::route_options& options,
         bool for_all_methods) {
    if (path.ends_with('/')) {
        to.mount(path, handler, options);
        return;
    }
    to.get(path, handler, options);
    if (!for_all_methods) return;
    for (const http::method each :
         {http::method::post, http::method::put, http::method::patch, http::method::erase})
        to.on(each, path, handler, options);
}

}  // namespace

void site_maker::making::add_route(http::site& to, const route_settings& route,
                                   const host_settings& host) try {
    if (!route.path) return;  // which has been complained of
    const int what = (route.files ? 1 : 0) + (route.redirect ? 1 : 0) + (route.answer ? 1 : 0);
    if (what != 1)
        throw std::runtime_error(what == 0 ? "a route wants one of files, redirect and answer"
                                           : "a route has one of files, redirect and answer, not several");
    if (route.type && !route.answer) throw std::runtime_error("type is of an answer");
    if (route.status && route.files) throw std::runtime_error("status is of a redirect or an answer");
    http::route_options options = limits_of(route);
    options.attached = rules(route, host);
    if (route.files) {
        if (route.files->empty()) throw std::runtime_error("files wants the path of a directory");
        if (!route.path->ends_with('/'))
            throw std::runtime_error(
                fmt::format("files are beneath a path that ends in a slash: {}/", *route.path));
        to.mount(*route.path, directory(*route.files, options_of(host, route)), std::move(options));
    } else if (route.redirect) {
        const redirecting handler{status_of_redirect(route), redirect_target(*route.redirect, *route.path)};
        add(to, *route.path, handler, options, true);
    } else {
        fixed_answer handler{status_of_answer(route), route.type.value_or("text/plain; charset=utf-8"),
                             *route.answer};
        if (!http::is_field("Content-Type", handler.type))
            throw std::runtime_error("type wants a media type, such as text/html");
        if (handler.body.empty()) handler.type.clear();
        add(to, *route.path, handler, options, false);
    }
} catch (const std::exception& error) {
    wrong.add(route.where, route.where.file.empty() ? located(error.what(), *plan.sites) : error.what());
}

void site_maker::making::add_host(http::site& to, const host_settings& host, const std::string& root) {
    if (challenges) to.mount(acme_path, *challenges);
    for (const route_settings& each : host.routes)
        add_route(to, each, host);
    if (!root.empty()) {
        route_settings all;
        all.where = host.where;
        all.path = "/";
        all.files = root;
        add_route(to, all, host);
    }
}

// Its own directory is there before the first challenge is.
void site_maker::making::open_acme_webroot() try {
    if (plan.acme_webroot.empty()) return;
    const std::string beneath = plan.acme_webroot + std::string(acme_path);
    std::error_code error;
    if (!makes_directories && !std::filesystem::exists(beneath, error)) return;
    std::filesystem::create_directories(beneath, error);
    if (error)
        throw std::runtime_error(
            fmt::format("acme-webroot: cannot make the directory {}: {}", beneath, error.message()));
    http::files_options options;
    options.disk_time = plan.files.disk_time;
    challenges = directory(beneath, options);
} catch (const std::exception& error) {
    const auto place = plan.sites->places.find("acme-webroot");
    wrong.add(place == plan.sites->places.end() ? config_place() : place->second, error.what());
}

void site_maker::making::check_names(const host_settings& host) const {
    const auto has = [](const host_settings& in, const std::string& name) {
        return in.names && std::ranges::any_of(*in.names, [&](const std::string& each) {
                   return in_lower_case(each) == in_lower_case(name);
               });
    };
    for (const std::string& name : *host.names) {
        const std::string_view label = std::string_view(name).substr(name.starts_with("*.") ? 2 : 0);
        if (label.empty() || name.size() > http::limits::host_name_bytes ||
            (!label.starts_with('[') && label.find_first_of("/:@* ") != std::string::npos))
            throw std::runtime_error(
                fmt::format("names wants names without scheme and port, such as \"example.org\" or "
                            "\"*.example.org\", not "
                            "\"{}\"",
                            name));
        for (const host_settings* other = plan.sites->hosts.data(); other != &host; ++other) {
            if (has(*other, name))
                throw std::runtime_error(
                    fmt::format("the host {} is there already, at {}", name, other->where.text()));
        }
    }
}

void site_maker::making::add_named_host(http::site& to, const host_settings& host) try {
    if (!host.names) return;  // which has been complained of
    check_names(host);
    if (host.root && host.root->empty()) throw std::runtime_error("root wants the path of a directory");
    if (host.symlinks) (void)to_links(*host.symlinks);
    http::site& own = to.hosts(*host.names);
    add_host(own, host, host.root.value_or(std::string()));
    if (host.compress.value_or(false)) own.encode();
    if (host.access_log) own.access_log(*host.access_log, log_format_of(host, plan));
    if (!host.headers) return;
    named_texts headers;
    add_headers(headers, host.headers);
    check_headers(host.where, headers);
    own.on_head([headers](const http::exchange& x, http::answer_head& head) {
        if (rules_of(x) == nullptr) set_headers(head, headers);
    });
} catch (const std::exception& error) {
    const std::string_view what = error.what();
    wrong.add(host.where, what.substr(what.starts_with("--") ? 2 : 0));
}

http::site site_maker::make(const serve_plan& plan, complaints& wrong) {
    making now{plan, wrong, directories_, {}, makes_directories_, false, false, std::nullopt};
    http::site site;
    const site_settings& sites = *plan.sites;
    if (plan.request_id) site.before(http::request_ids());
    add_client_rules(site, plan);
    if (plan.redirect_http)
        site.before([port = tls_port_](http::exchange& x) noexcept {
            if (!x.is_secure() && !x.path().starts_with(acme_path)) redirect_to(*port, x);
        });
    add_passwords(site, plan, plan.acme_webroot.empty() ? std::string_view() : acme_path);
    now.open_acme_webroot();
    host_settings others = sites.others;
    if (const auto where = sites.places.find("root"); where != sites.places.end())
        others.where = where->second;
    now.check_headers(others.where, others.headers.value_or(named_texts()));
    now.add_host(site, others, plan.root);
    for (const host_settings& each : sites.hosts) {
        now.add_named_host(site, each);
    }
    if (others.compress.value_or(false)) site.encode();
    if (now.has_rules || others.headers) {
        if (now.has_passwords)
            site.before([](http::exchange& x) -> task<> {
                const route_rules* const rules = rules_of(x);
                if (rules != nullptr && rules->auth) co_await (*rules->auth)(x);
            });
        site.on_head([headers = others.headers.value_or(named_texts())](const http::exchange& x,
                                                                        http::answer_head& head) {
            const route_rules* const rules = rules_of(x);
            rules != nullptr ? apply(*rules, head) : set_headers(head, headers);
        });
    }
    if (plan.hsts)
        site.on_head(
            [line = fmt::format("max-age={}", *plan.hsts)](const http::exchange& x, http::answer_head& head) {
                if (x.is_secure()) head.set("Strict-Transport-Security", line);
            });
    if (wrong.empty()) directories_ = std::move(now.directories);
    return site;
}

http::site site_maker::make(const serve_plan& plan) {
    complaints wrong;
    http::site made = make(plan, wrong);
    if (!wrong.empty()) throw std::runtime_error(wrong.lines().front());
    return made;
}

}  // namespace naru::program
