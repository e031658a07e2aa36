// The access log as one loop sees it: its lines gather here and are handed over together, so that a request
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
#include <memory>
#include <string_view>
#include <vector>

namespace naru::http {

/// On the loop's thread.
class loop_log {
 public:
    /// `to`: borrowed; nullptr: there is none.
    loop_log(loop& on, access_log* to, log_format as) noexcept;
    ~loop_log();
    loop_log(const loop_log&) = delete;
    loop_log& operator=(const loop_log&) = delete;

    bool is_on() const noexcept { return to_ != nullptr; }
    bool wants_everything() const noexcept { return as_ == log_format::json; }

    /// Who a connection's lines are about, as text: kept while its handle is valid. The peer's address, as
    /// long as nobody says another. With a log it costs 52 bytes for each connection.
    void name_client(handle connection, std::string_view client) noexcept;
    std::string_view client_of(handle connection) const noexcept;

    /// Keeps what is known of a request in its answer's record.
    void begin(const access_entry& entry, answer_record& into) noexcept;
    /// Its line, when it has ended.
    void end(const access_entry& entry, const answer_record& begun) noexcept;

    /// A line that could not be made.
    void lose() noexcept { to_->lose(); }

    /// What has gathered goes to the log; by itself after limits::log_hand_over_time.
    void hand_over() noexcept;

 private:
    struct hand_over_timer : timer {
        explicit hand_over_timer(loop_log& of) noexcept;
        loop_log& owner;
    };
    struct client_name {
        std::uint32_t generation = 0;
        std::uint8_t size = 0;
        std::array<char, 47> text;
    };

    loop& loop_;
    access_log* to_;
    log_format as_;
    access_line line_;
    std::unique_ptr<char[]> lines_;  // limits::loop_log_bytes, once there is a line
    std::size_t used_ = 0;
    hand_over_timer due_{*this};
    std::array<std::vector<client_name>, 2> clients_;  // by slot: of sockets, and of layers before them
};

}  // namespace naru::http
