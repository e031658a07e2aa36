// The routes of a site, as a tree of path segments. Look-ups do not allocate.
#pragma once

#include <naru/http/limits.hpp>
#include <naru/http/message/request.hpp>
#include <naru/http/site/handler.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace naru::http {

/// One pattern, for one method or (of a mount) for all.
struct route {
    std::string pattern;
    std::vector<std::string> names;  ///< of its parameters, in their order
    detail::handler handles;
    route_options options;
    bool is_mount = false;
    std::size_t files_index = 0;  ///< of a mount of files: which of its site's
    std::size_t number = 0;       ///< among all of its site, those of hosts included
};

/// The methods that a site can have routes for.
inline constexpr std::size_t method_count = static_cast<std::size_t>(method::other);

/// What a look-up has found.
struct route_match {
    const route* found = nullptr;
    std::uint32_t allowed = 0;  ///< without one: the methods that there are routes for, as bits
    std::array<std::string_view, limits::path_parameters> params;
    std::uint8_t param_count = 0;
    std::size_t prefix = 0;  ///< bytes of the path before what is beneath a mount
    bool at_prefix = false;  ///< it is the mount's prefix itself, without a slash behind it
};

class route_table {
 public:
    route_table();
    ~route_table();
    route_table(const route_table&) = delete;
    route_table& operator=(const route_table&) = delete;

    /// Throws std::invalid_argument for a pattern that is malformed or that there is a route for already.
    route& add(http::method of, std::string_view pattern, detail::handler handles, route_options options);
    route& mount(std::string_view prefix, detail::handler handles, route_options options);

    /// For a path that is decoded and relative (decode_path). A segment goes before a parameter, a parameter
    /// before the rest, and a route before a mount, whether or not it has the method.
    void find(std::string_view path, http::method asked, route_match& into) const noexcept;

    const std::vector<std::unique_ptr<route>>& all() const noexcept { return routes_; }
    /// The one mount of files at the root that is all there is, or nullptr.
    const route* only_files() const noexcept;

 private:
    struct node;
    struct search;

    node& node_for(std::string_view pattern, route& made, bool& ends_open);
    static bool walk(const node& at, std::string_view left, bool done, search& state) noexcept;
    static bool take(const std::array<const route*, method_count>& here, search& state) noexcept;

    std::unique_ptr<node> root_;
    std::vector<std::unique_ptr<route>> routes_;
};

/// "GET, HEAD, OPTIONS" for the bits of methods that there are routes for; HEAD and OPTIONS come with them.
/// Written into `into`.
std::string_view allow_text(std::uint32_t methods, std::array<char, 96>& into) noexcept;

}  // namespace naru::http
