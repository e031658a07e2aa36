#include <naru/http/websocket/random.hpp>

#include <naru/loop/environment.hpp>

#include <cstdint>
#include <cstring>

namespace naru::websocket {
namespace {

/// Taken from the environment in portions, none of which outlives it on this thread.
class source {
 public:
    void take(std::byte* to, std::size_t count) noexcept {
        if (environment::changes() != changes_) {
            changes_ = environment::changes();
            used_ = bytes_.size();
        }
        for (; count > 0; --count) {
            if (used_ == bytes_.size()) refill();
            *to++ = bytes_[used_++];
        }
    }

 private:
    void refill() noexcept {
        environment& here = environment::current();
        for (std::size_t at = 0; at < bytes_.size(); at += sizeof(std::uint64_t)) {
            const std::uint64_t word = here.entropy();
            std::memcpy(bytes_.data() + at, &word, sizeof word);
        }
        used_ = 0;
    }

    std::array<std::byte, 256> bytes_{};
    std::size_t used_ = bytes_.size();
    std::uint64_t changes_ = 0;
};
thread_local source of_this_thread;

}  // namespace

mask_key random_key() noexcept {
    mask_key key;
    of_this_thread.take(key.data(), key.size());
    return key;
}

std::array<std::byte, 16> random_key_bytes() noexcept {
    std::array<std::byte, 16> key;
    of_this_thread.take(key.data(), key.size());
    return key;
}

}  // namespace naru::websocket
