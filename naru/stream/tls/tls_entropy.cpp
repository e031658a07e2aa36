#include <naru/stream/tls/tls_entropy.hpp>

#include <naru/loop/environment.hpp>

#include <openssl/rand.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

// What replaces OpenSSL's generator as a whole is out of favour there, and has no successor for a program.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace naru {

namespace {

int give(unsigned char* to, int count) {
    environment* const here = environment::other_than_the_systems();
    if (here == nullptr) return RAND_OpenSSL()->bytes(to, count);
    for (std::size_t left = count < 0 ? 0 : static_cast<std::size_t>(count); left > 0;) {
        const std::uint64_t word = here->entropy();
        const std::size_t some = std::min(left, sizeof word);
        std::memcpy(to, &word, some);
        to += some;
        left -= some;
    }
    return 1;
}

int always() { return 1; }

const RAND_METHOD of_environment{nullptr, give, nullptr, nullptr, give, always};

}  // namespace

tls_entropy_of_environment::tls_entropy_of_environment() noexcept : before_(RAND_get_rand_method()) {
    (void)RAND_set_rand_method(&of_environment);
}

tls_entropy_of_environment::~tls_entropy_of_environment() {
    (void)RAND_set_rand_method(static_cast<const RAND_METHOD*>(before_));
}

}  // namespace naru

#pragma GCC diagnostic pop
