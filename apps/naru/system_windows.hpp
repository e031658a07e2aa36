// What the request to end is on Windows, for those that bring it.
#pragma once

namespace naru::program {

enum class end_request : unsigned char {
    control_c,
    control_break,
    console_closed,
    logoff,
    shutdown,
    service_stop
};

/// Makes it, as the console's own do. Any thread.
void request_end(end_request why) noexcept;

/// From here on the console is not listened to: a service is told of every user's end of session, which is
/// not its own (SetConsoleCtrlHandler, HandlerRoutine).
void without_console() noexcept;

}  // namespace naru::program
