// naru lab-server: what its files share. The models that run on an engine of naru are portable, the others
// are a platform's own.
#pragma once

#include <lab/handler.hpp>
#include <naru/os/socket.hpp>

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace naru::program {

struct lab_server_settings {
    std::string model;
    std::string listen = "127.0.0.1:0";
    unsigned threads = 1;  ///< where the model has them
    bool websockets = false;
};

/// Adds --model with this platform's models and its default, and the flags that belong to one of them only.
void add_lab_models(CLI::App& command, lab_server_settings& into);

/// Serves by a model that is none of naru's engines, until it is told to end, and returns the exit status;
/// nothing, and `listener` untouched, if there is none of that name. Throws std::exception.
std::optional<int> serve_without_engine(const lab_server_settings& given, unique_descriptor& listener,
                                        const lab::handler& answering);

/// Serves bodies of lab::body_sizes, and WebSockets that say nothing at lab::websocket_path, on io_uring with
/// direct descriptors, until a signal ends it; returns the exit status. Throws std::exception.
int serve_websockets(const lab_server_settings& given);

/// "ready PORT" on standard output, for whoever has started the server.
void say_ready(int listener);

}  // namespace naru::program
