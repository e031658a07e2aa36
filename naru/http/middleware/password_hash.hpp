// crypt(3).
#pragma once

#include <string>

namespace naru::http {

/// What a hash may ask for at most, as its text says it: bcrypt's cost (each takes twice as long as the one
/// before; htpasswd makes none above), rounds of SHA-crypt, and what a cost of 11, the most that mkpasswd
/// knows, is for yescrypt and scrypt: pieces of 128 bytes, of memory or gone over again. Each is some seconds
/// for every password that a client tries, in which a server cannot end; bcrypt with 31 is days.
inline constexpr unsigned most_bcrypt_cost = 17;
inline constexpr unsigned long most_sha_rounds = 10'000'000;
inline constexpr double most_scrypt_pieces = 32.0 * (1 << 18);

/// Whether it is a hash of a kind that takes its time, and of this system's.
bool can_check_hash(const std::string& hash);

/// Whether it asks for more than that.
bool takes_too_long(const std::string& hash) noexcept;

/// Blocks for as long as the hash wants. Any thread. Throws std::bad_alloc.
bool hash_matches(const std::string& hash, const std::string& password);

}  // namespace naru::http
