// naru lab-server: the lab's handler on one I/O model. `naru lab` starts it; so may you, to repeat one
// measurement.
#include "commands.hpp"

#include <naru/lab/byte_server.hpp>
#include <naru/lab/event_server.hpp>
#include <naru/lab/model.hpp>
#include <naru/lab/threads_server.hpp>
#include <naru/load/machine.hpp>

#include <cstdio>
#include <memory>
#include <stdexcept>

#include <fcntl.h>

#include <fmt/format.h>

namespace naru::program {

namespace {

void say(std::string_view line) { fmt::print(stderr, "naru: {}\n", line); }

void say_ready(int listener) {
    fmt::print("ready {}\n", address::local_of(listener)->port());
    std::fflush(stdout);
}

void serve_with_engine(const lab::model& which, unique_descriptor listener, const lab::handler& answering) {
    backend_choice choice = lab::make_backend(which);
    if (choice.backend == nullptr)
        throw std::runtime_error(
            fmt::format("the model {} cannot be used here: {}", which.name, choice.reason));
    loop on(std::move(choice.backend));
    lab::event_server server(on, answering, say);
    const int number = listener.get();
    const auto attached = on.attach(listener.release(), descriptor_kind::listener);
    if (!attached) throw std::system_error(attached.error(), "the listener cannot be used");
    say_ready(number);
    server.serve(*attached);
    on.run();
}

// The two ways to read, times the two ways to be told.
bool serve_reading(const std::string& name, int listener, const lab::handler& answering) {
    lab::byte_server_options options;
    if (name == "one-byte-level") {
        options = {false, 1, false};
    } else if (name == "drain-level") {
        options = {false, limits::buffer_bytes, false};
    } else if (name == "one-byte-edge") {
        options = {true, 1, true};
    } else if (name != "drain-edge") {
        return false;
    }
    say_ready(listener);
    lab::serve_bytewise(listener, answering, options);
    return true;
}

int serve(const std::string& name, const std::string& where) {
    load::raise_descriptor_limit();
    const auto at = address::parse(where);
    if (!at) throw std::runtime_error(fmt::format("--listen {}: want ADDRESS:PORT", where));
    auto listener = listen_on(*at, {});
    if (!listener) throw std::system_error(listener.error(), fmt::format("cannot listen on {}", where));
    const lab::handler answering(lab::body_sizes);
    const lab::model* const which = lab::model_named(name);
    if (which == nullptr) {
        if (!serve_reading(name, listener->get(), answering))
            throw std::runtime_error(fmt::format("there is no model {}", name));
    } else if (which->threads) {
        const int flags = fcntl(listener->get(), F_GETFL);
        if (flags < 0 || fcntl(listener->get(), F_SETFL, flags & ~O_NONBLOCK) != 0)
            throw std::system_error(errno, std::generic_category(), "cannot make the listener block");
        say_ready(listener->get());
        lab::serve_with_threads(listener->get(), answering, say);
    } else {
        serve_with_engine(*which, std::move(*listener), answering);
    }
    return 1;  // a signal ends it, nothing else should
}

}  // namespace

void add_lab_server(CLI::App& program, action& chosen) {
    CLI::App& command =
        *program.add_subcommand("lab-server", "The server that naru lab measures: GET /64 to /1048576");
    command.group("");  // naru lab starts it; not for the list of commands
    struct settings {
        std::string model = "epoll";
        std::string listen = "127.0.0.1:0";
    };
    auto given = std::make_shared<settings>();
    command.add_option("--model", given->model, "threads, an engine, io_uring-single, or a way to read");
    command.add_option("--listen", given->listen, "ADDRESS:PORT; its port is printed");
    command.callback([&chosen, given] { chosen = [given] { return serve(given->model, given->listen); }; });
}

}  // namespace naru::program
