// What a client asks of a representation beyond having it: preconditions, ranges, encodings.
#pragma once

#include <naru/http/limits.hpp>
#include <naru/http/message/request.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace naru::http {

/// What a representation is compared by.
struct validators {
    std::string_view etag;                      ///< strong, with its quotes
    std::optional<std::int64_t> last_modified;  ///< nothing: conditions that ask for it are as if not there
};

enum class precondition : std::uint8_t { met, not_modified, failed };

/// RFC 9110, section 13.2.2, in its order; for GET and HEAD of something that exists.
precondition evaluate(const request_head& request, std::string_view head, const validators& of,
                      std::int64_t now);

struct byte_range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  ///< inclusive
    std::uint64_t size() const noexcept { return last - first + 1; }
};

enum class range_outcome : std::uint8_t {
    whole,  ///< no range was asked for, or none that must be heeded
    partial,
    unsatisfiable,  ///< 416
};

struct range_list {
    std::array<byte_range, limits::ranges> ranges;
    unsigned count = 0;
    std::span<const byte_range> view() const noexcept { return {ranges.data(), count}; }
};

/// RFC 9110, section 14: the Range field against a representation of `size` bytes, If-Range included.
range_outcome select_ranges(const request_head& request, std::string_view head, const validators& of,
                            std::uint64_t size, std::int64_t now, range_list& out);

/// Content codings naru can have lying beside a file, in the order of its own preference.
enum class coding : std::uint8_t { zstd, brotli, gzip, identity };
inline constexpr std::size_t coding_count = 4;

/// The best of the available codings for a request's Accept-Encoding (RFC 9110, section 12.5.3): the highest
/// quality, then our own order. `available[i]` belongs to coding i; identity always is.
coding choose_coding(const request_head& request, std::string_view head,
                     const std::array<bool, coding_count>& available) noexcept;

}  // namespace naru::http
