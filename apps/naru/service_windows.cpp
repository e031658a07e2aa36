#include "service.hpp"
#include "system_windows.hpp"

#include <naru/core/result.hpp>
#include <naru/os/windows_api.hpp>

#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

wchar_t service_name[] = L"naru";  // ignored by the manager: the process has one service
constexpr DWORD failed = 1;

// One for the process: the dispatcher's functions have no context.
struct service {
    const std::function<int()>& body;
    std::chrono::milliseconds ends_within{};  // written before the manager may ask for the end
    SERVICE_STATUS_HANDLE manager = nullptr;
    int exit_status = 0;
    std::string error{};

    void report(DWORD state, std::chrono::milliseconds expected, DWORD code) const noexcept {
        SERVICE_STATUS now{};
        now.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
        now.dwCurrentState = state;
        now.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN : 0;
        now.dwWin32ExitCode = code == 0 ? NO_ERROR : ERROR_SERVICE_SPECIFIC_ERROR;
        now.dwServiceSpecificExitCode = code;
        now.dwWaitHint = static_cast<DWORD>(expected.count());
        SetServiceStatus(manager, &now);
    }
};
service* running = nullptr;

constexpr std::chrono::seconds starts_within{30};

DWORD WINAPI on_control(DWORD control, DWORD /*event*/, void* /*data*/, void* /*context*/) {
    switch (control) {
        case SERVICE_CONTROL_STOP:
        case SERVICE_CONTROL_SHUTDOWN:
            running->report(SERVICE_STOP_PENDING, running->ends_within, 0);
            request_end(control == SERVICE_CONTROL_STOP ? end_request::service_stop : end_request::shutdown);
            return NO_ERROR;
        case SERVICE_CONTROL_INTERROGATE:
            return NO_ERROR;
        default:
            return ERROR_CALL_NOT_IMPLEMENTED;
    }
}

void WINAPI service_main(DWORD /*count*/, wchar_t** /*arguments*/) {
    running->manager = RegisterServiceCtrlHandlerExW(service_name, on_control, nullptr);
    running->report(SERVICE_START_PENDING, starts_within, 0);
    try {
        running->exit_status = running->body();
    } catch (const std::exception& error) {
        running->error = error.what();
    }
    const bool good = running->exit_status == 0 && running->error.empty();
    running->report(SERVICE_STOPPED, {}, good ? 0 : failed);
}

}  // namespace

void add_service_flag(CLI::App& command, bool& as_service) {
    command.add_flag("--service", as_service,
                     "As a service: for the command line that the service control manager starts");
}

std::optional<int> run_as_service(const std::function<int()>& body) {
    service one{body};
    running = &one;
    without_console();
    const SERVICE_TABLE_ENTRYW table[] = {{service_name, service_main}, {nullptr, nullptr}};
    // Returns when the service has stopped.
    if (!StartServiceCtrlDispatcherW(table)) {
        const DWORD error = GetLastError();
        if (error == ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) return std::nullopt;
        throw std::runtime_error("--service: " + errno_category().message(windows::errno_of(error)));
    }
    if (!one.error.empty()) throw std::runtime_error(one.error);
    return one.exit_status;
}

void service_is_running(std::chrono::milliseconds ends_within) {
    if (running == nullptr) return;
    running->ends_within = ends_within;
    running->report(SERVICE_RUNNING, {}, 0);
}

}  // namespace naru::program
