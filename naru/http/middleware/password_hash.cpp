#include <naru/http/middleware/password_hash.hpp>

#include <naru/http/middleware/middleware.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
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

namespace {

// Numbers in the texts of yescrypt and scrypt, the lowest digit first. A text that ends, or has another
// character, counts as the most.
double number_in_64(std::string_view text) noexcept {
    constexpr std::string_view digits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    double value = 0;
    double unit = 1;
    for (const char each : text) {
        value += unit * static_cast<double>(std::min(digits.find(each), digits.size()));
        unit *= 64;
    }
    return text.empty() ? 64 : value;
}

// crypt(5): $y$, a digit of its kind, one of log2(N) - 1 and one of r - 1. Greater numbers than 47 have more
// digits, and what else may follow mkpasswd does not make.
double yescrypt_pieces(std::string_view text) noexcept {
    const std::string_view numbers = text.substr(0, text.find('$'));
    const double log_n = number_in_64(numbers.substr(std::min<std::size_t>(1, numbers.size()), 1)) + 1;
    if (numbers.size() != 3 || log_n > 47) return std::numeric_limits<double>::infinity();
    return std::exp2(log_n) * (number_in_64(numbers.substr(2, 1)) + 1);
}

// $7$, a digit of log2(N), five of r and five of p.
double scrypt_pieces(std::string_view text) noexcept {
    if (text.size() < 11) return std::numeric_limits<double>::infinity();
    return std::exp2(number_in_64(text.substr(0, 1))) * number_in_64(text.substr(1, 5)) *
           number_in_64(text.substr(6, 5));
}

}  // namespace

bool takes_too_long(const std::string& hash) noexcept {
    constexpr std::string_view rounds = "rounds=";
    const std::string_view text = hash;
    const auto number_at = [&](std::size_t at) {
        unsigned long value = 0;
        const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
        return error == std::errc::result_out_of_range ? std::numeric_limits<unsigned long>::max() : value;
    };
    if (text.starts_with("$2") && text.size() > 4) return number_at(4) > most_bcrypt_cost;
    if (text.starts_with("$y$")) return yescrypt_pieces(text.substr(3)) > most_scrypt_pieces;
    if (text.starts_with("$7$")) return scrypt_pieces(text.substr(3)) > most_scrypt_pieces;
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
