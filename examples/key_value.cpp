// A key-value server for values of 32 bytes: key_value [--listen ADDRESS:PORT] [--engine NAME] [--threads N]
//
// Requests (key_value_store.hpp) may be pipelined: what comes in one piece is answered in one piece. What is
// no request is answered ERROR and ends the connection. With several threads each has a store of its own, and
// a client has that of the thread which serves it.
#include "key_value_store.hpp"

#include <naru/naru.hpp>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

// Half a request waits here for its rest, not in a buffer of the loop's.
naru::task<> serve(naru::tcp_stream client, key_value::store& values) {
    std::string answers;
    std::string begun;
    while (auto data = co_await client.receive()) {
        std::string_view input = data->text();
        if (!begun.empty()) input = begun.append(input);
        const bool valid = key_value::answer(values, input, answers);
        if (!valid) answers += "ERROR\n";
        if (!begun.empty()) {
            begun.erase(0, begun.size() - input.size());
        } else if (!input.empty()) {
            begun = input;
        }
        data->reset();
        if (!answers.empty() && !co_await client.send(answers)) co_return;
        if (!valid) co_return;
        answers.clear();
    }
}

key_value::store& values_of_this_thread() {
    static thread_local key_value::store values;
    return values;
}

struct settings {
    std::string listen = "127.0.0.1:7777";
    std::string engine = "auto";
    unsigned threads = 1;
};

constexpr const char* usage = "usage: key_value [--listen ADDRESS:PORT] [--engine NAME] [--threads N]";

settings settings_of(int count, char** arguments) {
    settings chosen;
    if (count % 2 == 0) throw std::runtime_error(usage);
    for (int each = 1; each < count; each += 2) {
        const std::string_view name = arguments[each];
        if (name == "--listen") {
            chosen.listen = arguments[each + 1];
        } else if (name == "--engine") {
            chosen.engine = arguments[each + 1];
        } else if (name == "--threads") {
            char* end = nullptr;
            const long threads = std::strtol(arguments[each + 1], &end, 10);
            if (*end != '\0' || threads < 1 || threads > 1024)
                throw std::runtime_error("--threads: a number from 1 to 1024");
            chosen.threads = static_cast<unsigned>(threads);
        } else {
            throw std::runtime_error(usage);
        }
    }
    return chosen;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc == 2 && std::string_view(argv[1]) == "--help") return std::puts(usage) < 0 ? 1 : 0;
    const settings chosen = settings_of(argc, argv);
    const auto engine = naru::engine_named(chosen.engine);
    if (!engine) throw std::runtime_error("no such engine: " + chosen.engine);
    const auto where = naru::address::parse(chosen.listen);
    if (!where) throw std::runtime_error("--listen: not an ADDRESS:PORT: " + chosen.listen);

    naru::loop_group loops(chosen.threads, *engine);
    auto local = loops.serve(
        *where, [](naru::tcp_stream client) { return serve(std::move(client), values_of_this_thread()); });
    if (!local) throw std::system_error(local.error(), "cannot listen on " + chosen.listen);
    std::printf("listening on %s\n", local->text().c_str());
    std::fflush(stdout);
    loops.join();
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "key_value: %s\n", error.what());
    return 1;
}
