#include <naru/http/server/local_listener.hpp>

#include <naru/loop/environment.hpp>

#include <cerrno>
#include <chrono>
#include <new>
#include <thread>

#include <fmt/format.h>

namespace naru::http {

namespace {

// The listener of a process that was killed lives for as long as the kernel ends its rings: some tens of
// milliseconds.
constexpr unsigned looks_at_a_dead_one = 5;
constexpr std::chrono::milliseconds between_looks{20};

}  // namespace

result<local_listener> listen_locally(const unix_address& where, std::optional<unsigned> mode, int backlog,
                                      std::size_t descriptors) noexcept try {
    if (environment::other_than_the_systems() != nullptr) return fail_errno(ENOTSUP);
    unix_listen_options options;
    options.backlog = backlog;
    options.replace_stale = true;
    options.mode = mode;
    auto first = listen_on(where, options);
    const auto may_be_dying = [&] {
        if (first || first.error() != std::errc::address_in_use) return false;
        auto there = socket_file::at(where);
        if (there) there->keep();
        return there.has_value() || where.is_abstract();
    };
    for (unsigned look = 0; look < looks_at_a_dead_one && may_be_dying(); ++look) {
        std::this_thread::sleep_for(between_looks);
        first = listen_on(where, options);
    }
    if (!first) return fail(first.error());
    local_listener made{where, {}, socket_file::at(where)};
    made.sockets.push_back(std::move(*first));
    while (made.sockets.size() < descriptors) {
        auto another = duplicate(made.sockets.front());
        if (!another) return fail(another.error());
        made.sockets.push_back(std::move(*another));
    }
    return made;
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

std::string describe_local_refusal(const unix_address& where, const std::error_code& error) {
    const std::string at = "unix:" + where.text();
    switch (error.value()) {
        case EADDRINUSE:
            return fmt::format(
                "cannot listen on {}: {}", at,
                where.is_abstract()
                    ? "another server listens there"
                    : "another server listens there, or the file is no socket and is left alone");
        case EACCES:
            return fmt::format("cannot listen on {}: this user may not make the socket's file there", at);
        case ENOENT:
            return fmt::format("cannot listen on {}: there is no such directory", at);
        default:
            return fmt::format("cannot listen on {}: {}", at, error.message());
    }
}

}  // namespace naru::http
