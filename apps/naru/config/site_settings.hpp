// The hosts and routes of a configuration file, as read.
#pragma once

#include "complaints.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace naru::program {

/// Names with a text for each, in their order.
using named_texts = std::vector<std::pair<std::string, std::string>>;

/// How files are served: of a route before those of its host, of a host before those of the whole server.
struct files_settings {
    std::optional<bool> listings;
    std::optional<bool> dotfiles;
    std::optional<bool> compress;
    std::optional<int> hash_up_to;
    std::optional<std::string> fallback;
    std::optional<std::string> symlinks;
    std::optional<std::vector<std::string>> symlink_target;
};

/// Who may come: names and their passwords.
struct auth_settings {
    std::optional<std::string> realm;
    std::optional<named_texts> users;
};

/// What is at a path, or beneath it if that ends in a slash: one of files, redirect and answer.
struct route_settings : files_settings {
    config_place where;
    std::optional<std::string> path;
    std::optional<std::string> files;     ///< a directory
    std::optional<std::string> redirect;  ///< a target
    std::optional<std::string> answer;    ///< a body
    std::optional<int> status;            ///< of the redirect or the answer
    std::optional<std::string> type;      ///< of the answer
    std::optional<named_texts> headers;
    std::optional<std::string> cache;  ///< Cache-Control of good answers
    std::optional<auth_settings> basic_auth;
    std::optional<int> body_limit;
    std::optional<double> body_timeout;
    std::optional<int> least_body_rate;
};

/// What clients get who ask for one of these names; without names: all others.
struct host_settings : files_settings {
    config_place where;
    std::optional<std::vector<std::string>> names;
    std::optional<std::string> root;
    std::optional<std::vector<std::string>> tls;
    std::optional<std::string> client_certificates;
    std::optional<std::string> client_ca;
    std::optional<std::string> access_log;
    std::optional<std::string> log_format;
    std::optional<named_texts> headers;
    std::vector<route_settings> routes;
};

/// A table that says what a word of `listen` or `listen-tls` does.
struct listener_settings {
    config_place where;
    std::optional<std::string> address;
    std::optional<bool> tls;
    std::optional<bool> proxy;
    std::optional<std::string> mode;
};

/// All that a file says beside what flags say, too.
struct site_settings {
    host_settings others;
    std::vector<host_settings> hosts;
    std::vector<listener_settings> listeners;  ///< which are in `listen` and `listen-tls` as well
    std::map<std::string, config_place, std::less<>> places;  ///< of the settings that are flags, too
};

}  // namespace naru::program
