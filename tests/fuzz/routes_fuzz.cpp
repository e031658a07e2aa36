// Routes: whichever patterns there are, a look-up finds what trying each of them in turn finds.
#include <naru/http/site/routes.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace naru;
using http::method;

void require(bool good) {
    if (!good) std::abort();
}

std::vector<std::string> segments_of(std::string_view path) {
    std::vector<std::string> all;
    while (true) {
        const std::size_t slash = path.find('/');
        all.emplace_back(path.substr(0, slash));
        if (slash == std::string_view::npos) return all;
        path.remove_prefix(slash + 1);
    }
}

struct entry {
    method of;
    std::vector<std::string> segments;
    const http::route* made;
    bool is_mount;
};

enum kind : char { literal, parameter, rest };
kind kind_of(const std::string& segment) {
    return segment.ends_with("...}") ? rest : segment.starts_with('{') ? parameter : literal;
}

// How well a route fits, segment by segment; empty if it does not. The least is the best.
std::string fit(const entry& tried, const std::vector<std::string>& path, std::vector<std::string>& values) {
    std::string how;
    values.clear();
    for (std::size_t at = 0; at < tried.segments.size(); ++at) {
        const std::string& segment = tried.segments[at];
        const kind what = kind_of(segment);
        if (at >= path.size() || (what == literal && segment != path[at]) ||
            (what == parameter && path[at].empty()))
            return {};
        how += static_cast<char>('a' + what);
        if (what == literal) continue;
        values.push_back(path[at]);
        if (what == parameter) continue;
        for (std::size_t behind = at + 1; behind < path.size(); ++behind)
            values.back() += '/' + path[behind];
        return how;
    }
    return tried.segments.size() == path.size() ? how : std::string();
}

// A route's own method goes before what else there is at its place; HEAD is GET where it has no route of its
// own.
bool answers(const entry& tried, method asked) { return tried.of == asked; }

struct found {
    const http::route* route = nullptr;
    std::vector<std::string> values;
    bool any_fits = false;
};

found try_each(const std::vector<entry>& all, const std::vector<std::string>& path, method asked) {
    found best;
    std::string how;
    for (const entry& each : all) {
        if (each.is_mount) continue;
        std::vector<std::string> values;
        std::string fits = fit(each, path, values);
        if (fits.empty() || values.size() > http::limits::path_parameters) continue;
        best.any_fits = true;
        if (answers(each, asked)) {
            fits += 'a';
        } else if (asked == method::head && each.of == method::get) {
            fits += 'b';
        } else {
            continue;
        }
        if (best.route != nullptr && fits >= how) continue;
        how = fits;
        best.route = each.made;
        best.values = std::move(values);
    }
    if (best.any_fits) return best;
    std::size_t deepest = 0;
    for (const entry& each : all) {
        if (!each.is_mount || each.segments.size() > path.size()) continue;
        bool fits = true;
        for (std::size_t at = 0; at < each.segments.size(); ++at)
            fits = fits && each.segments[at] == path[at];
        if (!fits || (best.route != nullptr && each.segments.size() <= deepest)) continue;
        deepest = each.segments.size();
        best.route = each.made;
    }
    return best;
}

std::string line_of(std::string_view& text) {
    const std::size_t end = text.find('\n');
    std::string line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

}  // namespace

// Lines: a digit for a method and a pattern, '>' and a mount's prefix, or '?', a digit and a path that is
// looked up.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    http::route_table table;
    std::vector<entry> all;
    while (!text.empty()) {
        const std::string line = line_of(text);
        if (line.empty()) continue;
        const std::string_view rest_of = std::string_view(line).substr(1);
        if (line.front() == '?') {
            if (rest_of.empty()) continue;
            const auto asked =
                static_cast<method>(static_cast<unsigned char>(rest_of.front()) % http::method_count);
            const std::string path(rest_of.substr(1));
            http::route_match match;
            table.find(path, asked, match);
            const found want = try_each(all, segments_of(path), asked);
            require(match.found == want.route);
            if (match.found == nullptr) {
                require((match.allowed != 0) == want.any_fits);
                continue;
            }
            if (match.found->is_mount) {
                // Its segments and the slash behind them, or all of the path.
                std::string prefix = match.found->pattern.substr(1);
                if (prefix.ends_with('/')) prefix.pop_back();
                require(match.at_prefix == (!prefix.empty() && path == prefix));
                require(path.substr(0, match.prefix) ==
                        (prefix.empty() || match.at_prefix ? prefix : prefix + '/'));
                continue;
            }
            require(match.param_count == want.values.size() &&
                    match.param_count == match.found->names.size());
            for (std::size_t each = 0; each < want.values.size(); ++each)
                require(match.params[each] == want.values[each]);
            continue;
        }
        try {
            http::detail::handler nothing;
            if (line.front() == '>') {
                const http::route& made = table.mount(rest_of, nothing, {});
                std::string_view prefix = rest_of.substr(1);
                if (prefix.ends_with('/')) prefix.remove_suffix(1);
                all.push_back({method::get, prefix.empty() ? std::vector<std::string>() : segments_of(prefix),
                               &made, true});
            } else {
                const auto of =
                    static_cast<method>(static_cast<unsigned char>(line.front()) % http::method_count);
                const http::route& made = table.add(of, rest_of, nothing, {});
                all.push_back({of, segments_of(rest_of.substr(1)), &made, false});
            }
        } catch (const std::invalid_argument&) {
            // A pattern that is malformed, or there already.
        }
    }
    return 0;
}
