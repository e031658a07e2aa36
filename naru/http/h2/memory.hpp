// nghttp2's memory.
#pragma once

#include <cstddef>
#include <memory>

#include <nghttp2/nghttp2.h>

namespace naru::http::h2 {

/// Small blocks are kept by the thread that gave them back, for the next stream: one costs some dozen
/// instructions instead of a malloc's hundred. Lives as long as the program; any thread.
nghttp2_mem& loop_memory() noexcept;

/// The same for the servers' sessions of one loop, which outlive none of it. They have one memory for the
/// frame that is being made, instead of 16 KiB each: nghttp2 writes a frame within nghttp2_session_mem_send,
/// and whoever calls that has copied it before he calls it for another session, or has it made anew: the
/// head of a DATA frame that had to wait is not in it any more (callbacks.cpp). A frame's further parts
/// (CONTINUATION) have memory of their own.
struct session_memory {
    session_memory() noexcept;

    /// While one is there, nghttp2 may be at work on what it sends, for one session.
    class use {
     public:
        explicit use(session_memory& of) noexcept;
        ~use();
        use(const use&) = delete;
        use& operator=(const use&) = delete;

     private:
        session_memory& of_;
    };

    nghttp2_mem calls;
    bool begins_session = false;  // whose memory for frames is what is allocated now
    bool in_use = false;
    std::unique_ptr<std::byte[]> frame;  // made with the first session
};

}  // namespace naru::http::h2
