// A descriptor for the system calls that a loop does not make itself.
#pragma once

#include <naru/os/lent_descriptor.hpp>

#include <utility>

namespace naru {

/// Good until it is destroyed, and no longer than its handle. Mostly it is the handle's own descriptor; a
/// connection that io_uring keeps outside the process's table (a direct descriptor) is lent one of its own,
/// which costs two system calls. Move-only.
class borrowed_descriptor {
 public:
    borrowed_descriptor() noexcept = default;
    explicit borrowed_descriptor(int descriptor, void (*give_back)(int) noexcept = nullptr) noexcept
        : descriptor_(descriptor), give_back_(give_back) {}
    borrowed_descriptor(borrowed_descriptor&& other) noexcept
        : descriptor_(std::exchange(other.descriptor_, -1)),
          give_back_(std::exchange(other.give_back_, nullptr)) {}
    borrowed_descriptor& operator=(borrowed_descriptor&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        std::swap(give_back_, other.give_back_);
        return *this;
    }
    ~borrowed_descriptor() {
        if (give_back_ != nullptr && descriptor_ >= 0) give_back_(descriptor_);
    }

    /// Negative if the handle is gone, or the process has no descriptor left to lend.
    int get() const noexcept { return descriptor_; }
    operator lent_descriptor() const& noexcept { return lent_descriptor(descriptor_); }
    operator lent_descriptor() const&& = delete;  // it would be given back before it is used
    explicit operator bool() const noexcept { return descriptor_ >= 0; }

 private:
    int descriptor_ = -1;
    void (*give_back_)(int) noexcept = nullptr;
};

}  // namespace naru
