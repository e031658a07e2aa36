#include <lab/svg_label.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace naru::lab {

void spread_out(std::span<stacked_label> labels, double top, double bottom) {
    std::vector<stacked_label*> order;
    for (auto& each : labels)
        order.push_back(&each);
    // Equal ones stay in their order: their addresses are.
    std::ranges::sort(order, [](const stacked_label* a, const stacked_label* b) {
        return a->wanted != b->wanted ? a->wanted < b->wanted : a < b;
    });
    // Neighbours that touch become a block, and a block has its middle where its labels want theirs on
    // average.
    struct block {
        std::size_t first;
        double wanted_top_sum;
        double count;
        double height;
        double top;
    };
    std::vector<block> blocks;
    const auto settle = [&](block& each) {
        each.top = std::max(top, std::min(each.wanted_top_sum / each.count, bottom - each.height));
    };
    for (std::size_t at = 0; at < order.size(); ++at) {
        const stacked_label& label = *order[at];
        blocks.push_back({at, label.wanted - label.height / 2, 1, label.height, 0});
        settle(blocks.back());
        while (blocks.size() > 1) {
            block& above = blocks[blocks.size() - 2];
            const block& below = blocks.back();
            if (above.top + above.height <= below.top) break;
            above.wanted_top_sum += below.wanted_top_sum - above.height * below.count;
            above.count += below.count;
            above.height += below.height;
            blocks.pop_back();
            settle(blocks.back());
        }
    }
    for (std::size_t at = 0; at < blocks.size(); ++at) {
        const std::size_t end = at + 1 < blocks.size() ? blocks[at + 1].first : order.size();
        double y = blocks[at].top;
        for (std::size_t each = blocks[at].first; each < end; ++each) {
            order[each]->middle = y + order[each]->height / 2;
            y += order[each]->height;
        }
    }
}

void label_field::avoid_line(double x0, double y0, double x1, double y1) {
    constexpr double apart = 5;
    const int steps = 1 + static_cast<int>(std::min(std::hypot(x1 - x0, y1 - y0), 4000.0) / apart);
    for (int step = 0; step <= steps; ++step) {
        const double part = static_cast<double>(step) / steps;
        spots_.push_back({x0 + (x1 - x0) * part, y0 + (y1 - y0) * part});
    }
}

double label_field::cost(const box& candidate) const {
    constexpr double crossed_line = 1;
    constexpr double covered_label = 100;
    constexpr double outside = 1000;
    double sum = 0;
    for (const auto& [x, y] : spots_) {
        if (x > candidate.x && x < candidate.x + candidate.width && y > candidate.y &&
            y < candidate.y + candidate.height) {
            sum += crossed_line;
        }
    }
    for (const auto& other : boxes_) {
        const double wide =
            std::min(other.x + other.width, candidate.x + candidate.width) - std::max(other.x, candidate.x);
        const double high =
            std::min(other.y + other.height, candidate.y + candidate.height) - std::max(other.y, candidate.y);
        if (wide > 0 && high > 0) sum += covered_label;
    }
    const bool is_inside = candidate.x >= inside_.x && candidate.y >= inside_.y &&
                           candidate.x + candidate.width <= inside_.x + inside_.width &&
                           candidate.y + candidate.height <= inside_.y + inside_.height;
    return is_inside ? sum : sum + outside;
}

box label_field::place(double x, double y, double width, double height) {
    box best{x, y, width, height};
    double least = std::numeric_limits<double>::max();
    for (const double away : {11.0, 22.0, 36.0, 54.0, 78.0}) {
        const double left = x - away - width;
        const double right = x + away;
        const double above = y - away - height;
        const double below = y + away;
        const box candidates[] = {
            {right, y - height / 2, width, height},
            {left, y - height / 2, width, height},
            {x - width / 2, above, width, height},
            {x - width / 2, below, width, height},
            {right * .4 + x * .6, above, width, height},
            {right * .4 + x * .6, below, width, height},
            {left, above, width, height},
            {left, below, width, height},
        };
        for (const box& each : candidates) {
            const double found = cost(each) + away / 8;
            if (found < least) {
                least = found;
                best = each;
            }
        }
    }
    boxes_.push_back(best);
    return best;
}

}  // namespace naru::lab
