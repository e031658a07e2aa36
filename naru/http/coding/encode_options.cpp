#include <naru/http/coding/encode_options.hpp>

#include <naru/http/coding/encoder.hpp>
#include <naru/http/message/fields.hpp>

#include <algorithm>

namespace naru::http {

std::array<bool, coding_count> encode_options::available() const noexcept {
    std::array<bool, coding_count> made{};
    const auto set = [&](coding which, bool wanted) {
        made[static_cast<std::size_t>(which)] = wanted && can_encode(which);
    };
    set(coding::zstd, zstd);
    set(coding::brotli, brotli);
    set(coding::gzip, gzip);
    set(coding::identity, true);
    return made;
}

bool encode_options::encodes(std::string_view content_type) const noexcept {
    const std::string_view type = trimmed(content_type.substr(0, content_type.find(';')));
    return std::ranges::any_of(types, [type](std::string_view each) {
        if (each.empty() || each.size() > type.size()) return false;
        if (each.ends_with('/')) return equals_lower(type.substr(0, each.size()), each);
        if (each.starts_with('+')) return equals_lower(type.substr(type.size() - each.size()), each);
        return equals_lower(type, each);
    });
}

int encode_options::level_of(coding which) const noexcept {
    return which == coding::zstd ? zstd_level : which == coding::brotli ? brotli_quality : gzip_level;
}

}  // namespace naru::http
