#include <naru/http/middleware/password_file.hpp>

#include <naru/http/message/fields.hpp>
#include <naru/http/middleware/middleware.hpp>
#include <naru/http/middleware/password_hash.hpp>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>

namespace naru::http {

password_file password_file::read(const std::string& path) {
    const auto refuse = [&path](int error) {
        throw std::runtime_error(
            fmt::format("cannot read the passwords in {}: {}", path, std::generic_category().message(error)));
    };
    std::string text;
    try {
        std::ifstream file(path, std::ios::binary);
        text.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
        if (!file) refuse(errno);
    } catch (const std::ios_base::failure&) {  // of a directory
        refuse(errno);
    }
    return parse(text, path);
}

password_file password_file::parse(std::string_view text, std::string_view file) {
    password_file made;
    for (unsigned number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (trimmed(line).empty() || line.starts_with('#')) continue;
        const auto refuse = [&](std::string_view why) {
            throw std::runtime_error(fmt::format("{}:{}: {}", file, number, why));
        };
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0)
            refuse("want NAME:HASH, as `htpasswd -nB NAME` or `mkpasswd` makes it");
        const std::string_view name = line.substr(0, colon);
        const std::string_view behind = line.substr(colon + 1);
        const std::string hash(behind.substr(0, behind.find(':')));
        if (!can_check_hash(hash))
            refuse(
                "this hash cannot be checked here: want bcrypt ($2y$), SHA-crypt ($5$, $6$), yescrypt ($y$) "
                "or scrypt ($7$); `htpasswd -nB NAME` makes one");
        if (takes_too_long(hash))
            refuse(
                fmt::format("this hash takes too long to check: want bcrypt with a cost of {} at most, "
                            "SHA-crypt with {} rounds at most, or yescrypt or scrypt with a cost of 11 at "
                            "most; `htpasswd -nB NAME` makes one",
                            most_bcrypt_cost, most_sha_rounds));
        made.hashes_.emplace_back(name, hash);
    }
    if (made.hashes_.empty()) throw std::runtime_error(fmt::format("{}: there is no name in it", file));
    std::ranges::sort(made.hashes_);
    const auto twice = std::ranges::adjacent_find(
        made.hashes_, [](const auto& a, const auto& b) { return a.first == b.first; });
    if (twice != made.hashes_.end())
        throw std::runtime_error(fmt::format("{}: {} is there twice", file, twice->first));
    return made;
}

bool password_file::matches(std::string_view name, std::string_view password) const {
    const auto found = std::ranges::lower_bound(
        hashes_, name, {}, [](const auto& each) -> std::string_view { return each.first; });
    const bool known = found != hashes_.end() && found->first == name;
    const std::string& hash = known ? found->second : hashes_.front().second;
    return hash_matches(hash, std::string(password)) && known;
}

}  // namespace naru::http
