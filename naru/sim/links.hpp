// The ways between simulated hosts that are not as the others: cut, slow or lossy.
#pragma once

#include <naru/core/clock.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace naru::sim {

class host;

/// Links are the same both ways.
class link_table {
 public:
    struct link {
        bool cut = false;
        std::uint64_t cuts = 0;  ///< counts them: a cut that heals by itself may have been another
        duration longer{0};
        std::uint64_t one_lost_in = 0;
        std::vector<std::move_only_function<void()>> waiting;  ///< until it is healed, in order
    };

    link& between(const host& one, const host& other);
    /// nullptr if it is as the others.
    link* find(const host& one, const host& other) noexcept;
    bool is_cut(const host& one, const host& other) noexcept {
        const link* const found = find(one, other);
        return found != nullptr && found->cut;
    }
    duration longer(const host& one, const host& other) noexcept {
        const link* const found = find(one, other);
        return found != nullptr ? found->longer : duration::zero();
    }
    /// In their order, whatever `call` does to them.
    void for_each(const std::function<void(link&)>& call);
    static void heal(link& of);

 private:
    std::map<std::pair<std::uint64_t, std::uint64_t>, link> links_;
};

}  // namespace naru::sim
