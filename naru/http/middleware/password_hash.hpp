// crypt(3).
#pragma once

#include <string>

namespace naru::http {

/// What a hash may ask for at most, as its text says it: bcrypt's cost (each takes twice as long as the one
/// before; htpasswd makes none above), and rounds of SHA-crypt. Both are some seconds for each password that
/// a client tries, in which a server cannot end; a cost of 31 is days.
inline constexpr unsigned most_bcrypt_cost = 17;
inline constexpr unsigned long most_sha_rounds = 10'000'000;

/// Whether it is a hash of a kind that takes its time, and of this system's.
bool can_check_hash(const std::string& hash);

/// Whether it asks for more than that.
bool takes_too_long(const std::string& hash) noexcept;

/// Blocks for as long as the hash wants. Any thread. Throws std::bad_alloc.
bool hash_matches(const std::string& hash, const std::string& password);

}  // namespace naru::http
