#include "listeners.hpp"

#include "../client_rules.hpp"

#include <naru/http/server/server.hpp>
#include <naru/loop/environment.hpp>
#include <naru/os/adopted.hpp>
#include <naru/os/unix_socket.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace naru::program {

namespace {

constexpr int first_from_manager = 3;  // SD_LISTEN_FDS_START
constexpr int most_from_manager = 1024;

int number_of(std::string_view text, int otherwise) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

std::string taken_from_environment(const char* name) {
    const char* const found = std::getenv(name);
    std::string text = found == nullptr ? std::string() : std::string(found);
    ::unsetenv(name);
    return text;
}

std::string_view next_word(std::string_view& text, char end) {
    const std::size_t at = std::min(text.find(end), text.size());
    const std::string_view word = text.substr(0, at);
    text.remove_prefix(std::min(at + 1, text.size()));
    return word;
}

constexpr std::string_view local_prefix = "unix:";
constexpr std::string_view named_prefix = "fd:";

std::string name_of(const http::endpoint& each) {
    return each.listen.local ? std::string(local_prefix) + each.listen.local->text() : each.listen.text();
}

// By its name.
socket_use use_of(std::string_view name) {
    return name.starts_with(local_prefix) ? socket_use::unix_listener : socket_use::tcp_listener;
}

// What a socket that came from outside is called.
result<std::string> name_of(int socket) {
    if (check_adopted(socket, socket_use::unix_listener)) {
        const auto where = unix_address::local_of(socket);
        if (!where) return fail(where.error());
        return std::string(local_prefix) + where->text();
    }
    if (const auto listens = check_adopted(socket, socket_use::tcp_listener); !listens)
        return fail(listens.error());
    const auto where = environment::current().local_address(socket);
    if (!where) return fail(where.error());
    return where->text();
}

bool is_ipv6(const http::endpoint& each) { return each.listen.host_text().find(':') != std::string::npos; }

}  // namespace

listeners& own_listeners() {
    static listeners own;
    return own;
}

void listeners::take_from_manager() {
    const std::string process = taken_from_environment("LISTEN_PID");
    const std::string count_text = taken_from_environment("LISTEN_FDS");
    const std::string all_names = taken_from_environment("LISTEN_FDNAMES");
    const int count = number_of(count_text, 0);
    if (number_of(process, -1) != ::getpid() || count <= 0) return;  // for the process before us
    if (count > most_from_manager)
        throw std::runtime_error(fmt::format("LISTEN_FDS has {} sockets, and more than {} are too many",
                                             count, most_from_manager));
    std::string_view names = all_names;
    for (int socket = first_from_manager; socket < first_from_manager + count; ++socket) {
        const std::string label(next_word(names, ':'));
        const bool secure = label.starts_with("https");
        const auto named = name_of(socket);
        if (!named)
            throw std::runtime_error(fmt::format("LISTEN_FDS: descriptor {} cannot be listened to: {}",
                                                 socket, named.error().message()));
        (void)::fcntl(socket, F_SETFD, FD_CLOEXEC);
        (void)::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
        const std::string& name = *named;
        const auto same = std::ranges::find_if(
            sets_, [&](const listener_set& each) { return each.name == name && each.secure == secure; });
        if (same != sets_.end()) {
            same->sockets.push_back(socket);
        } else {
            sets_.push_back({name, {socket}, true, secure, nullptr, label});
        }
    }
}

namespace {

using listener_texts = std::optional<std::vector<std::string>>;

// localhost is both families' address, as where it is bound.
bool is_called(std::string_view name, std::string_view where) {
    constexpr std::string_view both = "localhost:";
    if (!where.starts_with(both)) return name == where;
    const std::string_view port = where.substr(both.size());
    return name == fmt::format("127.0.0.1:{}", port) || name == fmt::format("[::1]:{}", port);
}

// The words of the settings for a socket from outside, if they have any.
std::optional<listener_words> words_for(const listener_set& socket, const listener_texts& in) {
    for (const std::string& each : in.value_or(std::vector<std::string>())) {
        listener_words words = words_of_listener(each);
        const bool is_named = !socket.label.empty() && words.where.starts_with(named_prefix) &&
                              words.where.substr(named_prefix.size()) == socket.label;
        if (is_named || is_called(socket.name, words.where)) return words;
    }
    return std::nullopt;
}

}  // namespace

serve_settings listeners::put_into(serve_settings settings) const {
    std::vector<std::string> plain;
    std::vector<std::string> secure;
    for (const listener_set& each : sets_) {
        if (!each.from_outside) continue;
        std::optional<listener_words> words = words_for(each, settings.listen_tls);
        const bool is_in_secure = words.has_value();
        if (!words) words = words_for(each, settings.listen);
        std::vector<std::string>& list = is_in_secure || (!words && each.secure) ? secure : plain;
        list.push_back(each.name + (words && words->proxy ? ",proxy" : ""));
    }
    if (plain.empty() && secure.empty()) return settings;
    settings.listen.reset();
    settings.listen_tls.reset();
    if (!plain.empty()) settings.listen = std::move(plain);
    if (!secure.empty()) settings.listen_tls = std::move(secure);
    return settings;
}

listener_set* listeners::unused(const http::endpoint& wanted, std::vector<bool>& used) noexcept {
    const std::string name = name_of(wanted);
    used.resize(sets_.size());
    for (std::size_t index = 0; index < sets_.size(); ++index) {
        if (used[index] || sets_[index].name != name) continue;
        used[index] = true;
        return &sets_[index];
    }
    return nullptr;
}

void listeners::close_all_but(const std::vector<bool>& kept) noexcept {
    for (std::size_t index = sets_.size(); index-- > 0;) {
        if (index < kept.size() && kept[index]) continue;
        for (const int socket : sets_[index].sockets)
            ::close(socket);
        sets_.erase(sets_.begin() + static_cast<std::ptrdiff_t>(index));
    }
}

