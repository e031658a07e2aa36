#include <naru/http/site/routes.hpp>

#include <naru/http/message/fields.hpp>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace naru::http {

struct route_table::node {
    std::string segment;
    std::vector<std::unique_ptr<node>> children;  // by segment
    std::unique_ptr<node> parameter;
    std::array<const route*, method_count> here{};
    std::array<const route*, method_count> rest{};
    const route* mounted = nullptr;

    node* child(std::string_view name) const noexcept {
        const auto found = std::ranges::lower_bound(
            children, name, {},
            [](const std::unique_ptr<node>& each) -> std::string_view { return each->segment; });
        return found != children.end() && (*found)->segment == name ? found->get() : nullptr;
    }
    node& child_or_new(std::string_view name) {
        if (node* const known = child(name)) return *known;
        auto made = std::make_unique<node>();
        made->segment = name;
        const auto place = std::ranges::lower_bound(
            children, name, {},
            [](const std::unique_ptr<node>& each) -> std::string_view { return each->segment; });
        return **children.insert(place, std::move(made));
    }
};

struct route_table::search {
    std::size_t method;
    route_match* into;
    const char* begin;
    const route* mounted = nullptr;
    std::size_t mounted_prefix = 0;
    bool mounted_at = false;
};

namespace {

[[noreturn]] void malformed(std::string_view pattern, const char* why) {
    throw std::invalid_argument("the route \"" + std::string(pattern) + "\" " + why);
}

bool is_name(std::string_view text) noexcept {
    constexpr byte_table names = make_byte_table("_-");
    return !text.empty() && all_in(names, text);
}

}  // namespace

route_table::route_table() : root_(std::make_unique<node>()) {}
route_table::~route_table() = default;

// The node where a pattern ends; with {name...} at its end, the node before that.
route_table::node& route_table::node_for(std::string_view pattern, route& made, bool& ends_open) {
    if (!pattern.starts_with('/')) malformed(pattern, "does not begin with a slash");
    if (const std::size_t segments = static_cast<std::size_t>(std::ranges::count(pattern, '/'));
        segments > limits::route_segments)
        malformed(pattern, "has too many segments");
    node* at = root_.get();
    std::string_view left = pattern.substr(1);
    while (true) {
        const std::size_t slash = left.find('/');
        const bool last = slash == std::string_view::npos;
        const std::string_view segment = left.substr(0, slash);
        if (segment.starts_with('{') && segment.ends_with('}')) {
            std::string_view name = segment.substr(1, segment.size() - 2);
            const bool open = name.ends_with("...");
            if (open) name.remove_suffix(3);
            if (!is_name(name)) malformed(pattern, "has a parameter without a good name");
            if (std::ranges::find(made.names, name) != made.names.end())
                malformed(pattern, "has two parameters of one name");
            if (made.names.size() == limits::path_parameters) malformed(pattern, "has too many parameters");
            made.names.emplace_back(name);
            if (open) {
                if (!last)
                    malformed(pattern,
                              "goes on behind {"
                              "name...}, which is the rest of the path");
                ends_open = true;
                return *at;
            }
            if (!at->parameter) at->parameter = std::make_unique<node>();
            at = at->parameter.get();
        } else {
            if (segment.find_first_of("{}") != std::string_view::npos)
                malformed(pattern, "has braces that are not around a whole segment");
            if (!last && segment.empty()) malformed(pattern, "has an empty segment");
            if (segment == "." || segment == "..")
                malformed(pattern, "has a dot segment, which no path keeps");
            at = &at->child_or_new(segment);
        }
        if (last) return *at;
        left.remove_prefix(slash + 1);
    }
}

route& route_table::add(http::method of, std::string_view pattern, detail::handler handles,
                        route_options options) {
    if (of == method::other || of == method::connect)
        malformed(pattern, "is for a method that cannot have one");
    if (handles.kind == detail::handler_kind::files)
        malformed(pattern, "leads to files, which are mounted: site.mount(prefix, files(directory))");
    auto made = std::make_unique<route>();
    made->pattern = pattern;
    made->handles = std::move(handles);
    made->options = std::move(options);
    bool ends_open = false;
    node& at = node_for(pattern, *made, ends_open);
    const route*& place = (ends_open ? at.rest : at.here)[static_cast<std::size_t>(of)];
    if (place != nullptr) malformed(pattern, "is there already");
    routes_.push_back(std::move(made));
    place = routes_.back().get();
    return *routes_.back();
}

