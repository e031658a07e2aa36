// OpenSSL's random bytes in a simulated world.
#pragma once

namespace naru {

/// While it lives, OpenSSL's random bytes (keys, nonces, ticket keys) are the environment's entropy on each
/// thread on which one is in force that is not the system's: in a simulated world (sim::world) they follow
/// from its seed, and a handshake goes the same way again. All other threads have OpenSSL's own. One at a
/// time; begins and ends while no other thread speaks TLS. For tests: a world's numbers can be guessed.
class tls_entropy_of_environment {
 public:
    tls_entropy_of_environment() noexcept;
    ~tls_entropy_of_environment();
    tls_entropy_of_environment(const tls_entropy_of_environment&) = delete;
    tls_entropy_of_environment& operator=(const tls_entropy_of_environment&) = delete;

 private:
    const void* before_;
};

}  // namespace naru
