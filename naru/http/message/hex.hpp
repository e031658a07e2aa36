// Hexadecimal digits, as percent-encodings and chunk sizes have them.
#pragma once

namespace naru::http {

/// The value of a hexadecimal digit of either case; -1 if it is none.
constexpr int hex_value(char byte) noexcept {
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

}  // namespace naru::http
