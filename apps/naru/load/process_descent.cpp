#include <load/process_tree.hpp>

namespace naru::load {

std::vector<int> descend_from(int root, const std::multimap<int, int>& children) {
    std::vector<int> tree{root};
    for (std::size_t next = 0; next < tree.size(); ++next) {
        const auto [first, last] = children.equal_range(tree[next]);
        for (auto each = first; each != last; ++each)
            tree.push_back(each->second);
    }
    return tree;
}

}  // namespace naru::load
