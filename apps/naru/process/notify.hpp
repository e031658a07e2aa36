// What a service manager is told: sd_notify(3), without its library.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace naru::program {

/// Sends the lines ("READY=1") to NOTIFY_SOCKET, if there is one; waits for nobody.
void notify_manager(std::string_view lines) noexcept;

/// "RELOADING=1", with the time that belongs to it.
void notify_reloading() noexcept;

/// How often the manager wants to hear WATCHDOG=1, if at all (WATCHDOG_USEC, WATCHDOG_PID).
std::optional<std::chrono::microseconds> watchdog_interval() noexcept;

}  // namespace naru::program