std::size_t listeners::sockets_for(const std::vector<http::endpoint>& wanted, std::size_t threads) {
    std::vector<bool> used;
    std::size_t count = 0;
    for (const http::endpoint& each : wanted) {
        const listener_set* const found = unused(each, used);
        count += found == nullptr ? threads : found->sockets.size();
    }
    return count;
}

void listeners::close_others(const std::vector<http::endpoint>& wanted) {
    std::vector<bool> used(sets_.size());
    for (const http::endpoint& each : wanted)
        (void)unused(each, used);
    close_all_but(used);
}

void listeners::bind(const std::vector<http::endpoint>& wanted, const http::server_options& options) {
    const std::vector<bool> before(sets_.size(), true);
    std::vector<bool> used;
    std::vector<http::endpoint> missing;
    for (const http::endpoint& each : wanted) {
        if (unused(each, used) == nullptr) {
            missing.push_back(each);
        } else if (each.port_of_previous && !missing.empty() && &each != wanted.data() &&
                   name_of(missing.back()) == name_of(*std::prev(&each))) {
            missing.back().port_of_previous = true;  // of two, this one is enough, as it was before
        }
    }
    try {
        for (std::size_t at = 0; at < missing.size();) {
            std::vector<http::endpoint> chain{missing[at++]};
            while (at < missing.size() && missing[at].port_of_previous)
                chain.push_back(missing[at++]);
            bind_chain(chain, options);
        }
    } catch (...) {
        close_all_but(before);
        throw;
    }
}

// Those that have the port of the first.
void listeners::bind_chain(const std::vector<http::endpoint>& chain, const http::server_options& options) {
    std::vector<http::endpoint> others;
    for (const listener_set& each : sets_) {
        if (each.name.starts_with(local_prefix) || each.sockets.empty()) continue;
        if (const auto where = environment::current().local_address(each.sockets.front()))
            others.push_back({*where});
    }
    std::vector<http::endpoint> bound = http::bind_endpoints(chain, options, others);
    auto next = chain.begin();
    for (http::endpoint& each : bound) {
        while (bound.size() < chain.size() && std::next(next) != chain.end() &&
               is_ipv6(*next) != is_ipv6(each))
            ++next;  // it is not there
        sets_.push_back({name_of(*next), std::move(each.adopted), false, false, std::move(each.file)});
        ++next;
    }
}

std::vector<http::endpoint> listeners::give(std::vector<http::endpoint> wanted) {
    std::vector<bool> used;
    std::vector<http::endpoint> given;
    for (http::endpoint& each : wanted) {
        const listener_set* const found = unused(each, used);
        if (found == nullptr && each.if_there) continue;
        if (found == nullptr)
            throw std::runtime_error(
                fmt::format("cannot listen on {}: the server that runs does not; stop it and start it anew",
                            name_of(each)));
        each.adopted = found->sockets;
        each.outlives_server = found->from_outside;
        given.push_back(std::move(each));
    }
    for (std::size_t index = 0; index < sets_.size(); ++index) {
        if (used[index]) sets_[index].sockets.clear();
    }
    close();
    return given;
}

std::string listeners::text() const {
    std::string lines;
    for (const listener_set& each : sets_) {
        lines += fmt::format("listen {} {} {} {}\n", fmt::join(each.sockets, ","), each.from_outside ? 1 : 0,
                             each.secure ? 1 : 0, each.name);
        if (!each.label.empty()) lines += fmt::format("label {}\n", each.label);
        if (each.file) lines += fmt::format("file {} {}\n", each.file->device(), each.file->inode());
    }
    return lines;
}

namespace {

// The file that was bound, unless another server's has come into its place.
std::shared_ptr<socket_file> file_of(std::string_view name, std::string_view numbers) {
    if (!name.starts_with(local_prefix)) return nullptr;
    const auto where = unix_address::parse(name.substr(local_prefix.size()));
    auto file = where ? socket_file::at(*where) : std::nullopt;
    if (!file) return nullptr;
    if (fmt::format("{} {}", file->device(), file->inode()) == numbers)
        return std::make_shared<socket_file>(std::move(*file));
    file->keep();
    return nullptr;
}

}  // namespace

void listeners::add(std::string_view line) {
    const std::string_view kind = next_word(line, ' ');
    if (kind == "label" && last_was_added_) sets_.back().label = line;
    if (kind == "file" && last_was_added_) sets_.back().file = file_of(sets_.back().name, line);
    if (kind != "listen") return;
    last_was_added_ = false;
    listener_set made;
    std::string_view numbers = next_word(line, ' ');
    made.from_outside = next_word(line, ' ') == "1";
    made.secure = next_word(line, ' ') == "1";
    made.name = line;
    while (!numbers.empty()) {
        const int socket = number_of(next_word(numbers, ','), -1);
        if (!check_adopted(socket, use_of(made.name))) return;
        made.sockets.push_back(socket);
    }
    last_was_added_ = !made.sockets.empty();
    if (last_was_added_) sets_.push_back(std::move(made));
}

void listeners::close_on_exec(bool close) const noexcept {
    for (const listener_set& each : sets_) {
        for (const int socket : each.sockets)
            (void)::fcntl(socket, F_SETFD, close ? FD_CLOEXEC : 0);
    }
}

void listeners::leave_files() noexcept {
    for (const listener_set& each : sets_) {
        if (each.file) each.file->keep();
    }
}

void listeners::close() noexcept {
    for (const listener_set& each : sets_) {
        for (const int socket : each.sockets)
            ::close(socket);
    }
    sets_.clear();
}

}  // namespace naru::program
