// What is remembered of an answer until all of it has left, or its client: for the access log and the counts.
#pragma once

#include <naru/core/clock.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <utility>

namespace naru::http {

struct log_place;  // loop_log.hpp

/// What is known of an answer when its head is about to be written.
struct answer_facts {
    instant began;           ///< of the tick in which its request's head was there
    std::uint64_t from = 0;  ///< where it begins, among the bytes that its turn sends
    std::uint64_t body = 0;  ///< bytes of the body, of an answer that is whole at once
    std::uint16_t status = 0;
    std::uint16_t route = 0;  ///< as server_metrics counts them
    std::uint8_t minor_version = 1;
};

/// One answer that is being sent, or several that are alike and lie one behind the other.
struct answer_record : answer_facts {
    static constexpr std::uint64_t unknown = ~std::uint64_t{0};

    bool in_pieces = false;
    std::uint32_t answers = 1;
    std::uint64_t each = 0;  ///< bytes of each of several
    std::uint64_t to = unknown;
    answer_record* next = nullptr;
    std::uint64_t head = 0;    ///< bytes in front of the body, of an answer in pieces
    std::size_t split = 0;     ///< of `line`: where status and bytes are to stand
    std::string line;          ///< what is known by now of the log's line
    log_place* log = nullptr;  ///< where that goes, counted there; nullptr: it has none

    /// True if another is like this, and is counted here. Not where each has a line in a log.
    bool joins(const answer_facts& other) noexcept {
        const bool alike = other.began == began && other.body == body && other.status == status &&
                           other.route == route && other.minor_version == minor_version;
        if (!alike || to != unknown || in_pieces || log != nullptr) return false;
        const std::uint64_t size = answers == 1 ? other.from - from : each;
        if (other.from - from != answers * size) return false;
        each = size;
        ++answers;
        return true;
    }
    /// Of several, those that have left whole when so many bytes of the turn have been sent.
    std::uint32_t whole_at(std::uint64_t sent, std::uint64_t end) const noexcept {
        if (sent >= end) return answers;
        if (each == 0 || sent <= from) return 0;
        return static_cast<std::uint32_t>(std::min<std::uint64_t>((sent - from) / each, answers - 1));
    }
};

/// Records that wait to be used again, so that a request allocates none.
class answer_records {
 public:
    answer_records() = default;
    ~answer_records() {
        while (free_ != nullptr)
            delete std::exchange(free_, free_->next);
    }
    answer_records(const answer_records&) = delete;
    answer_records& operator=(const answer_records&) = delete;

    /// nullptr without the memory for one.
    answer_record* take() noexcept {
        if (free_ == nullptr) return new (std::nothrow) answer_record;
        --kept_;
        answer_record* const taken = std::exchange(free_, free_->next);
        taken->next = nullptr;
        return taken;
    }
    void give_back(answer_record& used) noexcept {
        if (kept_ == most_kept || used.line.capacity() > most_line) return delete &used;
        used.line.clear();
        used.to = answer_record::unknown;
        used.head = used.body = 0;
        used.in_pieces = false;
        used.answers = 1;
        used.next = std::exchange(free_, &used);
        ++kept_;
    }

 private:
    static constexpr std::size_t most_kept = 1024;
    static constexpr std::size_t most_line = 4096;
    answer_record* free_ = nullptr;
    std::size_t kept_ = 0;
};

}  // namespace naru::http
