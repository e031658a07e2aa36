// The settings of `naru serve`: from its flags, and from a file.
#pragma once

#include "config/site_settings.hpp"

#include <naru/http/handlers/files.hpp>
#include <naru/http/middleware/password_auth.hpp>
#include <naru/http/server/server_options.hpp>
#include <naru/os/network.hpp>
#include <naru/stream/tls/tls_context.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace naru::program {

/// As read, before defaults: a flag goes before the file, the file before the default.
struct serve_settings {
    std::optional<std::string> root;
    std::optional<std::vector<std::string>> listen;
    std::optional<std::vector<std::string>> listen_tls;
    std::optional<std::vector<std::string>> tls;
    std::optional<bool> tls_self_signed;
    std::optional<bool> redirect_http;
    std::optional<int> hsts;
    std::optional<std::string> engine;
    std::optional<unsigned> threads;
    std::optional<bool> listings;
    std::optional<bool> dotfiles;
    std::optional<std::string> fallback;
    std::optional<std::string> symlinks;
    std::optional<std::vector<std::string>> symlink_target;
    std::optional<std::string> acme_webroot;
    std::optional<bool> h2c;
    std::optional<std::string> access_log;
    std::optional<std::string> pid_file;
    std::optional<std::string> user;
    std::optional<bool> no_sandbox;
    std::optional<std::string> sandbox;
    std::optional<double> drain_delay;
    std::optional<std::string> log_format;
    std::optional<bool> request_id;
    std::optional<std::string> status;
    std::optional<bool> status_anywhere;
    std::optional<int> hash_up_to;
    std::optional<std::vector<std::string>> type;
    std::optional<double> head_timeout;
    std::optional<double> body_timeout;
    std::optional<double> write_timeout;
    std::optional<double> keep_alive_timeout;
    std::optional<double> disk_timeout;
    std::optional<double> drain_timeout;
    std::optional<int> least_body_rate;
    std::optional<int> least_answer_rate;
    std::optional<double> rate_period;
    std::optional<int> connections_per_address;
    std::optional<std::string> direct_descriptors;
    std::optional<int> zero_copy_from;
    std::optional<int> sqpoll_idle;
    std::optional<int> sqpoll_cpu;
    std::optional<int> backlog;
    std::optional<int> fast_open;
    std::optional<int> defer_accept;
    std::optional<std::string> tcp_keep_alive;
    std::optional<int> user_timeout;
    std::optional<int> send_buffer;
    std::optional<int> receive_buffer;
    std::optional<std::vector<std::string>> trusted_proxy;
    std::optional<std::string> forwarded_by;
    std::optional<std::vector<std::string>> allow;
    std::optional<std::vector<std::string>> deny;
    std::optional<std::string> basic_auth;
    std::optional<std::string> basic_auth_realm;
    std::optional<std::string> request_rate;
    std::optional<std::string> connection_rate;
    std::shared_ptr<const site_settings> sites;  ///< of the file
};

/// Reads a TOML file: the flags' names as keys, hosts and routes. Throws std::runtime_error with the first
/// complaint: FILE:LINE: what is wrong.
serve_settings read_config(const std::string& path);

/// Whether any setting, host or route is in them.
bool says_something(const serve_settings& settings);

/// `first` where it is set, else `second`.
serve_settings merged(const serve_settings& first, const serve_settings& second);

/// What a server is made of.
struct serve_plan {
    std::string root;  ///< empty: of no host but those of `sites`
    http::files_options files;
    std::shared_ptr<const site_settings> sites;  ///< never nullptr
    std::vector<http::endpoint> endpoints;
    std::vector<http::endpoint> tls_endpoints;  ///< still without credentials
    tls_server_options tls;
    std::shared_ptr<const serve_settings> settings;  ///< that it was made of; never nullptr
    std::function<serve_settings()> read_again;      ///< to be made into a plan; empty: there is no file
    std::string acme_webroot;                        ///< empty: none
    bool redirect_http = false;  ///< what comes in clear text is sent to the first of tls_endpoints
    std::optional<unsigned> hsts;
    bool request_id = false;               ///< in answers
    std::optional<http::endpoint> status;  ///< where it is told what goes on
    http::server_options options;
    std::optional<std::string> pid_file;
    std::optional<std::string> user;    ///< who the worker becomes
    std::vector<std::string> readable;  ///< to be read while it serves, beside the root and certificates
    bool one_process = false;           ///< no master and no sandbox
    bool confines_files = true;         ///< the worker, by Landlock
    bool confines_calls = true;         ///< and by a filter of system calls
    std::chrono::milliseconds drain_delay{0};  ///< between the request to end and the drain
    std::vector<network> allowed;
    std::vector<network> denied;
    std::optional<http::rate> request_rate;
    std::optional<http::password_file> passwords;
    http::password_options password;
};

/// "inside", "any" or "never". Throws std::runtime_error for another.
directory_root::links to_links(std::string_view name);

/// The names of the settings that differ and cannot be changed while a server runs (listeners, engine,
/// threads, deadlines).
std::vector<std::string> differing_settings(const serve_settings& running, const serve_settings& fresh);
/// `fresh`, but for those: they are as they run.
serve_settings with_fixed_settings_of(const serve_settings& running, const serve_settings& fresh);

/// Throws std::runtime_error with one sentence for a value that cannot be.
serve_plan to_plan(const serve_settings& settings);

}  // namespace naru::program