route& route_table::mount(std::string_view prefix, detail::handler handles, route_options options) {
    auto made = std::make_unique<route>();
    made->pattern = prefix;
    made->handles = std::move(handles);
    made->options = std::move(options);
    made->is_mount = true;
    node* at = root_.get();
    std::string_view trimmed_prefix = prefix;
    if (trimmed_prefix.ends_with('/')) trimmed_prefix.remove_suffix(1);
    if (trimmed_prefix.ends_with('/')) malformed(prefix, "has an empty segment");
    if (!trimmed_prefix.empty()) {
        bool ends_open = false;
        at = &node_for(trimmed_prefix, *made, ends_open);
        if (!made->names.empty()) malformed(prefix, "is a mount, which has no parameters");
    } else if (prefix != "/") {
        malformed(prefix, "does not begin with a slash");
    }
    if (at->mounted != nullptr) malformed(prefix, "is there already");
    routes_.push_back(std::move(made));
    at->mounted = routes_.back().get();
    return *routes_.back();
}

bool route_table::take(const std::array<const route*, method_count>& here, search& state) noexcept {
    const route* found = here[state.method];
    if (found == nullptr && state.method == static_cast<std::size_t>(method::head))
        found = here[static_cast<std::size_t>(method::get)];
    if (found != nullptr) {
        state.into->found = found;
        return true;
    }
    for (std::size_t each = 0; each < here.size(); ++each)
        state.into->allowed |= here[each] != nullptr ? 1u << each : 0;
    return false;
}

bool route_table::walk(const node& at, std::string_view left, bool done, search& state) noexcept {
    if (at.mounted != nullptr) {  // the deepest counts, and what is beneath this one comes later
        state.mounted = at.mounted;
        state.mounted_at = done;
        state.mounted_prefix = static_cast<std::size_t>(left.data() - state.begin);
    }
    if (done) return take(at.here, state);
    const std::size_t slash = left.find('/');
    const bool last = slash == std::string_view::npos;
    const std::string_view segment = left.substr(0, slash);
    const std::string_view behind = last ? left.substr(left.size()) : left.substr(slash + 1);
    if (const node* const child = at.child(segment); child != nullptr && walk(*child, behind, last, state))
        return true;
    std::uint8_t& count = state.into->param_count;
    if (at.parameter && !segment.empty()) {
        state.into->params[count++] = segment;
        if (walk(*at.parameter, behind, last, state)) return true;
        --count;
    }
    if (count < limits::path_parameters && take(at.rest, state)) {
        state.into->params[count++] = left;
        return true;
    }
    return false;
}

void route_table::find(std::string_view path, http::method asked, route_match& into) const noexcept {
    search state{static_cast<std::size_t>(asked), &into, path.data()};
    if (walk(*root_, path, false, state) || into.allowed != 0 || state.mounted == nullptr) return;
    into.found = state.mounted;
    into.prefix = state.mounted_prefix;
    into.at_prefix = state.mounted_at;
}

const route* route_table::only_files() const noexcept {
    if (routes_.size() != 1 || root_->mounted == nullptr) return nullptr;
    return root_->mounted->handles.kind == detail::handler_kind::files ? root_->mounted : nullptr;
}

std::string_view allow_text(std::uint32_t methods, std::array<char, 96>& into) noexcept {
    constexpr std::array<std::string_view, method_count> names = {"GET",   "HEAD",   "OPTIONS", "POST", "PUT",
                                                                  "PATCH", "DELETE", "CONNECT", "TRACE"};
    if ((methods & (1u << static_cast<unsigned>(method::get))) != 0)
        methods |= 1u << static_cast<unsigned>(method::head);
    methods |= 1u << static_cast<unsigned>(method::options);
    std::size_t size = 0;
    for (std::size_t each = 0; each < names.size(); ++each) {
        if ((methods & (1u << each)) == 0) continue;
        if (size > 0) {
            std::memcpy(into.data() + size, ", ", 2);
            size += 2;
        }
        std::memcpy(into.data() + size, names[each].data(), names[each].size());
        size += names[each].size();
    }
    return {into.data(), size};
}

}  // namespace naru::http
