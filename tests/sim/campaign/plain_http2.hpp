// An HTTP/2 client (RFC 9113) as one would write it on paper: frames by hand, no compression of heads, and of
// what comes only what the answers need. Shares no code with what it checks.
#pragma once

#include "fuzz/http2_judge.hpp"
#include "sim/campaign/questions.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace naru::campaign {

class plain_http2 {
 public:
    /// `window`: bytes of each answer that may come before more is asked for.
    explicit plain_http2(std::uint32_t window);

    /// What is to be sent, whole frames; empty: nothing.
    std::string take_output() { return std::exchange(output_, {}); }
    bool has_output() const { return !output_.empty(); }
    /// Whether a body of so many bytes could be sent at once.
    bool has_room_for(std::size_t bytes) const { return static_cast<std::int64_t>(bytes) <= room_; }
    /// Begins a stream, and ends our side of it; its number.
    std::uint32_t ask(const question& of, bool secure);
    void reset(std::uint32_t stream);

    /// Whether the server's SETTINGS have come, and allow the next.
    bool knows_the_server() const { return knows_the_server_; }
    bool takes_tunnels() const { return takes_tunnels_; }
    /// A WebSocket's stream (RFC 8441), which both sides end; its number.
    std::uint32_t open_tunnel(std::string_view target, bool secure);
    /// What of it fits into the windows is sent on a tunnel; how much.
    std::size_t send_on(std::uint32_t stream, std::string_view bytes);
    /// Our side of it ends.
    void end(std::uint32_t stream);

    void take(std::string_view bytes);

    struct answer {
        reply got;
        bool ended = false;
        bool was_reset = false;
    };
    answer& at(std::uint32_t stream) { return answers_[stream]; }
    /// Empty, or what is wrong with what has come.
    const std::string& wrong() const { return wrong_; }
    bool told_to_go() const { return told_to_go_; }
    std::uint32_t most_streams() const { return most_streams_; }

 private:
    void frame(unsigned type, unsigned flags, std::uint32_t stream, std::string_view payload);
    void data_frames(const question& of, std::uint32_t stream);
    void read(unsigned type, unsigned flags, std::uint32_t stream, std::string_view payload);
    void read_head(std::uint32_t stream);
    void read_settings(std::string_view payload);
    void resize(std::uint32_t window);
    void came(std::uint32_t stream, std::size_t bytes, bool ended);

    testing::http2_judge judge_;
    std::uint32_t window_;
    std::string output_;
    std::string unread_;
    std::string head_;  // of the stream that headers are coming for
    bool ends_with_head_ = false;
    std::uint32_t next_ = 1;
    std::int64_t room_ = 65'535;  // of the connection's window
    std::int64_t initial_room_ = 65'535;
    std::map<std::uint32_t, std::int64_t> rooms_;  // of the tunnels' windows
    bool knows_the_server_ = false;
    bool takes_tunnels_ = false;
    std::map<std::uint32_t, answer> answers_;
    std::map<std::uint32_t, std::uint32_t> unopened_;  // bytes of an answer for which no more was asked
    std::uint32_t unopened_of_all_ = 0;
    std::string wrong_;
    bool told_to_go_ = false;
    std::uint32_t most_streams_ = 16;  // until the server has said so
};

/// The status of a head of no dynamic table (RFC 7541); 0 if it has none.
unsigned status_of_head(std::string_view block);

}  // namespace naru::campaign
