// Binds a server's endpoints.
#include <naru/http/server/binding.hpp>

#include <naru/http/server/server.hpp>
#include <naru/loop/environment.hpp>
#include <naru/os/adopted.hpp>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

std::string listen_error(const address& where, const std::error_code& error) {
    const std::string at = where.text();
    switch (error.value()) {
        case EADDRINUSE:
            return fmt::format(
                "cannot listen on {}: the port is in use; stop the other server or choose another with "
                "--listen",
                at);
        case EACCES:
            return fmt::format(
                "cannot listen on {}: not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE", at);
        case EADDRNOTAVAIL:
            return fmt::format("cannot listen on {}: no interface has this address", at);
        default:
            return fmt::format("cannot listen on {}: {}", at, error.message());
    }
}

listen_options tcp_options(const server_options& options) {
    listen_options listening;
    listening.backlog = options.backlog;
    listening.fast_open_queue = options.fast_open_queue;
    listening.defer_accept = options.defer_accept;
    listening.keep_alive = options.tcp_keep_alive;
    listening.user_timeout = options.user_timeout;
    listening.send_buffer = options.send_buffer;
    listening.receive_buffer = options.receive_buffer;
    return listening;
}

std::size_t sockets_each(const server_options& options) {
    return options.threads > 1 && !options.shared_listener ? options.threads : 1;
}

namespace {

address with_port(const address& of, std::uint16_t port) {
    const std::string host = of.host_text();
    const std::string shown = host.find(':') != std::string::npos ? "[" + host + "]" : host;
    return address::parse(fmt::format("{}:{}", shown, port)).value_or(of);
}

// `count` sockets that share the address, or one where addresses cannot be shared.
result<bound_address> bind_one(const address& where, listen_options listening, std::size_t count,
                               bool alone) {
    if (alone) {  // SO_REUSEPORT would share the port with another server of this user, and not say so
        const auto probe = environment::current().listen(where, {});
        if (!probe) return fail(probe.error());
    }
    bound_address made{where, {}};
    listening.reuse_port = count > 1;
    while (made.sockets.size() < count) {
        auto socket = environment::current().listen(made.where, listening);
        if (!socket && listening.reuse_port && socket.error() == std::errc::not_supported) {
            listening.reuse_port = false;
            count = 1;
            continue;
        }
        if (!socket) return fail(socket.error());
        // Port 0: the first socket's choice is the others', too.
        if (const auto chosen = environment::current().local_address(socket->get())) made.where = *chosen;
        made.sockets.push_back(std::move(*socket));
    }
    return made;
}

// Every address of IPv6 is every one of IPv4, too.
bool overlap(const address& one, const address& other) {
    if (one.port() != other.port()) return false;
    const std::string hosts[] = {one.host_text(), other.host_text()};
    const auto has = [&](std::string_view every) { return hosts[0] == every || hosts[1] == every; };
    const auto is_ipv4 = [](const std::string& each) { return each.find(':') == std::string::npos; };
    return hosts[0] == hosts[1] || has("::") || (has("0.0.0.0") && is_ipv4(hosts[0]) && is_ipv4(hosts[1]));
}

// A port in use is ours, perhaps.
std::string refusal_beside(const std::vector<bound_address>& ours, std::span<const endpoint> others,
                           const address& where, const std::error_code& error) {
    const auto refusal = [&where](const address& by) {
        return fmt::format(
            "cannot listen on {0}: {1}, where this server listens, too, has the port for it; leave one "
            "out or choose another port",
            where.text(), by.text());
    };
    if (error != std::errc::address_in_use) return listen_error(where, error);
    for (const bound_address& each : ours) {
        if (!each.local && overlap(each.where, where)) return refusal(each.where);
    }
    for (const endpoint& each : others) {
        if (!each.listen.local && overlap(each.listen, where)) return refusal(each.listen);
    }
    return listen_error(where, error);
}

bool is_not_there(const std::error_code& error) {
    return error == std::errc::address_not_available || error == std::errc::address_family_not_supported;
}

// A port that was chosen for one address may be another's for the next: it is chosen anew then, so often.
constexpr unsigned port_choices = 16;

// What came from outside is closed whatever becomes of it.
bound_address adopt(const endpoint& given) {
    bound_address made{given.listen, {}, {given.tls, given.proxy_protocol}};
    made.is_adopted = true;
    if (given.listen.local) made.local.emplace(*given.listen.local);
    made.outlives_server = given.outlives_server;
    for (const int each : given.adopted)
        made.sockets.emplace_back(each);
    const socket_use use = made.local ? socket_use::unix_listener : socket_use::tcp_listener;
    for (const unique_descriptor& each : made.sockets) {
        if (const auto listens = environment::current().check_adopted(each.get(), use); !listens)
            throw std::runtime_error(fmt::format("descriptor {} cannot be listened to: {}", each.get(),
                                                 listens.error().message()));
        if (made.local) continue;
        if (const auto where = environment::current().local_address(each.get())) made.where = *where;
    }
    return made;
}

unix_address local_address_of(std::string_view text) {
    const auto where = unix_address::parse(text);
    if (!where)
        throw std::invalid_argument(
            fmt::format("cannot listen on unix:{}: want unix:PATH or unix:@NAME, of {} bytes at most", text,
                        unix_address::longest));
    return *where;
}

address address_of(std::string_view text) {
    const auto where = address::parse(text);
    if (!where)
        throw std::invalid_argument(fmt::format(
            "cannot listen on {}: want ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080, or unix:PATH",
            text));
    return *where;
}

}  // namespace

