// One connection of the load generator. The data path reads from file to file: connect.cpp, send.cpp,
// read.cpp (with HTTP/2 streams.cpp), record.cpp.
#pragma once

#include <load/http2.hpp>
#include <load/report.hpp>
#include <naru/core/intrusive.hpp>
#include <naru/http/h1/response.hpp>
#include <naru/loop/loop.hpp>

#include <cstdint>
#include <memory>

namespace naru::load {

class generator;

/// A request under way.
struct flight {
    instant intended;  ///< open loop: when the schedule wanted it sent; closed loop: as `sent`
    instant sent;      ///< when it was handed to the engine for the first time; that sends in the same tick
};

/// Owned by its generator and used on its thread only; pinned. While it has room for a request in an open
/// loop it is linked into the generator's list, while it waits to be opened into another.
class client final : public list_node, private http2_session::listener {
 public:
    /// `flights`: room for the requests of one connection, options.pipeline of them.
    client(generator& of, std::uint32_t index, bool idle, flight* flights) noexcept;

    // connect.cpp
    void open() noexcept;
    /// The run is over: ends the connection whatever is under way.
    void stop() noexcept;

    // send.cpp
    /// Takes one request on, to be sent by the next flush. There must be room.
    void ask(instant intended, instant now) noexcept;
    void flush() noexcept;
    unsigned room() const noexcept;

    bool is_idle_one() const noexcept { return idle_; }
    bool is_open() const noexcept { return state_ == state::open; }
    bool is_closed() const noexcept { return state_ == state::closed; }
    /// An idle connection that the peer has ended: it is not opened again.
    bool is_lost() const noexcept { return lost_; }
    /// Whether a response has come since it was opened last.
    bool has_carried() const noexcept { return carried_; }
    /// Opens it after a pause, by way of generator::on_pause_over.
    void wait_to_open(duration pause) noexcept;
    std::uint32_t index() const noexcept { return index_; }

    /// Calls `visit(const flight&)` for what is under way, oldest first.
    template <class Visit>
    void for_each_flight(Visit visit) const;

 private:
    enum class state : std::uint8_t {
        closed,  ///< to be opened, perhaps after a pause
        connecting,
        open,
        finishing,  ///< its last response has come: the server is to end it
        ending,     ///< closed on our side, operations still under way
    };

    struct receive_step : operation {
        explicit receive_step(client& of) noexcept;
        client& owner;
    };
    struct write_step : send_operation {  // connects, too
        explicit write_step(client& of) noexcept;
        client& owner;
    };
    struct deadline_step : timer {
        explicit deadline_step(client& of) noexcept;
        client& owner;
    };

    // connect.cpp
    result<handle> make_socket() noexcept;
    void on_connected() noexcept;
    void begin_tls() noexcept;
    void fail(failure kind, const char* what) noexcept;
    void fail(const operation& failed) noexcept;
    void drop() noexcept;
    void drop_at_once() noexcept;
    void settle() noexcept;
    void become_open() noexcept;
    void on_deadline() noexcept;

    // send.cpp
    void send_again() noexcept;
    void on_written() noexcept;

    // read.cpp
    void receive() noexcept;
    void on_received() noexcept;
    void take(std::string_view input) noexcept;
    void take_upgrade(std::string_view input) noexcept;
    void on_response(instant now) noexcept;
    void on_end() noexcept;
    bool is_last_response() const noexcept;
    void spoil(instant now) noexcept;
    void finish() noexcept;
    flight pop_flight() noexcept;

    // streams.cpp: HTTP/2. Requests lie side by side from flights_[0] on, those that have no stream last.
    void begin_http2() noexcept;
    void take_http2(std::string_view input) noexcept;
    void flush_streams() noexcept;
    void leave() noexcept;
    void on_stream_ended(unsigned place, http2_session::ending how, unsigned status,
                         const char* what) override;
    flight remove_flight(unsigned place) noexcept;
    void time_streams_out() noexcept;
    unsigned on_streams() const noexcept { return in_flight_ - unsent_; }

    generator& generator_;
    flight* const flights_;
    receive_step receive_;
    write_step write_;
    deadline_step deadline_;
    http::response_reader reader_;
    std::unique_ptr<http2_session> http2_;
    handle socket_;
    const std::uint32_t index_;
    std::uint16_t first_ = 0;  // of flights_, which is a ring
    std::uint16_t in_flight_ = 0;
    std::uint16_t unsent_ = 0;  // of those, at the end
    const bool idle_;
    bool lost_ = false;
    bool secured_ = false;   // TLS stands before its socket
    bool carried_ = false;   // a response, since it was opened
    bool has_room_ = false;  // HTTP/2: an answer has come, or leave for more streams
    state state_ = state::closed;
};

}  // namespace naru::load
