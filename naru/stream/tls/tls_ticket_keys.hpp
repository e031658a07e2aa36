// The keys that TLS session tickets are sealed with.
#pragma once

#include <naru/core/limits.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <shared_mutex>
#include <span>

namespace naru {

/// Whoever has the keys can resume the sessions, and read those of TLS 1.2: they are replaced now and then,
/// and are kept in no log. Shared by contexts and threads; all functions are thread-safe. Tickets are sealed
/// with the newest key, and opened with the last limits::tls_ticket_keys of them; a ticket of an older one
/// is replaced.
class tls_ticket_keys {
 public:
    /// The bytes of one key: name (16), AES-256 (32), HMAC-SHA256 (32).
    static constexpr std::size_t key_bytes = 80;
    using key = std::array<std::byte, key_bytes>;

    /// With a random key. Throws std::runtime_error if the system gives no random bytes.
    tls_ticket_keys();
    ~tls_ticket_keys();
    tls_ticket_keys(const tls_ticket_keys&) = delete;
    tls_ticket_keys& operator=(const tls_ticket_keys&) = delete;

    /// A new random key from here on; throws as the constructor.
    void rotate();
    /// One that others have, too: servers that are to resume each other's sessions.
    void rotate(std::span<const std::byte, key_bytes> shared) noexcept;

    /// The newest.
    key current() const noexcept;
    /// The key of this name. `newest`: whether new tickets are sealed with it.
    bool find(std::span<const std::byte, 16> name, key& into, bool& newest) const noexcept;

 private:
    mutable std::shared_mutex mutex_;
    std::array<key, limits::tls_ticket_keys> keys_{};  // newest first
    std::size_t count_ = 0;
};

}  // namespace naru
