// The models of the lab's server that are written against Linux directly.
#include "commands.hpp"
#include "lab_server.hpp"
#include "output.hpp"

#include <lab/byte_server.hpp>
#include <lab/threads_server.hpp>

#include <cerrno>
#include <system_error>

#include <fcntl.h>

#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

constexpr int status_ended = 1;  // a signal ends it, nothing else should

int serve_with_threads(int listener, const lab::handler& answering) {
    const int flags = fcntl(listener, F_GETFL);
    if (flags < 0 || fcntl(listener, F_SETFL, flags & ~O_NONBLOCK) != 0)
        throw std::system_error(errno, std::generic_category(), "cannot make the listener block");
    say_ready(listener);
    lab::serve_with_threads(listener, answering, say);
    return status_ended;
}

// The two ways to read, times the two ways to be told.
std::optional<lab::byte_server_options> reading_named(const std::string& name) {
    if (name == "one-byte-level") return lab::byte_server_options{false, 1, false};
    if (name == "drain-level") return lab::byte_server_options{false, limits::buffer_bytes, false};
    if (name == "one-byte-edge") return lab::byte_server_options{true, 1, true};
    if (name == "drain-edge") return lab::byte_server_options{};
    return std::nullopt;
}

}  // namespace

void add_lab_models(CLI::App& command, lab_server_settings& into) {
    into.model = "epoll";
    command.add_option("--model", into.model, "threads, an engine, io_uring-single, or a way to read");
    command.add_flag("--websockets", into.websockets,
                     "Bodies and idle WebSockets, by naru::http on io_uring");
    command.add_option("--threads", into.threads, "With it")->check(CLI::Range(1u, 1024u));
}

std::optional<int> serve_without_engine(const lab_server_settings& given, unique_descriptor& listener,
                                        const lab::handler& answering) {
    if (given.model == "threads") return serve_with_threads(listener.get(), answering);
    const auto reading = reading_named(given.model);
    if (!reading) return std::nullopt;
    say_ready(listener.get());
    lab::serve_bytewise(listener.get(), answering, *reading);
    return status_ended;
}

}  // namespace naru::program
