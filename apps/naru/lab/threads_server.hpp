// The model that all the others are measured against: a blocking thread for each connection.
#pragma once

#include <lab/handler.hpp>
#include <naru/os/socket.hpp>

#include <functional>
#include <string_view>

namespace naru::lab {

/// Accepts until the listener fails, and gives every connection a detached thread with the system's default
/// stack, which reads, answers and writes with blocking calls. Never returns while the listener works: end
/// the process. `report` gets the reason when a thread cannot be made; the connection is closed then.
void serve_with_threads(int listener, const handler& answering,
                        const std::function<void(std::string_view)>& report);

}  // namespace naru::lab
