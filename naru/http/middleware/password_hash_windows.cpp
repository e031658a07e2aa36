#include <naru/http/middleware/password_hash.hpp>

namespace naru::http {

bool can_check_hash(const std::string&) { return false; }

bool takes_too_long(const std::string&) noexcept { return false; }
bool hash_matches(const std::string&, const std::string&) { return false; }

}  // namespace naru::http
