// What a site encodes on the fly.
#pragma once

#include <naru/http/message/conditions.hpp>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace naru::http {

/// For site::encode. Which coding a client gets is its own choice (Accept-Encoding, RFC 9110, section
/// 12.5.3), among those that it likes as much in the order zstd, br, gzip.
struct encode_options {
    /// Media types: whole ones, "text/" for all of a kind, "+json" for all with that end.
    std::vector<std::string> types = {"text/",
                                      "application/json",
                                      "application/javascript",
                                      "application/xml",
                                      "application/manifest+json",
                                      "application/wasm",
                                      "image/svg+xml",
                                      "+json",
                                      "+xml"};
    /// Bodies below this size go as they are: they would hardly get smaller.
    std::size_t least_bytes = 1024;
    /// Bodies that are whole at once go as they are above this size: to encode them would hold up the loop.
    /// In pieces they may be of any size.
    std::size_t most_bytes_at_once = 1024 * 1024;
    /// Of answers in pieces other than event streams: each piece can be decoded when it comes. Otherwise the
    /// encoder may keep pieces back for those behind them; write("") sends what it has.
    bool flush_each_piece = false;

    bool gzip = true;
    bool brotli = true;
    bool zstd = true;
    int gzip_level = 5;      ///< 1 to 9
    int brotli_quality = 4;  ///< 0 to 11
    int zstd_level = 3;      ///< 1 to 19

    encode_options() = default;

    /// Those that are wanted, and that this build has.
    std::array<bool, coding_count> available() const noexcept;
    bool encodes(std::string_view content_type) const noexcept;
    int level_of(coding which) const noexcept;
};

}  // namespace naru::http
