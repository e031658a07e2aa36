#include "system_windows.hpp"
#include "system.hpp"

#include <naru/os/socket.hpp>
#include <naru/os/windows_api.hpp>

#include <atomic>
#include <bit>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <thread>

#include <io.h>

// Exported by ntdll: GetVersionEx reports what the program's manifest asks for instead.
extern "C" NTSTATUS NTAPI RtlGetVersion(PRTL_OSVERSIONINFOW version);

namespace naru::program {

namespace {

// The handlers are functions without a context, and the system calls them on threads of their own.
HANDLE requested = nullptr;
HANDLE may_end = nullptr;
std::atomic<end_request> request{};
std::atomic<bool> at_once{false};
bool has_console = true;

constexpr int forced_exit_code = 130;  // what a shell says of a program that SIGINT has ended

end_request request_of(DWORD event) noexcept {
    switch (event) {
        case CTRL_C_EVENT:
            return end_request::control_c;
        case CTRL_BREAK_EVENT:
            return end_request::control_break;
        case CTRL_CLOSE_EVENT:
            return end_request::console_closed;
        case CTRL_LOGOFF_EVENT:
            return end_request::logoff;
        default:
            return end_request::shutdown;
    }
}

BOOL WINAPI on_console_event(DWORD event) {
    request_end(request_of(event));
    // After these three the system ends the process as soon as the handler returns.
    if (event == CTRL_CLOSE_EVENT || event == CTRL_LOGOFF_EVENT || event == CTRL_SHUTDOWN_EVENT)
        WaitForSingleObject(may_end, INFINITE);
    return TRUE;
}

const char* name_of(end_request which) {
    switch (which) {
        case end_request::control_c:
            return "Ctrl-C";
        case end_request::control_break:
            return "Ctrl-Break";
        case end_request::console_closed:
            return "the console was closed";
        case end_request::logoff:
            return "the session ends";
        case end_request::shutdown:
            return "the system shuts down";
        case end_request::service_stop:
            return "the service is stopped";
    }
    return "?";
}

}  // namespace

void request_end(end_request why) noexcept {
    if (at_once.load(std::memory_order_acquire)) _exit(forced_exit_code);
    request.store(why, std::memory_order_release);
    SetEvent(requested);
}

void without_console() noexcept { has_console = false; }

unsigned usable_cores() {
    DWORD_PTR ours = 0;
    DWORD_PTR all = 0;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &ours, &all) || ours == 0) return 1;
    return static_cast<unsigned>(std::popcount(ours));
}

unsigned configured_cores() {
    const unsigned count = std::thread::hardware_concurrency();
    return count > 0 ? count : 1;
}

std::string system_text() {
    RTL_OSVERSIONINFOW version{};
    version.dwOSVersionInfoSize = sizeof version;
    RtlGetVersion(&version);
    std::string text = "Windows " + std::to_string(version.dwMajorVersion) + "." +
                       std::to_string(version.dwMinorVersion) + "." + std::to_string(version.dwBuildNumber) +
                       " (x86_64)";
    if (const auto library = GetModuleHandleW(L"ntdll.dll");
        library != nullptr && GetProcAddress(library, "wine_get_version") != nullptr)
        text += ", as wine has it";
    return text;
}

std::pair<int, int> connected_pair() {
    const auto any = address::parse("127.0.0.1:0");
    const auto listener = listen_on(*any, {});
    if (!listener) return {-1, -1};
    const auto where = address::local_of(listener->get());
    auto peer = stream_socket_for(*any);
    if (!where || !peer) return {-1, -1};
    (void)connect(windows::socket_of(peer->get()), static_cast<const sockaddr*>(where->data()),
                  static_cast<int>(where->size()));
    WSAPOLLFD arrival{windows::socket_of(listener->get()), POLLRDNORM, 0};
    if (WSAPoll(&arrival, 1, 1000) != 1) return {-1, -1};
    const SOCKET accepted = accept(arrival.fd, nullptr, nullptr);
    if (accepted == INVALID_SOCKET) return {-1, -1};
    u_long on = 1;
    ioctlsocket(accepted, static_cast<long>(FIONBIO), &on);
    return {windows::descriptor_of(accepted), peer->release()};
}

void begin_process() noexcept {
    // The service manager gives its processes no standard output, and a write to none is an error.
    for (std::FILE* const each : {stdout, stderr}) {
        if (_fileno(each) < 0) (void)std::freopen("NUL", "w", each);
    }
}

// There are no signals that ask for logs to be opened anew.
ending::ending(std::function<void()> /*reopen*/) : ending() {}

ending::ending() {
    requested = CreateEventW(nullptr, FALSE, FALSE, nullptr);
    may_end = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    if (!has_console) return;
    SetConsoleCtrlHandler(nullptr, FALSE);  // a parent may have told us to ignore Ctrl-C
    SetConsoleCtrlHandler(on_console_event, TRUE);
}

// The handler may be waiting in `may_end`, so neither event is closed: the process ends after this.
ending::~ending() { SetEvent(may_end); }

std::string ending::wait() { return wait_for(std::chrono::milliseconds(INFINITE)); }

std::string ending::wait_for(std::chrono::milliseconds at_most) {
    const auto limit = static_cast<DWORD>(at_most.count());
    if (WaitForSingleObject(requested, limit) != WAIT_OBJECT_0) return {};
    exit_status_ = forced_exit_code;
    const char* const own = own_request_.load(std::memory_order_acquire);
    return own != nullptr ? own : name_of(naru::program::request.load(std::memory_order_acquire));
}

void ending::request(const char* why) noexcept {
    own_request_.store(why, std::memory_order_release);
    SetEvent(requested);
}

void ending::end_at_once_next_time() {
    at_once.store(true, std::memory_order_release);
    if (WaitForSingleObject(requested, 0) == WAIT_OBJECT_0) _exit(forced_exit_code);  // it has come already
}

std::string why_not_appended_to(const std::string& path, bool /*by_this_user*/, bool /*follows_links*/) {
    std::error_code none;
    return std::filesystem::is_directory(path, none) ? "it is a directory, and a file is wanted" : "";
}

bool is_user(const std::string& /*name*/) { return true; }

const char* signals_text() noexcept {
    return "Ctrl-C and Ctrl-Break: finish what is in flight and end; a second one: end at once.";
}

}  // namespace naru::program
