// Names and hashes of passwords, as htpasswd and /etc/shadow have them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::http {

/// Immutable once made; any thread. Not on Windows, where there is no crypt(3): making one throws there.
class password_file {
 public:
    /// Lines `name:hash`; what stands behind a second colon is left alone, so are empty lines and those that
    /// begin with '#'. Hashes are crypt(3)'s that take their time: bcrypt ($2a$, $2b$, $2y$), SHA-crypt ($5$,
    /// $6$), yescrypt ($y$) and scrypt ($7$). Throws std::runtime_error, "FILE:LINE: what is wrong".
    static password_file read(const std::string& path);
    static password_file parse(std::string_view text, std::string_view file);

    /// Takes as long as the hash wants, some tens to hundreds of milliseconds; so long for a name that is not
    /// there, too. Throws std::bad_alloc.
    bool matches(std::string_view name, std::string_view password) const;

 private:
    std::vector<std::pair<std::string, std::string>> hashes_;  // by name
};

}  // namespace naru::http
