// hello_httplib PORT: "Hello, World!" on cpp-httplib, which has a thread for each connection: as many as the
// load has.
#include "common.hpp"

#include <httplib.h>

#include <cstdlib>
#include <string_view>

int main(int count, char** arguments) {
    using namespace bench;
    if (count == 2 && std::string_view(arguments[1]) == "--version") {
        std::printf("cpp-httplib %s\n", CPPHTTPLIB_VERSION);
        return 0;
    }
    if (count != 2) die("usage: %s PORT", arguments[0]);
    const auto port = static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535));
    raise_descriptor_limit();
    httplib::Server server;
    server.new_task_queue = [] { return new httplib::ThreadPool(128); };
    server.set_keep_alive_max_count(1'000'000'000);
    server.set_keep_alive_timeout(3600);
    server.set_tcp_nodelay(true);
    server.Get("/hello", [](const httplib::Request&, httplib::Response& answer) {
        answer.set_content("Hello, World!", "text/plain");
    });
    return server.listen("127.0.0.1", port) ? 0 : 1;
}
