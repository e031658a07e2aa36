#include "serve_config.hpp"

#include "client_rules.hpp"
#include "config/configuration.hpp"
#include "config/read_value.hpp"
#include "log_settings.hpp"
#include "system.hpp"

#include <naru/backend/choose_backend.hpp>
#include <naru/backend/uring/options.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

namespace naru::program {

namespace {

// Every setting once: its key, and where it goes.
constexpr auto settings_table = std::make_tuple(
    std::pair{"root", &serve_settings::root}, std::pair{"listen", &serve_settings::listen},
    std::pair{"listen-tls", &serve_settings::listen_tls}, std::pair{"tls", &serve_settings::tls},
    std::pair{"tls-self-signed", &serve_settings::tls_self_signed},
    std::pair{"redirect-http", &serve_settings::redirect_http}, std::pair{"hsts", &serve_settings::hsts},
    std::pair{"engine", &serve_settings::engine}, std::pair{"threads", &serve_settings::threads},
    std::pair{"listings", &serve_settings::listings}, std::pair{"dotfiles", &serve_settings::dotfiles},
    std::pair{"type", &serve_settings::type}, std::pair{"pid-file", &serve_settings::pid_file},
    std::pair{"user", &serve_settings::user}, std::pair{"no-sandbox", &serve_settings::no_sandbox},
    std::pair{"sandbox", &serve_settings::sandbox}, std::pair{"drain-delay", &serve_settings::drain_delay},
    std::pair{"log-format", &serve_settings::log_format},
    std::pair{"request-id", &serve_settings::request_id}, std::pair{"status", &serve_settings::status},
    std::pair{"status-anywhere", &serve_settings::status_anywhere},
    std::pair{"symlinks", &serve_settings::symlinks},
    std::pair{"symlink-target", &serve_settings::symlink_target},
    std::pair{"acme-webroot", &serve_settings::acme_webroot}, std::pair{"h2c", &serve_settings::h2c},
    std::pair{"access-log", &serve_settings::access_log},
    std::pair{"hash-up-to", &serve_settings::hash_up_to}, std::pair{"fallback", &serve_settings::fallback},
    std::pair{"head-timeout", &serve_settings::head_timeout},
    std::pair{"body-timeout", &serve_settings::body_timeout},
    std::pair{"write-timeout", &serve_settings::write_timeout},
    std::pair{"keep-alive-timeout", &serve_settings::keep_alive_timeout},
    std::pair{"disk-timeout", &serve_settings::disk_timeout},
    std::pair{"drain-timeout", &serve_settings::drain_timeout},
    std::pair{"least-body-rate", &serve_settings::least_body_rate},
    std::pair{"least-answer-rate", &serve_settings::least_answer_rate},
    std::pair{"rate-period", &serve_settings::rate_period},
    std::pair{"connections-per-address", &serve_settings::connections_per_address},
    std::pair{"direct-descriptors", &serve_settings::direct_descriptors},
    std::pair{"zero-copy-from", &serve_settings::zero_copy_from},
    std::pair{"sqpoll-idle", &serve_settings::sqpoll_idle},
    std::pair{"sqpoll-cpu", &serve_settings::sqpoll_cpu}, std::pair{"backlog", &serve_settings::backlog},
    std::pair{"fast-open", &serve_settings::fast_open},
    std::pair{"defer-accept", &serve_settings::defer_accept},
    std::pair{"tcp-keep-alive", &serve_settings::tcp_keep_alive},
    std::pair{"user-timeout", &serve_settings::user_timeout},
    std::pair{"send-buffer", &serve_settings::send_buffer},
    std::pair{"receive-buffer", &serve_settings::receive_buffer},
    std::pair{"trusted-proxy", &serve_settings::trusted_proxy},
    std::pair{"forwarded-by", &serve_settings::forwarded_by}, std::pair{"allow", &serve_settings::allow},
    std::pair{"deny", &serve_settings::deny}, std::pair{"basic-auth", &serve_settings::basic_auth},
    std::pair{"basic-auth-realm", &serve_settings::basic_auth_realm},
    std::pair{"request-rate", &serve_settings::request_rate},
    std::pair{"connection-rate", &serve_settings::connection_rate});

template <class Visit>
void for_each_setting(Visit visit) {
    std::apply([&](const auto&... each) { (visit(each.first, each.second), ...); }, settings_table);
}

std::chrono::milliseconds to_time(const char* flag, double seconds) {
    if (!(seconds >= 0.001 && seconds <= 86'400)) {
        throw std::runtime_error(fmt::format("--{} must be between 0.001 and 86400 seconds", flag));
    }
    return std::chrono::milliseconds(std::llround(seconds * 1000));
}

void check(const char* flag, int value, int least, int most) {
    if (value < least || value > most) {
        throw std::runtime_error(fmt::format("--{} must be between {} and {}", flag, least, most));
    }
}

// "IDLE,INTERVAL,COUNT"
socket_options::keep_alive_settings to_keep_alive(const std::string& text) {
    int values[3] = {0, 0, 0};
    const char* at = text.data();
    const char* const end = at + text.size();
    bool good = true;
    for (int index = 0; index < 3 && good; ++index) {
        const auto [after, error] = std::from_chars(at, end, values[index]);
        good = error == std::errc() && values[index] >= 1 && values[index] <= 32'767 &&
               (index < 2 ? after != end && *after == ',' : after == end);
        at = after + (good && index < 2 ? 1 : 0);
    }
    if (!good) throw std::runtime_error("--tcp-keep-alive wants IDLE,INTERVAL,COUNT, for example 60,10,6");
    socket_options::keep_alive_settings settings;
    settings.idle = std::chrono::seconds(values[0]);
    settings.interval = std::chrono::seconds(values[1]);
    settings.count = values[2];
    return settings;
}

void set_shares(http::server_options& options, const serve_settings& settings) {
    http::least_rates& least = options.least_rates;
    if (settings.least_body_rate) {
        check("least-body-rate", *settings.least_body_rate, 0, 1 << 30);
        least.body = static_cast<std::uint64_t>(*settings.least_body_rate);
    }
    if (settings.least_answer_rate) {
        check("least-answer-rate", *settings.least_answer_rate, 0, 1 << 30);
        least.answer = static_cast<std::uint64_t>(*settings.least_answer_rate);
    }
    if (settings.rate_period) least.over = to_time("rate-period", *settings.rate_period);
    if (settings.connections_per_address) {
        check("connections-per-address", *settings.connections_per_address, 0, 1 << 30);
        options.connections_per_address = static_cast<unsigned>(*settings.connections_per_address);
    }
}

// "CERT,KEY", or "CERT,KEY,STAPLE"
tls_certificate to_certificate(const std::string& text) {
    const std::size_t comma = text.find(',');
    if (comma == std::string::npos || comma == 0 || comma + 1 == text.size())
        throw std::runtime_error(fmt::format(
            "--tls wants CERT,KEY: the files of a certificate's chain and of its key, not {}", text));
    const std::size_t second = std::min(text.find(',', comma + 1), text.size());
    return {text.substr(0, comma), text.substr(comma + 1, second - comma - 1),
            second < text.size() ? text.substr(second + 1) : std::string()};
}

// Those of hosts behind those of all, whose first is shown to who asks for none of them.
std::vector<std::string> certificates_of(const serve_settings& settings, const site_settings& sites) {
    std::vector<std::string> all = settings.tls.value_or(std::vector<std::string>());
    for (const host_settings& each : sites.hosts) {
        if (each.tls) all.insert(all.end(), each.tls->begin(), each.tls->end());
    }
    return all;
}

/// Nothing if the host says nothing of it.
std::optional<tls_client_certificates> client_certificates_of(const host_settings& of) {
    if (!of.client_certificates && !of.client_ca) return std::nullopt;
    const std::string asked = of.client_certificates.value_or("required");
    const bool known = asked == "required" || asked == "optional" || asked == "none";
    if (!known)
        complain(of.where,
                 fmt::format("client-certificates wants none, optional or required, not {}", asked));
    if ((asked == "none") == of.client_ca.has_value())
        complain(of.where, asked == "none"
                               ? "client-certificates is none, and there is a client-ca: leave one out"
                               : "client-certificates wants a client-ca: who may issue them");
    return asked == "required"   ? tls_client_certificates::required
           : asked == "optional" ? tls_client_certificates::optional
                                 : tls_client_certificates::none;
}

void set_client_certificates(tls_server_options& tls, const site_settings& sites) {
    if (const auto asked = client_certificates_of(sites.others)) {
        tls.client_certificates = *asked;
        tls.client_ca_file = sites.others.client_ca.value_or(std::string());
    }
    for (const host_settings& each : sites.hosts) {
        const auto asked = client_certificates_of(each);
        if (!asked) continue;
        for (const std::string& name : each.names.value_or(std::vector<std::string>()))
            tls.hosts.emplace_back(name, each.client_ca.value_or(std::string()), *asked);
    }
}

// What is for TLS alone, and would be passed over in silence.
void complain_of_tls(const site_settings& sites) {
    constexpr std::string_view text = "{} is for TLS: say where with --listen-tls";
    const auto key_of = [](const host_settings& of) {
        return of.client_ca ? "client-ca" : of.client_certificates ? "client-certificates" : nullptr;
    };
    if (const char* const key = key_of(sites.others)) throw std::runtime_error(fmt::format(text, key));
    for (const host_settings& each : sites.hosts) {
        const char* const key = each.tls ? "tls" : key_of(each);
        if (key != nullptr) complain(each.where, fmt::format(text, key));
    }
}

void set_tls(serve_plan& plan, const serve_settings& settings) {
    const bool self_signed = settings.tls_self_signed.value_or(false);
    const std::vector<std::string> certificates = certificates_of(settings, *plan.sites);
    const bool has_certificates = !certificates.empty();
    plan.redirect_http = settings.redirect_http.value_or(false);
    if (settings.hsts) {
        check("hsts", *settings.hsts, 0, 0x7fffffff);
        plan.hsts = static_cast<unsigned>(*settings.hsts);
    }
    if (!settings.listen_tls) {
        complain_of_tls(*plan.sites);
        const char* const alone = has_certificates     ? "tls"
                                  : self_signed        ? "tls-self-signed"
                                  : plan.redirect_http ? "redirect-http"
                                  : plan.hsts          ? "hsts"
                                                       : nullptr;
        if (alone == nullptr) return;
        throw std::runtime_error(fmt::format("--{} is for TLS: say where with --listen-tls", alone));
    }
    plan.tls_endpoints = to_endpoints("listen-tls", *settings.listen_tls);
    if (!has_certificates && !self_signed)
        throw std::runtime_error(
            "--listen-tls wants a certificate: --tls CERT,KEY, or --tls-self-signed to try it");
    if (has_certificates && self_signed)
        throw std::runtime_error(
            "--tls-self-signed makes a certificate, and --tls has one: give one of them");
    if (plan.redirect_http && plan.endpoints.empty())
        throw std::runtime_error("--redirect-http is for clear text: say where with --listen");
    plan.tls.protocols = {"http/1.1"};
    if (http::speaks_http2) plan.tls.protocols.insert(plan.tls.protocols.begin(), "h2");
    if (self_signed) plan.tls.self_signed = {"localhost", "127.0.0.1", "::1"};
    for (const std::string& each : certificates)
        plan.tls.certificates.push_back(to_certificate(each));
    set_client_certificates(plan.tls, *plan.sites);
}

// What is told from within is for those alone who may know: its address is one of this machine's own.
void set_watching(serve_plan& plan, const serve_settings& settings) {
    plan.request_id = settings.request_id.value_or(false);
    if (!settings.status) return;
    const http::endpoint where = to_endpoints("status", {*settings.status}).front();
    const std::string host = where.listen.local ? std::string() : where.listen.host_text();
    const bool near =
        where.listen.local || host.starts_with("127.") || host == "::1" || host.starts_with("::ffff:127.");
    if (!near && !settings.status_anywhere.value_or(false))
        throw std::runtime_error(fmt::format(
            "--status {}: others could read there what goes on here; want an address of this machine's own, "
            "such as 127.0.0.1:9100, or say --status-anywhere",
            *settings.status));
    plan.status = where;
    plan.status->if_there = false;  // it is missed if it cannot be had
}

uring_options to_uring(const serve_settings& settings, unsigned threads) {
    uring_options options;
    options.connects = false;
    using direct = uring_options::direct;
    const std::string mode = settings.direct_descriptors.value_or("auto");
    if (mode != "auto" && mode != "on" && mode != "off")
        throw std::runtime_error(fmt::format("--direct-descriptors wants on, off or auto, not {}", mode));
    options.direct_descriptors = mode == "on"    ? direct::always
                                 : mode == "off" ? direct::off
                                                 : direct::near_limit;
    if (settings.zero_copy_from) {
        check("zero-copy-from", *settings.zero_copy_from, 0, 1 << 30);
        options.zero_copy_from = *settings.zero_copy_from > 0
                                     ? static_cast<std::size_t>(*settings.zero_copy_from)
                                     : naru::limits::never_zero_copy;
    }
    if (settings.sqpoll_idle) {
        check("sqpoll-idle", *settings.sqpoll_idle, 1, 60'000);
        options.sqpoll_idle_milliseconds = static_cast<unsigned>(*settings.sqpoll_idle);
    }
    if (settings.sqpoll_cpu) {
        const long first = options.sqpoll_cpu = *settings.sqpoll_cpu;
        const long cores = static_cast<long>(configured_cores());
        if (first < 0 || first + static_cast<long>(threads) > cores) {
            throw std::runtime_error(
                fmt::format("--sqpoll-cpu {}: {} thread{} a core each from there on, and there are {}", first,
                            threads, threads == 1 ? " takes" : "s take", cores));
        }
    }
    return options;
}

}  // namespace

key_outcome read_setting(serve_settings& settings, std::string_view key, const toml::node& value,
                         std::string_view& wants) {
    return read_key(settings, settings_table, key, value, wants);
}

std::vector<std::string_view> setting_names() { return names_of(settings_table); }

serve_settings read_config(const std::string& path) {
    complaints wrong;
    serve_settings settings = read_configuration(path, wrong);
    if (!wrong.empty()) throw std::runtime_error(wrong.lines().front());
    return settings;
}

serve_settings merged(const serve_settings& first, const serve_settings& second) {
    serve_settings both = first;
    auto sites = std::make_shared<site_settings>(second.sites ? *second.sites : site_settings());
    for_each_setting([&](const char* name, auto member) {
        if (both.*member) {
            sites->places.erase(name);  // what is wrong with it stands on the command line
        } else {
            both.*member = second.*member;
        }
    });
    both.sites = std::move(sites);
    return both;
}

bool says_something(const serve_settings& settings) {
    bool any = settings.sites && (!settings.sites->hosts.empty() || !settings.sites->others.routes.empty() ||
                                  !settings.sites->places.empty());
    for_each_setting([&](const char*, auto member) { any = any || (settings.*member).has_value(); });
    return any;
}

directory_root::links to_links(std::string_view name) {
    if (name == "inside") return directory_root::links::inside;
    if (name == "any") return directory_root::links::any;
    if (name == "never") return directory_root::links::none;
    throw std::runtime_error(fmt::format("--symlinks wants inside, any or never, not {}", name));
}

namespace {

void set_files(serve_plan& plan, const serve_settings& settings) {
    plan.files.listings = settings.listings.value_or(false);
    plan.files.dotfiles = settings.dotfiles.value_or(false);
    plan.files.fallback = settings.fallback.value_or(std::string());
    if (settings.symlinks) plan.files.links = to_links(*settings.symlinks);
    plan.files.link_targets = settings.symlink_target.value_or(std::vector<std::string>());
    plan.acme_webroot = settings.acme_webroot.value_or(std::string());
    if (settings.hash_up_to) {
        check("hash-up-to", *settings.hash_up_to, 0, 1 << 30);
        plan.files.hash_up_to = static_cast<std::uint64_t>(*settings.hash_up_to);
    }
    for (const std::string& each : settings.type.value_or(std::vector<std::string>())) {
        const auto parsed = http::parse_content_type(each);
        if (!parsed)
            throw std::runtime_error(
                fmt::format("--type wants EXTENSION=TYPE, such as vtt=text/vtt, not {}", each));
        plan.files.types.push_back(*parsed);
    }
}

// Who the process that serves becomes, and what it gives up.
void set_confinement(serve_plan& plan, const serve_settings& settings) {
    plan.one_process = settings.no_sandbox.value_or(false);
    plan.user = settings.user;
    const std::string confined = settings.sandbox.value_or("all");
    if (confined != "all" && confined != "files" && confined != "calls" && confined != "none")
        throw std::runtime_error(fmt::format("--sandbox wants all, files, calls or none, not {}", confined));
    if (settings.sandbox && plan.one_process)
        throw std::runtime_error("--sandbox is of the worker, and with --no-sandbox there is none");
    plan.confines_files = confined == "all" || confined == "files";
    plan.confines_calls = confined == "all" || confined == "calls";
    if (plan.user && plan.one_process)
        throw std::runtime_error("--user is whom the worker becomes, and with --no-sandbox there is none");
}

void set_times(serve_plan& plan, const serve_settings& settings) {
    if (settings.drain_delay && *settings.drain_delay != 0)
        plan.drain_delay = to_time("drain-delay", *settings.drain_delay);
    http::timeouts& limits = plan.options.timeouts;
    if (settings.head_timeout) limits.head = to_time("head-timeout", *settings.head_timeout);
    if (settings.body_timeout) limits.body = to_time("body-timeout", *settings.body_timeout);
    if (settings.write_timeout) limits.write = to_time("write-timeout", *settings.write_timeout);
    if (settings.keep_alive_timeout)
        limits.keep_alive = to_time("keep-alive-timeout", *settings.keep_alive_timeout);
    if (settings.disk_timeout) plan.files.disk_time = to_time("disk-timeout", *settings.disk_timeout);
    if (settings.drain_timeout) limits.drain = to_time("drain-timeout", *settings.drain_timeout);
}

void set_tcp(http::server_options& options, const serve_settings& settings) {
    if (settings.backlog) check("backlog", options.backlog = *settings.backlog, 1, 1 << 24);
    if (settings.fast_open) check("fast-open", options.fast_open_queue = *settings.fast_open, 0, 65'535);
    if (settings.defer_accept) {
        check("defer-accept", *settings.defer_accept, 0, 3600);
        options.defer_accept = std::chrono::seconds(*settings.defer_accept);
    }
    if (settings.tcp_keep_alive) options.tcp_keep_alive = to_keep_alive(*settings.tcp_keep_alive);
    if (settings.user_timeout) {
        check("user-timeout", *settings.user_timeout, 0, 86'400'000);
        options.user_timeout = std::chrono::milliseconds(*settings.user_timeout);
    }
    if (settings.send_buffer) check("send-buffer", options.send_buffer = *settings.send_buffer, 0, 1 << 30);
    if (settings.receive_buffer)
        check("receive-buffer", options.receive_buffer = *settings.receive_buffer, 0, 1 << 30);
}

serve_plan plan_of(const serve_settings& settings) {
    serve_plan plan;
    http::server_options& options = plan.options;
    plan.settings = std::make_shared<const serve_settings>(settings);
    plan.sites = settings.sites ? settings.sites : std::make_shared<const site_settings>();
    const bool has_sites = !plan.sites->hosts.empty() || !plan.sites->others.routes.empty();
    const std::pair<const char*, const std::optional<std::string>*> paths[] = {
        {"root", &settings.root}, {"acme-webroot", &settings.acme_webroot}, {"pid-file", &settings.pid_file}};
    for (const auto& [name, path] : paths) {
        if (*path && (*path)->empty()) throw std::runtime_error(fmt::format("--{} wants a path", name));
    }
    plan.root = settings.root.value_or(has_sites ? "" : ".");
    if (settings.listen || !settings.listen_tls)
        plan.endpoints =
            to_endpoints("listen", settings.listen.value_or(std::vector<std::string>{"127.0.0.1:8080"}));
    set_tls(plan, settings);
    set_client_rules(plan, settings);
    const std::string engine_name = settings.engine.value_or("auto");
    const auto engine = engine_named(engine_name);
    if (!engine) {
        throw std::runtime_error(fmt::format("there is no engine {}: want {}", engine_name, engine_names()));
    }
    options.engine = *engine;
    options.threads = settings.threads.value_or(usable_cores());
    check("threads", static_cast<int>(options.threads), 1, 1024);
    set_files(plan, settings);
    options.h2c = settings.h2c.value_or(false);
    if (options.h2c && !http::speaks_http2)
        throw std::runtime_error("h2c: HTTP/2 is not part of this build: there is no nghttp2 for Windows");
    set_confinement(plan, settings);
    set_logs(plan, settings);
    plan.pid_file = settings.pid_file;
    set_watching(plan, settings);
    complain_of_places(plan);
    set_times(plan, settings);
    set_shares(options, settings);
    options.engine_options = std::make_shared<const uring_options>(to_uring(settings, options.threads));
    set_tcp(options, settings);
    return plan;
}

// Of the settings that are flags, too: what only the site and the certificates are made of.
bool is_changed_in_place(std::string_view name) {
    constexpr std::array<std::string_view, 18> names = {"root",          "tls",
                                                        "redirect-http", "hsts",
                                                        "listings",      "dotfiles",
                                                        "hash-up-to",    "disk-timeout",
                                                        "symlinks",      "symlink-target",
                                                        "type",          "allow",
                                                        "deny",          "request-rate",
                                                        "basic-auth",    "basic-auth-realm",
                                                        "request-id",    "fallback"};
    return std::ranges::find(names, name) != names.end();
}

}  // namespace

std::vector<std::string> differing_settings(const serve_settings& running, const serve_settings& fresh) {
    std::vector<std::string> names;
    for_each_setting([&](const char* name, auto member) {
        if (!is_changed_in_place(name) && running.*member != fresh.*member) names.emplace_back(name);
    });
    return names;
}

serve_settings with_fixed_settings_of(const serve_settings& running, const serve_settings& fresh) {
    serve_settings both = fresh;
    for_each_setting([&](const char* name, auto member) {
        if (!is_changed_in_place(name)) both.*member = running.*member;
    });
    return both;
}

serve_plan to_plan(const serve_settings& settings) try {
    return plan_of(settings);
} catch (const located_fault&) {
    throw;
} catch (const std::runtime_error& error) {
    throw std::runtime_error(settings.sites ? located(error.what(), *settings.sites) : error.what());
}

}  // namespace naru::program
