// Where a redirect leads: a text with places for what was asked for.
#pragma once

#include <naru/http/exchange/exchange.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace naru::program {

/// "https://example.org{path}{query}": {path} is the whole path, {rest} what is behind a mount's prefix or
/// the pattern's {rest...}, {query} the query with its question mark, any other name a parameter of the
/// route's pattern. What comes from the request is encoded as in a path.
class redirect_target {
 public:
    /// `pattern`: of the route. Throws std::runtime_error with what is wrong.
    redirect_target(std::string_view text, std::string_view pattern);

    std::string of(const http::exchange& x) const;

 private:
    struct piece {
        enum class kind { text, path, mount_rest, open_rest, query, parameter } is;
        std::string text;
    };
    std::vector<piece> pieces_;
};

}  // namespace naru::program
