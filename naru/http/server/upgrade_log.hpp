// The access log's lines of connections that speak another protocol: written at their ends, with the bytes
// both ways.
#pragma once

#include <naru/core/slot_table.hpp>
#include <naru/http/server/answer_record.hpp>
#include <naru/http/server/loop_log.hpp>
#include <naru/loop/loop.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace naru::http {

/// Counts what operations on such a connection's handle have moved. What its protocol moves by itself
/// (splice(2), a descriptor of its own) is not seen. On the loop's thread.
class upgrade_log final : public completion_watcher {
 public:
    /// All are borrowed.
    upgrade_log(loop& on, loop_log& to, answer_records& records) noexcept
        : loop_(on), to_(to), records_(records) {}
    ~upgrade_log() override;
    upgrade_log(const upgrade_log&) = delete;
    upgrade_log& operator=(const upgrade_log&) = delete;

    /// From here on, until the handle is closed or leaves the loop. `answer`: of its request, taken over,
    /// with what has been sent of it as its head. `ahead`: bytes that the client has sent behind its request.
    void follow(handle connection, answer_record& answer, std::size_t ahead) noexcept;
    /// One that comes to nothing.
    void end(answer_record& answer) noexcept;
    /// The lines of all that are left.
    void end_all() noexcept;

    void completed(const operation& op) noexcept override;

 private:
    struct followed {
        std::uint32_t generation = 0;
        answer_record* answer = nullptr;
    };
    followed* find(handle of) noexcept;
    void stop_following(followed& one) noexcept;

    loop& loop_;
    loop_log& to_;
    answer_records& records_;
    std::array<std::vector<followed>, 2> by_slot_;  // of sockets, and of layers before them
    std::size_t count_ = 0;
};

}  // namespace naru::http