std::vector<bound_address> bind_all(const std::vector<endpoint>& wanted, const listen_options& listening,
                                    std::size_t count, bool alone, std::span<const endpoint> others) {
    if (wanted.empty()) throw std::runtime_error("there is no address to listen on");
    std::vector<bound_address> all;
    unsigned choices = 0;
    bool has_previous = false;
    for (std::size_t index = 0; index < wanted.size(); ++index) {
        const endpoint& each = wanted[index];
        if (!each.adopted.empty()) {
            all.push_back(adopt(each));
            has_previous = !each.listen.local;
            continue;
        }
        if (each.listen.local) {
            auto local = listen_locally(*each.listen.local, each.mode, listening.backlog, count);
            if (!local) throw std::runtime_error(describe_local_refusal(*each.listen.local, local.error()));
            has_previous = false;
            std::vector<unique_descriptor> sockets = std::move(local->sockets);
            all.push_back({{}, std::move(sockets), {each.tls, each.proxy_protocol}, std::move(*local)});
            continue;
        }
        const bool follows = each.port_of_previous && each.listen.port() == 0 && has_previous;
        const address where =
            follows ? with_port(each.listen, all.back().where.port()) : address(each.listen);
        auto bound = bind_one(where, listening, count, alone);
        has_previous = bound.has_value();
        if (bound) {
            bound->terms = {each.tls, each.proxy_protocol};
            all.push_back(std::move(*bound));
        } else if (follows && bound.error() == std::errc::address_in_use && ++choices < port_choices) {
            all.pop_back();
            index -= 2;  // the one before it again
        } else if (!each.if_there || !is_not_there(bound.error()) ||
                   (all.empty() && index + 1 == wanted.size() && !wanted.front().port_of_previous)) {
            throw std::runtime_error(refusal_beside(all, others, where, bound.error()));
        }
    }
    return all;
}

endpoint_address::endpoint_address(std::string_view text)
    : address(text.starts_with("unix:") ? address() : address_of(text)) {
    if (text.starts_with("unix:")) local = local_address_of(text.substr(5));
}

std::vector<endpoint> bind_endpoints(const std::vector<endpoint>& wanted, const server_options& options,
                                     std::span<const endpoint> others) {
    std::vector<endpoint> all;
    for (bound_address& each :
         bind_all(wanted, tcp_options(options), sockets_each(options), options.threads > 1, others)) {
        endpoint& made = all.emplace_back(endpoint{each.where});
        if (each.local) {
            made.listen = each.local->where;
            if (each.local->file) made.file = std::make_shared<socket_file>(std::move(*each.local->file));
        }
        made.tls = each.terms.tls;
        made.proxy_protocol = each.terms.proxy_protocol;
        made.outlives_server = each.outlives_server;
        for (unique_descriptor& socket : each.sockets)
            made.adopted.push_back(socket.release());
    }
    return all;
}

void check_endpoints(const std::vector<endpoint>& endpoints, const server_options& options) {
    for (const endpoint& each : endpoints) {
        if (each.proxy_protocol && options.trusted_proxies == nullptr)
            throw std::runtime_error(
                "the PROXY protocol is taken from trusted proxies alone: say who they are "
                "(--trusted-proxy, server_options::trusted_proxies)");
    }
}

void print_report(std::string_view line) {
    std::fprintf(stderr, "naru: %.*s\n", static_cast<int>(line.size()), line.data());
}

void listening_places::add(bound_address& each) {
    local.push_back(each.where);
    endpoints.push_back(each.local ? naru::endpoint(each.local->where) : naru::endpoint(each.where));
    if (each.local && each.local->file) socket_files.push_back(std::move(*each.local->file));
    secure.push_back(each.terms.tls != nullptr);
}

}  // namespace naru::http
