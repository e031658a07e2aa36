// An open file or socket for a call that somebody else keeps it open for.
#pragma once

namespace naru {

/// Stays open for as long as whoever takes it says, and is never closed by him. Made of what owns one
/// (unique_descriptor, borrowed_descriptor) by itself, of a bare number by name only: one of the system's, on
/// Windows one of naru's, or one of a simulated world's.
class lent_descriptor {
 public:
    constexpr lent_descriptor() noexcept = default;
    constexpr explicit lent_descriptor(int descriptor) noexcept : descriptor_(descriptor) {}

    /// Where relative paths begin: openat(2)'s AT_FDCWD.
    static constexpr lent_descriptor current_directory() noexcept { return lent_descriptor(-100); }

    constexpr int get() const noexcept { return descriptor_; }

 private:
    int descriptor_ = -1;
};

}  // namespace naru
