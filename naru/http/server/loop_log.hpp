// The access logs as one loop sees them: lines gather here and are handed over together, so that a request
// takes no lock and wakes no thread.
#pragma once

#include <naru/core/slot_table.hpp>
#include <naru/http/server/access_line.hpp>
#include <naru/http/server/access_log.hpp>
#include <naru/http/server/answer_record.hpp>
#include <naru/loop/loop.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string_view>
#include <vector>

namespace naru::http {

class loop_log;

/// The lines of one log in one format that gather on a loop.
struct log_place : timer {
    log_place(loop_log& of, std::shared_ptr<access_log> to, log_format as) noexcept;

    loop_log& owner;
    std::shared_ptr<access_log> to;  // nullptr: there is none
    log_format as;
    std::size_t uses = 0;           // sites, and answers whose lines have begun
    std::unique_ptr<char[]> lines;  // limits::loop_log_bytes, once there is a line
    std::size_t used = 0;
};

/// On the loop's thread.
class loop_log {
 public:
    /// `to`, borrowed, is the server's; nullptr: it has none.
    loop_log(loop& on, access_log* to, log_format as) noexcept;
    ~loop_log();
    loop_log(const loop_log&) = delete;
    loop_log& operator=(const loop_log&) = delete;

    bool is_on() const noexcept { return is_on_; }
    /// The server's own; nullptr: it has none.
    log_place* own() noexcept { return own_.to != nullptr ? &own_ : nullptr; }
    /// The server's own format.
    log_format format() const noexcept { return own_.as; }

    /// For a site whose answers go there, which leaves it when it ends. Throws std::bad_alloc.
    log_place& enter(const std::shared_ptr<access_log>& to, log_format as);
    /// The last one's lines are handed over, and the place is no more.
    void leave(log_place& of) noexcept {
        if (--of.uses == 0) remove(of);
    }

    /// Who a connection's lines are about, as text: kept while its handle is valid. The peer's address, as
    /// long as nobody says another. With a log it costs 52 bytes for each connection.
    void name_client(handle connection, std::string_view client) noexcept;
    std::string_view client_of(handle connection) const noexcept;
    /// Whether it has been named, if only by an empty text.
    bool knows(handle connection) const noexcept;

    /// Keeps what is known of a request in its answer's record, whose line is to go there.
    void begin(log_place& there, const access_entry& entry, answer_record& into) noexcept;
    /// Its line, when it has ended. Each that has begun ends.
    void end(const access_entry& entry, answer_record& begun) noexcept;

    /// What has gathered goes to the logs; by itself after limits::log_hand_over_time.
    void hand_over() noexcept;

 private:
    friend struct log_place;
    struct client_name {
        std::uint32_t generation = 0;
        std::uint8_t size = 0;
        std::array<char, 47> text;
    };

    static void hand_over(log_place& of) noexcept;
    void remove(log_place& of) noexcept;
    void put(log_place& there, const access_entry& entry, const answer_record& begun) noexcept;

    loop& loop_;
    access_line line_;
    log_place own_;
    std::list<log_place> of_hosts_;
    bool is_on_;
    std::array<std::vector<client_name>, 2> clients_;  // by slot: of sockets, and of layers before them
};

}  // namespace naru::http
