#include <naru/http/handlers/content_hash.hpp>

#include <new>

#define XXH_INLINE_ALL  // the header is all of it, for Windows, too
#include <xxhash.h>

namespace naru::http {

content_hash::content_hash() noexcept {
    static_assert(sizeof(XXH3_state_t) <= sizeof(state_) && alignof(XXH3_state_t) <= 64);
    XXH3_64bits_reset(new (state_.data()) XXH3_state_t);
}

void content_hash::add(std::string_view bytes) noexcept {
    XXH3_64bits_update(std::launder(reinterpret_cast<XXH3_state_t*>(state_.data())), bytes.data(),
                       bytes.size());
}

std::uint64_t content_hash::value() const noexcept {
    return XXH3_64bits_digest(std::launder(reinterpret_cast<const XXH3_state_t*>(state_.data())));
}

}  // namespace naru::http
