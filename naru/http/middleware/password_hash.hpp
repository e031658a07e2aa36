// crypt(3).
#pragma once

#include <string>

namespace naru::http {

/// Whether it is a hash of a kind that takes its time, and of this system's.
bool can_check_hash(const std::string& hash);

/// Blocks for as long as the hash wants. Any thread. Throws std::bad_alloc.
bool hash_matches(const std::string& hash, const std::string& password);

}  // namespace naru::http
