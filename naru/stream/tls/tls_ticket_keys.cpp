#include <naru/stream/tls/tls_ticket_keys.hpp>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <mutex>
#include <stdexcept>

namespace naru {

tls_ticket_keys::tls_ticket_keys() { rotate(); }

tls_ticket_keys::~tls_ticket_keys() { OPENSSL_cleanse(keys_.data(), sizeof keys_); }

void tls_ticket_keys::rotate() {
    key made;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(made.data()), static_cast<int>(made.size())) != 1)
        throw std::runtime_error("no random bytes for a TLS ticket key");
    rotate(made);
    OPENSSL_cleanse(made.data(), made.size());
}

void tls_ticket_keys::rotate(std::span<const std::byte, key_bytes> shared) noexcept {
    const std::unique_lock lock(mutex_);
    std::shift_right(keys_.begin(), keys_.end(), 1);
    std::ranges::copy(shared, keys_[0].begin());
    count_ = std::min(count_ + 1, keys_.size());
}

tls_ticket_keys::key tls_ticket_keys::current() const noexcept {
    const std::shared_lock lock(mutex_);
    return keys_[0];
}

bool tls_ticket_keys::find(std::span<const std::byte, 16> name, key& into, bool& newest) const noexcept {
    const std::shared_lock lock(mutex_);
    for (std::size_t each = 0; each < count_; ++each) {
        if (!std::equal(name.begin(), name.end(), keys_[each].begin())) continue;
        into = keys_[each];
        newest = each == 0;
        return true;
    }
    return false;
}

}  // namespace naru
