#include "system.hpp"

#include <naru/backend/windows_api.hpp>
#include <naru/net/socket.hpp>

#include <atomic>
#include <bit>
#include <thread>

// Exported by ntdll: GetVersionEx reports what the program's manifest asks for instead.
extern "C" NTSTATUS NTAPI RtlGetVersion(PRTL_OSVERSIONINFOW version);

namespace naru::program {

namespace {

// The handler is a function without a context, and the system calls it on a thread of its own.
HANDLE requested = nullptr;
HANDLE may_end = nullptr;
std::atomic<DWORD> request{0};
std::atomic<bool> at_once{false};

constexpr DWORD forced_exit_code = 130;  // what a shell says of a program that SIGINT has ended

BOOL WINAPI on_request(DWORD which) {
    if (at_once.load(std::memory_order_acquire)) _exit(forced_exit_code);
    request.store(which, std::memory_order_release);
    SetEvent(requested);
    // After these three the system ends the process as soon as the handler returns.
    if (which == CTRL_CLOSE_EVENT || which == CTRL_LOGOFF_EVENT || which == CTRL_SHUTDOWN_EVENT)
        WaitForSingleObject(may_end, INFINITE);
    return TRUE;
}

const char* name_of_request(DWORD which) {
    switch (which) {
        case CTRL_C_EVENT:
            return "Ctrl-C";
        case CTRL_BREAK_EVENT:
            return "Ctrl-Break";
        case CTRL_CLOSE_EVENT:
            return "the console was closed";
        case CTRL_LOGOFF_EVENT:
            return "the session ends";
        default:
            return "the system shuts down";
    }
}

}  // namespace

void raise_descriptor_limit() {}  // there is none

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

ending::ending() {
    requested = CreateEventW(nullptr, FALSE, FALSE, nullptr);
    may_end = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    SetConsoleCtrlHandler(nullptr, FALSE);  // a parent may have told us to ignore Ctrl-C
    SetConsoleCtrlHandler(on_request, TRUE);
}

// The handler may be waiting in `may_end`, so neither event is closed: the process ends after this.
ending::~ending() { SetEvent(may_end); }

std::string ending::wait() {
    WaitForSingleObject(requested, INFINITE);
    return name_of_request(request.load(std::memory_order_acquire));
}

void ending::end_at_once_next_time() {
    at_once.store(true, std::memory_order_release);
    if (WaitForSingleObject(requested, 0) == WAIT_OBJECT_0) _exit(forced_exit_code);  // it has come already
}

}  // namespace naru::program
