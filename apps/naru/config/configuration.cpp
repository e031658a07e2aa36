#include "configuration.hpp"

#include "read_value.hpp"

#include <load/text_file.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace naru::program {

namespace {

// Past it a pattern has surely met the wrong directory.
constexpr std::size_t most_included_files = 4096;
constexpr std::size_t most_bytes = std::size_t{16} << 20;  // of one

// What a table of each kind may have: its key, and where it goes.
constexpr auto route_table = std::make_tuple(
    std::pair{"path", &route_settings::path}, std::pair{"files", &route_settings::files},
    std::pair{"redirect", &route_settings::redirect}, std::pair{"answer", &route_settings::answer},
    std::pair{"status", &route_settings::status}, std::pair{"type", &route_settings::type},
    std::pair{"headers", &route_settings::headers}, std::pair{"cache", &route_settings::cache},
    std::pair{"body-limit", &route_settings::body_limit},
    std::pair{"body-timeout", &route_settings::body_timeout},
    std::pair{"least-body-rate", &route_settings::least_body_rate},
    std::pair{"listings", &route_settings::listings}, std::pair{"dotfiles", &route_settings::dotfiles},
    std::pair{"compress", &route_settings::compress}, std::pair{"hash-up-to", &route_settings::hash_up_to},
    std::pair{"fallback", &route_settings::fallback}, std::pair{"symlinks", &route_settings::symlinks},
    std::pair{"symlink-target", &route_settings::symlink_target});

constexpr auto host_table = std::make_tuple(
    std::pair{"names", &host_settings::names}, std::pair{"root", &host_settings::root},
    std::pair{"tls", &host_settings::tls}, std::pair{"headers", &host_settings::headers},
    std::pair{"client-certificates", &host_settings::client_certificates},
    std::pair{"client-ca", &host_settings::client_ca}, std::pair{"access-log", &host_settings::access_log},
    std::pair{"log-format", &host_settings::log_format}, std::pair{"listings", &host_settings::listings},
    std::pair{"dotfiles", &host_settings::dotfiles}, std::pair{"compress", &host_settings::compress},
    std::pair{"hash-up-to", &host_settings::hash_up_to}, std::pair{"fallback", &host_settings::fallback},
    std::pair{"symlinks", &host_settings::symlinks},
    std::pair{"symlink-target", &host_settings::symlink_target});

// Of the whole server, and no flags.
constexpr auto server_table = std::make_tuple(
    std::pair{"headers", &host_settings::headers}, std::pair{"compress", &host_settings::compress},
    std::pair{"client-certificates", &host_settings::client_certificates},
    std::pair{"client-ca", &host_settings::client_ca});

constexpr auto auth_table =
    std::make_tuple(std::pair{"realm", &auth_settings::realm}, std::pair{"users", &auth_settings::users});

constexpr auto listener_table = std::make_tuple(
    std::pair{"address", &listener_settings::address}, std::pair{"tls", &listener_settings::tls},
    std::pair{"proxy", &listener_settings::proxy}, std::pair{"mode", &listener_settings::mode});

bool has(const std::vector<std::string_view>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

class reader {
 public:
    reader(serve_settings& settings, site_settings& sites, complaints& wrong)
        : settings_(settings), sites_(sites), wrong_(wrong) {}

    void read(const std::string& path, bool is_included);

 private:
    config_place at(const toml::key& key) const { return {file_, key.source().begin.line}; }
    config_place at(const toml::node& node) const { return {file_, node.source().begin.line}; }

    void read_server(const toml::table& table);
    void read_listener(const toml::table& table);
    void read_host(const toml::table& table);
    void read_route(const toml::table& table, host_settings& of);
    void read_auth(const toml::node& node, route_settings& of);
    void include(const toml::key& key, const toml::node& node);
    void unknown(const toml::key& key, std::string_view where, std::vector<std::string_view> known);
    template <class Settings, class Table>
    bool reads(Settings& into, const Table& table, const toml::key& key, const toml::node& value);
    template <class Visit>
    void each_table(const toml::key& key, const toml::node& node, Visit visit);

    serve_settings& settings_;
    site_settings& sites_;
    complaints& wrong_;
    std::string file_;
    bool is_included_ = false;
};

// A FIFO by name would be waited for, and with it all signals when it is read again; a pipe that is open
// already (`<(...)` of a shell) is as good as a file.
bool is_to_be_waited_for(const std::string& path) {
    namespace files = std::filesystem;
    std::error_code refusal;
    const bool is_open = path.starts_with("/dev/") || path.starts_with("/proc/");
    return !is_open && files::is_fifo(files::status(path, refusal));
}

void reader::read(const std::string& path, bool is_included) {
    file_ = path;
    is_included_ = is_included;
    const auto cannot = [&](const std::string& why) {
        wrong_.add({}, fmt::format("cannot read the configuration {}: {}", path, why));
    };
    if (is_to_be_waited_for(path)) return cannot("it is a FIFO, and a file is wanted");
    const auto text = load::read_file(path, most_bytes);
    if (!text && text.error() == std::errc::file_too_large)
        return cannot(fmt::format("it has more than {} MiB", most_bytes >> 20));
    if (!text) return cannot(text.error().message());
    try {
        read_server(toml::parse(*text, path));
    } catch (const toml::parse_error& error) {
        wrong_.add({path, error.source().begin.line}, error.description());
    }
}

// A key that stands in the wrong kind of table is told where it belongs, a mistyped one what was meant.
void reader::unknown(const toml::key& key, std::string_view where, std::vector<std::string_view> known) {
    const std::string_view name = key.str();
    std::string more;
    if (!where.empty() && (has(setting_names(), name) || name == "include")) {
        more = fmt::format(": {} is of {}the whole server, and stands before the first host and route", name,
                           has(names_of(host_table), name) ? "a host, behind [[host]], or of " : "");
    } else if (where.empty() && has(names_of(host_table), name)) {
        more = fmt::format(": {} is of a host, behind [[host]]", name);
    } else if (has(names_of(route_table), name) || name == "basic-auth") {
        more = fmt::format(": {} is of a route, behind [[{}route]]", name, where.empty() ? "" : "host.");
    } else if (const std::string_view near = nearest_name(name, known); !near.empty()) {
        more = fmt::format("; {} was probably meant", near);
    }
    wrong_.add(at(key),
               fmt::format("there is no setting {}{}{}{}", name, where.empty() ? "" : " of a ", where, more));
}

// Whether the table has the key; then it has been read, or complained of.
template <class Settings, class Table>
bool reader::reads(Settings& into, const Table& table, const toml::key& key, const toml::node& value) {
    std::string_view wants;
    const key_outcome outcome = read_key(into, table, key.str(), value, wants);
    if (outcome == key_outcome::wrong) wrong_.add(at(key), fmt::format("{} wants {}", key.str(), wants));
    return outcome != key_outcome::unknown;
}

template <class Visit>
void reader::each_table(const toml::key& key, const toml::node& node, Visit visit) {
    if (!node.is_array_of_tables())
        return wrong_.add(at(key), fmt::format("{0} wants [[{0}]], once for each", key.str()));
    for (const toml::node& each : *node.as_array())
        visit(*each.as_table());
}

void reader::read_server(const toml::table& table) {
    std::vector<std::pair<const toml::key*, const toml::node*>> includes;
    for (const auto& [key, node] : table) {
        const std::string name(key.str());
        if (name == "listener") {
            each_table(key, node, [this](const toml::table& each) { read_listener(each); });
        } else if (name == "host") {
            each_table(key, node, [this](const toml::table& each) { read_host(each); });
        } else if (name == "route") {
            each_table(key, node, [this](const toml::table& each) { read_route(each, sites_.others); });
        } else if (name == "include") {
            includes.emplace_back(&key, &node);
        } else if (const auto [other, fresh] = sites_.places.emplace(name, at(key)); !fresh) {
            wrong_.add(at(key), fmt::format("{} is set already, at {}", name, other->second.text()));
        } else if (!reads(sites_.others, server_table, key, node)) {
            std::string_view wants;
            const key_outcome outcome = read_setting(settings_, name, node, wants);
            if (outcome == key_outcome::wrong) wrong_.add(at(key), fmt::format("{} wants {}", name, wants));
            if (outcome != key_outcome::unknown) continue;
            sites_.places.erase(name);
            std::vector<std::string_view> known = setting_names();
            std::ranges::copy(names_of(server_table), std::back_inserter(known));
            known.insert(known.end(), {"host", "listener", "route", "include"});
            unknown(key, "", std::move(known));
        }
    }
    for (const auto& [key, node] : includes)
        include(*key, *node);
}

void reader::read_listener(const toml::table& table) {
    listener_settings made;
    made.where = at(table);
    for (const auto& [key, node] : table) {
        if (!reads(made, listener_table, key, node)) unknown(key, "listener", names_of(listener_table));
    }
    if (!table.contains("address"))
        wrong_.add(made.where, "a listener wants an address: address = \"0.0.0.0:80\"");
    sites_.listeners.push_back(std::move(made));
}

void reader::read_host(const toml::table& table) {
    host_settings made;
    made.where = at(table);
    for (const auto& [key, node] : table) {
        if (key.str() == "route") {
            each_table(key, node, [&](const toml::table& each) { read_route(each, made); });
        } else if (!reads(made, host_table, key, node)) {
            std::vector<std::string_view> known = names_of(host_table);
            known.emplace_back("route");
            unknown(key, "host", std::move(known));
        }
    }
    if (!table.contains("names")) wrong_.add(made.where, "a host wants names: names = \"example.org\"");
    sites_.hosts.push_back(std::move(made));
}

void reader::read_route(const toml::table& table, host_settings& of) {
    route_settings made;
    made.where = at(table);
    for (const auto& [key, node] : table) {
        if (key.str() == "basic-auth") {
            read_auth(node, made);
        } else if (!reads(made, route_table, key, node)) {
            std::vector<std::string_view> known = names_of(route_table);
            known.emplace_back("basic-auth");
            unknown(key, "route", std::move(known));
        }
    }
    if (!table.contains("path")) wrong_.add(made.where, "a route wants a path: path = \"/\"");
    of.routes.push_back(std::move(made));
}

void reader::read_auth(const toml::node& node, route_settings& of) {
    if (!node.is_table())
        return wrong_.add(at(node), "basic-auth wants { realm = \"text\", users = { NAME = \"hash\" } }");
    auth_settings made;
    for (const auto& [key, value] : *node.as_table()) {
        if (!reads(made, auth_table, key, value)) unknown(key, "basic-auth", names_of(auth_table));
    }
    if (!node.as_table()->contains("users")) wrong_.add(at(node), "basic-auth wants users");
    of.basic_auth = std::move(made);
}

/// Whether a name fits a pattern in which each star stands for any letters.
bool fits(std::string_view name, std::string_view pattern) {
    const std::size_t star = pattern.find('*');
    if (star == std::string_view::npos) return name == pattern;
    if (!name.starts_with(pattern.substr(0, star))) return false;
    for (std::size_t from = star; from <= name.size(); ++from) {
        if (fits(name.substr(from), pattern.substr(star + 1))) return true;
    }
    return false;
}

void reader::include(const toml::key& key, const toml::node& node) {
    const auto patterns = read_value<std::vector<std::string>>(node);
    if (!patterns)
        return wrong_.add(at(key), fmt::format("include wants {}", kind_of<std::vector<std::string>>()));
    if (is_included_) return wrong_.add(at(key), "a file that is included cannot include others");
    const config_place where = at(key);
    const std::string outer = file_;
    for (const std::string& pattern : *patterns) {
        const std::filesystem::path whole = std::filesystem::path(outer).parent_path() / pattern;
        const std::string name = whole.filename().string();
        std::vector<std::string> found;
        if (name.find('*') == std::string::npos) {
            found.push_back(whole.string());
        } else {
            std::error_code error;
            const auto directory = whole.has_parent_path() ? whole.parent_path() : std::filesystem::path(".");
            for (std::filesystem::directory_iterator each(directory, error), end; !error && each != end;
                 each.increment(error)) {
                const std::string file = each->path().filename().string();
                if (!file.starts_with('.') && fits(file, name))
                    found.push_back((whole.parent_path() / file).string());
            }
            if (error)
                wrong_.add(where, fmt::format("cannot look into {} for files to include: {}",
                                              directory.string(), error.message()));
            if (found.size() > most_included_files) {
                wrong_.add(where, fmt::format("{} files fit {}: more than {}", found.size(), pattern,
                                              most_included_files));
                found.clear();
            }
        }
        std::ranges::sort(found);
        for (const std::string& each : found)
            read(each, true);
        file_ = outer;
        is_included_ = false;
    }
}

}  // namespace

namespace {

// Behind those of `listen` and `listen-tls`, in the same words.
void add_listeners(serve_settings& settings, site_settings& sites) {
    for (const listener_settings& each : sites.listeners) {
        if (!each.address) continue;  // which has been complained of
        const bool secure = each.tls.value_or(false);
        auto& list = secure ? settings.listen_tls : settings.listen;
        if (!list) list.emplace();
        list->push_back(fmt::format("{}{}{}{}", *each.address, each.proxy.value_or(false) ? ",proxy" : "",
                                    each.mode ? ",mode=" : "", each.mode.value_or(std::string())));
        sites.places.emplace(secure ? "listen-tls" : "listen", each.where);
    }
}

}  // namespace

serve_settings read_configuration(const std::string& path, complaints& wrong) {
    serve_settings settings;
    auto sites = std::make_shared<site_settings>();
    reader(settings, *sites, wrong).read(path, false);
    add_listeners(settings, *sites);
    settings.sites = std::move(sites);
    return settings;
}

std::string located(std::string_view sentence, const site_settings& settings) {
    const auto is_part_of_name = [](char each) { return each == '-' || (each >= 'a' && each <= 'z'); };
    const config_place* where = nullptr;
    std::size_t first = std::string_view::npos;
    std::size_t length = 0;
    for (const auto& [name, place] : settings.places) {
        for (std::size_t found = sentence.find(name); found != std::string_view::npos;
             found = sentence.find(name, found + 1)) {
            const std::size_t end = found + name.size();
            const bool is_flag = found >= 2 && sentence.substr(found - 2, 2) == "--";
            const bool begins = found == 0 || is_flag || !is_part_of_name(sentence[found - 1]);
            if (!begins || (end < sentence.size() && is_part_of_name(sentence[end]))) continue;
            if (found > first || (found == first && name.size() <= length)) continue;
            first = found;
            length = name.size();
            where = &place;
        }
    }
    if (where == nullptr) return std::string(sentence);
    const bool is_flag = first >= 2 && sentence.substr(first - 2, 2) == "--";  // which it is not in a file
    return fmt::format("{}: {}{}", where->text(), sentence.substr(0, is_flag ? first - 2 : first),
                       sentence.substr(first));
}

std::string located_file(std::string_view sentence, const site_settings& settings) {
    const std::string_view file = sentence.substr(0, sentence.find(": "));
    const auto with_place = [&](const config_place& where) {
        return fmt::format("{}: {}", where.text(), sentence);
    };
    for (const host_settings& each : settings.hosts) {
        bool names_it = each.client_ca == file;
        for (const std::string& pair : each.tls.value_or(std::vector<std::string>()))
            names_it |= ("," + pair + ",").find(fmt::format(",{},", file)) != std::string::npos;
        if (names_it) return with_place(each.where);
    }
    const auto place = settings.places.find(settings.others.client_ca == file ? "client-ca" : "tls");
    return place == settings.places.end() ? std::string(sentence) : with_place(place->second);
}

}  // namespace naru::program
