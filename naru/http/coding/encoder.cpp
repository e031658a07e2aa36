#include <naru/http/coding/encoder.hpp>

#include <naru/http/coding/encoders.hpp>

#include <utility>

namespace naru::http {

bool can_encode(coding which) noexcept {
    switch (which) {
        case coding::zstd:
            return detail::has_zstd;
        case coding::brotli:
            return detail::has_brotli;
        case coding::gzip:
            return detail::has_gzip;
        case coding::identity:
            break;
    }
    return false;
}

std::unique_ptr<encoder> make_encoder(coding which) noexcept {
    switch (which) {
        case coding::zstd:
            return detail::make_zstd_encoder();
        case coding::brotli:
            return detail::make_brotli_encoder();
        case coding::gzip:
            return detail::make_gzip_encoder();
        case coding::identity:
            break;
    }
    return nullptr;
}

encoder_pool::~encoder_pool() {
    for (encoder*& each : free_) {
        while (each != nullptr) {
            const std::unique_ptr<encoder> dies(std::exchange(each, each->next_free));
        }
    }
}

encoder* encoder_pool::take(coding which, int level) noexcept {
    if (in_use_ == limits::encoders) return nullptr;
    const auto index = static_cast<std::size_t>(which);
    std::unique_ptr<encoder> taken(free_[index]);
    if (taken) {
        free_[index] = taken->next_free;
        --kept_[index];
    } else {
        taken = make_encoder(which);
    }
    if (!taken || !taken->begin(level)) return nullptr;
    ++in_use_;
    return taken.release();
}

void encoder_pool::give_back(encoder& used) noexcept {
    --in_use_;
    const auto index = static_cast<std::size_t>(used.which);
    if (kept_[index] == limits::encoders_kept) {
        const std::unique_ptr<encoder> dies(&used);
        return;
    }
    used.next_free = std::exchange(free_[index], &used);
    ++kept_[index];
}

}  // namespace naru::http
