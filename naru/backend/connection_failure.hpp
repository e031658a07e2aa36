// The system tells once that a connection has failed, to the first call that asks; all later ones are shown
// an ordinary end, and a stream that was cut off would look whole. So a handle remembers.
#pragma once

#include <naru/core/result.hpp>
#include <naru/loop/operation.hpp>

#include <cerrno>
#include <cstdint>

namespace naru {

/// Whether `result`, of an operation on a stream, says that the connection has failed. EPIPE alone says that
/// nothing can be sent, which may be our own shutdown; after some has gone out in the same operation it is a
/// failure whose name another call was told (sendfile(2) drops it after a part).
constexpr bool tells_failure(const operation& op, std::int64_t result) noexcept {
    if (result >= 0) return false;
    if (result == outcome::from_errno(EPIPE)) return op.progress > 0;
    for (const int each : {
             ECONNRESET,
             ECONNABORTED,
             ETIMEDOUT,
             EHOSTUNREACH,
             ENETUNREACH,
             ENETDOWN,
             ENETRESET,
#if defined(EHOSTDOWN)
             EHOSTDOWN,
#endif
         }) {
        if (result == outcome::from_errno(each)) return true;
    }
    return false;
}

/// What a read is told that has met the end of a stream.
constexpr std::int64_t end_of(bool connection_failed) noexcept {
    return connection_failed ? outcome::from_errno(ECONNRESET) : outcome::end_of_stream;
}

}  // namespace naru
