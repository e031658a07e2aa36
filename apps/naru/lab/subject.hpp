// What is measured: a model of ours in a process of its own, or somebody else's server.
#pragma once

#include <lab/process.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace naru::lab {

/// Where a subject finds what it needs and leaves what it writes.
struct workplace {
    std::string directory;  ///< of the run
    std::string program;    ///< naru itself
    std::vector<int> server_cores;
    std::vector<int> generator_cores;
    std::size_t descriptors = 0;     ///< the hard limit
    std::uint64_t memory_bytes = 0;  ///< available; 0: not known

    std::string root() const { return directory + "/root"; }  ///< files /64 to /1048576
};

/// The two subjects of the scenario "held": one server, with the idle connections and without them.
inline constexpr std::string_view held_subject = "naru-held";
inline constexpr std::string_view alone_subject = "naru-alone";

struct subject {
    enum class kind : std::uint8_t {
        model,    ///< naru lab-server: the lab's handler on one model
        reading,  ///< the same, on one of the two ways to read from epoll
        server,   ///< a complete web server that serves the files of workplace::root
        holder,   ///< naru serve with more connections than descriptors: io_uring's direct ones
    };

    std::string name;
    kind is = kind::model;
    std::string what;  ///< version and configuration, in a few words
};

/// The models of ours (model.hpp) that work here, and the two ways to read; then the servers that are
/// installed. `missing` gets a line for each that is not there, with the reason.
std::vector<subject> find_subjects(const workplace& at, std::vector<std::string>& missing);

struct started {
    std::unique_ptr<process> running;
    std::uint16_t port = 0;
};

/// Starts it in a fresh process, for so many connections (a holder: with so many threads), and waits until it
/// listens and has started what it starts at first. A holder of WebSockets is naru lab-server --websockets.
/// Throws std::runtime_error with its last words.
started start(const subject& which, const workplace& at, std::uint32_t connections, unsigned threads = 1,
              bool websockets = false);

/// Writes the files below workplace::root. Throws std::runtime_error.
void create_root(const workplace& at);

}  // namespace naru::lab
