// What is remembered of an answer until all of it has left, or its client: for the access log and the counts.
#pragma once

#include <naru/core/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <utility>

namespace naru::http {

struct log_place;  // loop_log.hpp

/// One answer that is being sent. `from` and `to` are places among the bytes that its turn sends.
struct answer_record {
    static constexpr std::uint64_t unknown = ~std::uint64_t{0};

    answer_record* next = nullptr;
    instant began;  ///< of the tick in which its request's head was there
    std::uint64_t from = 0;
    std::uint64_t to = unknown;
    std::uint64_t head = 0;  ///< bytes in front of the body, of an answer in pieces
    std::uint64_t body = 0;  ///< bytes of the body, of an answer that is whole at once
    std::uint16_t status = 0;
    std::uint16_t route = 0;  ///< as server_metrics counts them
    std::uint8_t minor_version = 1;
    bool in_pieces = false;
    std::size_t split = 0;     ///< of `line`: where status and bytes are to stand
    std::string line;          ///< what is known by now of the log's line
    log_place* log = nullptr;  ///< where that goes, counted there; nullptr: it has none
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
