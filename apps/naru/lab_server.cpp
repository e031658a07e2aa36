// naru lab-server: the lab's handler on one I/O model. `naru lab` starts it; so may you, to repeat one
// measurement.
#include "lab_server.hpp"

#include "commands.hpp"
#include "output.hpp"

#include <lab/event_server.hpp>
#include <lab/model.hpp>
#include <load/machine.hpp>

#include <memory>
#include <stdexcept>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

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

// One that the lab compares, or an engine that it does not; `threads` has none.
lab::model engine_model(const std::string& name) {
    const lab::model* const known = lab::model_named(name);
    if (known != nullptr && !known->threads) return *known;
    const auto which = engine_named(name);
    if (!which || *which == engine::automatic)
        throw std::runtime_error(fmt::format("there is no model {}", name));
    return {name_of(*which), false, *which};
}

int serve(const lab_server_settings& given) {
    load::raise_descriptor_limit();
    if (given.websockets) return serve_websockets(given);
    const auto at = address::parse(given.listen);
    if (!at) throw std::runtime_error(fmt::format("--listen {}: want ADDRESS:PORT", given.listen));
    auto listener = listen_on(*at, {});
    if (!listener)
        throw std::system_error(listener.error(), fmt::format("cannot listen on {}", given.listen));
    const lab::handler answering(lab::body_sizes);
    if (const auto status = serve_without_engine(given, *listener, answering)) return *status;
    serve_with_engine(engine_model(given.model), std::move(*listener), answering);
    return 1;  // a signal ends it, nothing else should
}

}  // namespace

void say_ready(int listener) { put(fmt::format("ready {}\n", address::local_of(listener)->port())); }

void add_lab_server(CLI::App& program, action& chosen) {
    CLI::App& command =
        *program.add_subcommand("lab-server", "The server that naru lab measures: GET /64 to /1048576");
    command.group("");  // naru lab starts it; not for the list of commands
    auto given = std::make_shared<lab_server_settings>();
    add_lab_models(command, *given);
    command.add_option("--listen", given->listen, "ADDRESS:PORT; its port is printed");
    command.callback([&chosen, given] { chosen = [given] { return serve(*given); }; });
}

}  // namespace naru::program
