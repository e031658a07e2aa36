#include <naru/http/middleware/password_hash.hpp>

#include <naru/http/middleware/middleware.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <system_error>

#include <crypt.h>

namespace naru::http {

bool can_check_hash(const std::string& hash) {
    constexpr std::array<std::string_view, 7> good = {"$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$7$"};
    if (std::ranges::none_of(good, [&](std::string_view each) { return hash.starts_with(each); }))
        return false;
    if (hash.starts_with("$2") && hash.size() != 60) return false;
    if (hash.find('\0') != std::string::npos) return false;
#ifdef CRYPT_SALT_OK
    const int says = crypt_checksalt(hash.c_str());
    return says != CRYPT_SALT_INVALID && says != CRYPT_SALT_METHOD_DISABLED;
#else
    return true;
#endif
}

bool takes_too_long(const std::string& hash) noexcept {
    constexpr std::string_view rounds = "rounds=";
    const std::string_view text = hash;
    const auto number_at = [&](std::size_t at) {
        unsigned long value = 0;
        const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
        return error == std::errc::result_out_of_range ? std::numeric_limits<unsigned long>::max() : value;
    };
    if (text.starts_with("$2") && text.size() > 4) return number_at(4) > most_bcrypt_cost;
    const bool is_sha = text.starts_with("$5$") || text.starts_with("$6$");
    return is_sha && text.substr(3).starts_with(rounds) && number_at(3 + rounds.size()) > most_sha_rounds;
}

bool hash_matches(const std::string& hash, const std::string& password) {
    if (password.find('\0') != std::string::npos) return false;
    const auto room = std::make_unique<crypt_data>();  // 32 KiB
    const char* const made = crypt_r(password.c_str(), hash.c_str(), room.get());
    // A failure is a text that begins with '*', which no good hash does.
    const bool same = made != nullptr && *made != '*' && same_secret(made, hash);
    explicit_bzero(room.get(), sizeof *room);
    return same;
}

}  // namespace naru::http
