#include <naru/http/coding/encoders.hpp>

#if defined(NARU_HAS_ZSTD)

#include <zstd.h>

#include <algorithm>
#include <new>

namespace naru::http {

namespace {

constexpr int window_log = 17;  // 128 KiB: what a loop's encoders take is bounded

class zstd_encoder final : public encoder {
 public:
    zstd_encoder() noexcept : encoder(coding::zstd) {}
    zstd_encoder(const zstd_encoder&) = delete;
    zstd_encoder& operator=(const zstd_encoder&) = delete;
    ~zstd_encoder() override { ZSTD_freeCCtx(context_); }

    bool begin(int level) noexcept override {
        if (context_ == nullptr) context_ = ZSTD_createCCtx();
        if (context_ == nullptr) return false;
        const auto good = [](std::size_t told) { return ZSTD_isError(told) == 0; };
        return good(ZSTD_CCtx_reset(context_, ZSTD_reset_session_only)) &&
               good(ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, std::clamp(level, 1, 19))) &&
               good(ZSTD_CCtx_setParameter(context_, ZSTD_c_windowLog, window_log));
    }

    outcome encode(std::string_view& input, std::span<char> into, std::size_t& made,
                   until how) noexcept override {
        const ZSTD_EndDirective wanted = how == until::more    ? ZSTD_e_continue
                                         : how == until::flush ? ZSTD_e_flush
                                                               : ZSTD_e_end;
        ZSTD_inBuffer in{input.data(), input.size(), 0};
        ZSTD_outBuffer out{into.data(), into.size(), 0};
        std::size_t left = 0;
        do {
            left = ZSTD_compressStream2(context_, &out, &in, wanted);
            if (ZSTD_isError(left) != 0) return outcome::failed;
        } while (out.pos < out.size && (in.pos < in.size || (how != until::more && left != 0)));
        input.remove_prefix(in.pos);
        made = out.pos;
        return input.empty() && (how == until::more || left == 0) ? outcome::done : outcome::full;
    }

 private:
    ZSTD_CCtx* context_ = nullptr;
};

}  // namespace

const bool detail::has_zstd = true;

std::unique_ptr<encoder> detail::make_zstd_encoder() noexcept {
    return std::unique_ptr<encoder>(new (std::nothrow) zstd_encoder);
}

}  // namespace naru::http

#else  // its library was not found

namespace naru::http::detail {

const bool has_zstd = false;
std::unique_ptr<encoder> make_zstd_encoder() noexcept { return nullptr; }

}  // namespace naru::http::detail

#endif
