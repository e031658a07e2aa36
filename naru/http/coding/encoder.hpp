// Content codings that are made on the fly: gzip (RFC 1952), br (RFC 7932) and zstd (RFC 8878).
#pragma once

#include <naru/http/limits.hpp>
#include <naru/http/message/conditions.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace naru::http {

/// Makes one coded text after another. Its memory is taken when it begins for the first time, and is kept.
class encoder {
 public:
    explicit encoder(coding makes) noexcept : which(makes) {}
    encoder(const encoder&) = delete;
    encoder& operator=(const encoder&) = delete;
    virtual ~encoder() = default;

    /// more: as little leaves as it likes; flush: all that has been given can be decoded by who has what was
    /// made; end: the text ends.
    enum class until : std::uint8_t { more, flush, end };
    /// done: the input is used up, and as much has been made as was asked for; full: `into` is, call again
    /// with what is left; failed: no memory.
    enum class outcome : std::uint8_t { done, full, failed };

    /// Another text begins. False without the memory for it.
    [[nodiscard]] virtual bool begin(int level) noexcept = 0;
    /// Encodes from the front of `input`: `made` bytes are there. `into` has room for 16 bytes at least.
    virtual outcome encode(std::string_view& input, std::span<char> into, std::size_t& made,
                           until how) noexcept = 0;

    const coding which;
    /// For who encodes in pieces: what was made, and what was read of a file.
    std::array<char, limits::encoder_block_bytes> made_block;
    std::array<char, limits::encoder_block_bytes> file_block;
    encoder* next_free = nullptr;  ///< the pool's
};

/// Whether this build can make it: gzip where there is zlib, br and zstd where their libraries were found.
bool can_encode(coding which) noexcept;

/// nullptr without the memory, or where it cannot be made.
std::unique_ptr<encoder> make_encoder(coding which) noexcept;

/// A loop's encoders: no more than limits::encoders are in use at a time, and as many are kept. One thread's.
class encoder_pool {
 public:
    encoder_pool() = default;
    encoder_pool(const encoder_pool&) = delete;
    encoder_pool& operator=(const encoder_pool&) = delete;
    ~encoder_pool();

    /// One that has begun; nullptr: all are in use, or there is no memory. Then an answer goes as it is.
    encoder* take(coding which, int level) noexcept;
    void give_back(encoder& used) noexcept;

    std::size_t in_use() const noexcept { return in_use_; }

 private:
    std::array<encoder*, coding_count> free_{};
    std::array<std::size_t, coding_count> kept_{};
    std::size_t in_use_ = 0;
};

}  // namespace naru::http
