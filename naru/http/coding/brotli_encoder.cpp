#include <naru/http/coding/encoders.hpp>

#if defined(NARU_HAS_BROTLI)

#include <brotli/encode.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>

namespace naru::http {

namespace {

constexpr std::uint32_t window_bits = 17;  // 128 KiB: what a loop's encoders take is bounded

/// The library cannot begin anew with what it has: its blocks are kept here from one text to the next.
class kept_blocks {
 public:
    kept_blocks() = default;
    kept_blocks(const kept_blocks&) = delete;
    kept_blocks& operator=(const kept_blocks&) = delete;
    ~kept_blocks() {
        for (std::size_t each = 0; each < count_; ++each)
            std::free(static_cast<void*>(free_[each]));
    }

    static void* allocate(void* self, std::size_t bytes) noexcept {
        auto& from = *static_cast<kept_blocks*>(self);
        for (std::size_t each = 0; each < from.count_; ++each) {
            block* const found = from.free_[each];
            if (found->bytes < bytes || found->bytes / 2 > bytes) continue;
            from.free_[each] = from.free_[--from.count_];
            return found + 1;
        }
        auto* const made = static_cast<block*>(std::malloc(sizeof(block) + bytes));
        if (made == nullptr) return nullptr;
        made->bytes = bytes;
        return made + 1;
    }
    static void release(void* self, void* memory) noexcept {
        if (memory == nullptr) return;
        auto& to = *static_cast<kept_blocks*>(self);
        block* const given = static_cast<block*>(memory) - 1;
        if (to.count_ == to.free_.size()) return std::free(static_cast<void*>(given));
        to.free_[to.count_++] = given;
    }

 private:
    struct alignas(std::max_align_t) block {
        std::size_t bytes;
    };
    std::array<block*, 16> free_{};
    std::size_t count_ = 0;
};

class brotli_encoder final : public encoder {
 public:
    brotli_encoder() noexcept : encoder(coding::brotli) {}
    brotli_encoder(const brotli_encoder&) = delete;
    brotli_encoder& operator=(const brotli_encoder&) = delete;
    ~brotli_encoder() override {
        if (state_ != nullptr) BrotliEncoderDestroyInstance(state_);
    }

    bool begin(int level) noexcept override {
        if (state_ != nullptr) BrotliEncoderDestroyInstance(state_);
        state_ = BrotliEncoderCreateInstance(&kept_blocks::allocate, &kept_blocks::release, &blocks_);
        if (state_ == nullptr) return false;
        const auto quality = static_cast<std::uint32_t>(std::clamp(level, 0, 11));
        return BrotliEncoderSetParameter(state_, BROTLI_PARAM_QUALITY, quality) == BROTLI_TRUE &&
               BrotliEncoderSetParameter(state_, BROTLI_PARAM_LGWIN, window_bits) == BROTLI_TRUE;
    }

    outcome encode(std::string_view& input, std::span<char> into, std::size_t& made,
                   until how) noexcept override {
        const BrotliEncoderOperation wanted = how == until::more    ? BROTLI_OPERATION_PROCESS
                                              : how == until::flush ? BROTLI_OPERATION_FLUSH
                                                                    : BROTLI_OPERATION_FINISH;
        std::size_t given = input.size();
        const auto* next = reinterpret_cast<const std::uint8_t*>(input.data());
        std::size_t room = into.size();
        auto* out = reinterpret_cast<std::uint8_t*>(into.data());
        const auto told = BrotliEncoderCompressStream(state_, wanted, &given, &next, &room, &out, nullptr);
        if (told != BROTLI_TRUE) return outcome::failed;
        input.remove_prefix(input.size() - given);
        made = into.size() - room;
        const bool all_out = BrotliEncoderHasMoreOutput(state_) != BROTLI_TRUE;
        const bool ended = how != until::end || BrotliEncoderIsFinished(state_) == BROTLI_TRUE;
        return input.empty() && all_out && ended ? outcome::done : outcome::full;
    }

 private:
    kept_blocks blocks_;
    BrotliEncoderState* state_ = nullptr;
};

}  // namespace

const bool detail::has_brotli = true;

std::unique_ptr<encoder> detail::make_brotli_encoder() noexcept {
    return std::unique_ptr<encoder>(new (std::nothrow) brotli_encoder);
}

}  // namespace naru::http

#else  // its library was not found

namespace naru::http::detail {

const bool has_brotli = false;
std::unique_ptr<encoder> make_brotli_encoder() noexcept { return nullptr; }

}  // namespace naru::http::detail

#endif
