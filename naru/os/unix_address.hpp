// Where a socket of the UNIX domain is: a path, an abstract name, or nowhere (unix(7)).
#pragma once

#include <naru/core/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace naru {

/// A `sockaddr_un` by value. One that is default-made has no name, like the end of a socket pair or a client
/// that did not bind.
class unix_address {
 public:
    /// The longest path, and the longest abstract name, in bytes.
    static constexpr std::size_t longest = 107;

    unix_address() noexcept;

    /// A file's path, relative to the current directory if it is no absolute one. Errors: EINVAL (empty, or
    /// with a zero byte inside), ENAMETOOLONG.
    [[nodiscard]] static result<unix_address> path(std::string_view name) noexcept;
    /// A name that is no file's, of any bytes (Linux); gone with the last socket that has it. Errors: EINVAL,
    /// ENAMETOOLONG.
    [[nodiscard]] static result<unix_address> abstract(std::string_view name) noexcept;
    /// "@name" is an abstract name, anything else a path. Errors: those of the two.
    [[nodiscard]] static result<unix_address> parse(std::string_view text) noexcept;

    /// A copy of the system's form. Errors: EAFNOSUPPORT if it is of another family.
    [[nodiscard]] static result<unix_address> of(const void* sockaddr_bytes, std::uint32_t size) noexcept;
    /// The local or the peer's address of a socket. Errors: the system's (ENOTCONN); EAFNOSUPPORT.
    [[nodiscard]] static result<unix_address> local_of(int socket) noexcept;
    [[nodiscard]] static result<unix_address> peer_of(int socket) noexcept;

    const void* data() const noexcept { return storage_.data(); }
    std::uint32_t size() const noexcept { return size_; }

    bool is_unnamed() const noexcept { return size_ == sizeof(std::uint16_t); }
    bool is_abstract() const noexcept;
    /// The path, or the abstract name without its "@".
    std::string_view name() const noexcept;
    /// As parse takes it; empty without a name.
    std::string text() const;

    bool operator==(const unix_address& other) const noexcept;

 private:
    alignas(8) std::array<std::byte, 112> storage_{};  // a family of two bytes, and 108 of path
    std::uint32_t size_ = sizeof(std::uint16_t);
};

}  // namespace naru
