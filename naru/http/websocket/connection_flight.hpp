// A send under way, for the sources of connection.
#pragma once

#include <naru/http/websocket/connection.hpp>

#include <array>

namespace naru::websocket {

/// In a block that is there while something is sent.
struct connection::flight : send_operation {
    explicit flight(connection& of) noexcept
        : send_operation([](operation& op) noexcept { static_cast<flight&>(op).owner.on_sent(); }),
          owner(of),
          since(of.home().now()) {}
    ~flight() = default;

    /// Takes more frames from the queue; those it has had before are unchanged.
    void load() noexcept;
    /// Whether nothing has gone for so long. Looks at what has gone.
    bool stands_still(instant now, duration span) noexcept;

    connection& owner;
    instant since;             // when bytes were last seen to go
    std::uint64_t seen = 0;    // how many by then
    std::uint32_t frames = 0;  // the first ones of the queue
    std::uint32_t pieces = 0;
    out_frame* last = nullptr;
    // As many of them as there are: nothing is done for the others.
    union {
        std::array<slice, 2 * limits::frames_per_send> list;
    };
};

}  // namespace naru::websocket
