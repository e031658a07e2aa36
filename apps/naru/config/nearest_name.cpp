#include "nearest_name.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace naru::program {

namespace {

// Damerau's and Levenshtein's distance, without overlapping swaps.
std::size_t distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> before(to.size() + 1);
    std::vector<std::size_t> last(to.size() + 1);
    std::vector<std::size_t> here(to.size() + 1);
    for (std::size_t column = 0; column <= to.size(); ++column)
        last[column] = column;
    for (std::size_t row = 1; row <= from.size(); ++row) {
        here[0] = row;
        for (std::size_t column = 1; column <= to.size(); ++column) {
            const bool same = from[row - 1] == to[column - 1];
            here[column] =
                std::min({last[column] + 1, here[column - 1] + 1, last[column - 1] + (same ? 0 : 1)});
            const bool swapped =
                row > 1 && column > 1 && from[row - 1] == to[column - 2] && from[row - 2] == to[column - 1];
            if (swapped) here[column] = std::min(here[column], before[column - 2] + 1);
        }
        before.swap(last);
        last.swap(here);
    }
    return last[to.size()];
}

}  // namespace

std::string_view nearest_name(std::string_view mistyped, std::span<const std::string_view> names) {
    std::string_view nearest;
    std::size_t least = std::max<std::size_t>(1, mistyped.size() / 3) + 1;
    for (const std::string_view each : names) {
        const std::size_t away = distance(mistyped, each);
        if (away >= least) continue;
        least = away;
        nearest = each;
    }
    return nearest;
}

}  // namespace naru::program
