// hello_evhttp PORT: "Hello, World!" on libevent's evhttp, one thread.
#include "common.hpp"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include <string_view>

namespace {

using namespace bench;

void answer(evhttp_request* request, void*) {
    constexpr std::string_view text = "Hello, World!";
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "text/plain");
    evbuffer_add(evhttp_request_get_output_buffer(request), text.data(), text.size());
    evhttp_send_reply(request, HTTP_OK, "OK", nullptr);
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::string_view(arguments[1]) == "--version") {
        std::printf("libevent %s\n", event_get_version());
        return 0;
    }
    if (count != 2) die("usage: %s PORT", arguments[0]);
    const auto port = static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535));
    raise_descriptor_limit();
    event_config* config = event_config_new();
    if (!config || event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) != 0) die("libevent: no config");
    event_base* base = event_base_new_with_config(config);
    evhttp* server = base ? evhttp_new(base) : nullptr;
    if (!server) die("libevent: no server");
    evhttp_set_gencb(server, answer, nullptr);
    evhttp_set_timeout(server, 3600);
    if (evhttp_accept_socket(server, listen_on(port, SOCK_NONBLOCK)) != 0) die("libevent: no listener");
    return event_base_dispatch(base);
}
