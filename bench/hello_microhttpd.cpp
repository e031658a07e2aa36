// hello_microhttpd PORT: "Hello, World!" on libmicrohttpd, one thread, epoll, a response made once.
#include "common.hpp"

#include <microhttpd.h>

#include <csignal>
#include <string_view>

namespace {

using namespace bench;

MHD_Response* response;

// An answer at the first call would end the connection: there might be a body to come.
MHD_Result answer(void*, MHD_Connection* connection, const char*, const char*, const char*, const char*,
                  std::size_t*, void** seen) {
    static char once;
    if (*seen == nullptr) {
        *seen = &once;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::string_view(arguments[1]) == "--version") {
        std::printf("libmicrohttpd %s\n", MHD_get_version());
        return 0;
    }
    if (count != 2) die("usage: %s PORT", arguments[0]);
    const auto port = static_cast<std::uint16_t>(parse_number(arguments[1], "PORT", 1, 65535));
    const auto descriptors = static_cast<unsigned>(raise_descriptor_limit());
    static char text[] = "Hello, World!";
    response = MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT);
    if (!response || MHD_add_response_header(response, "Content-Type", "text/plain") != MHD_YES)
        die("libmicrohttpd: no response");
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, nullptr);
    MHD_Daemon* const daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO, port, nullptr, nullptr, &answer,
                         nullptr, MHD_OPTION_LISTEN_SOCKET, listen_on(port, SOCK_NONBLOCK),
                         MHD_OPTION_CONNECTION_LIMIT, descriptors - 500, MHD_OPTION_END);
    if (!daemon) die("libmicrohttpd: no daemon");
    int told = 0;
    sigwait(&ends, &told);
    return 0;
}
