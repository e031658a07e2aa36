// Two ways to read from epoll that a well-known text compares: a byte for each event of a level-triggered
// descriptor, and all there is for each event of an edge-triggered one. Written against epoll(7) directly,
// because naru's own backend does not read that way in any mode.
#pragma once

#include <lab/handler.hpp>

#include <cstddef>

namespace naru::lab {

struct byte_server_options {
    bool edge_triggered = true;
    std::size_t read_bytes = limits::buffer_bytes;  ///< at most so many in one read
    bool drain = true;                              ///< read until EAGAIN before the next event is looked at
};

/// Serves a non-blocking listener on the calling thread; never returns while it works. Throws
/// std::system_error when there can be no epoll descriptor.
void serve_bytewise(int listener, const handler& answering, const byte_server_options& options);

}  // namespace naru::lab
