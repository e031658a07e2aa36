// The first of many directory entries in the order of a listing, in memory for no more than those.
#pragma once

#include <naru/os/file_system.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace naru {

class first_entries {
 public:
    explicit first_entries(std::size_t limit) noexcept : limit_(limit) {}

    /// Directories before the rest, each by name.
    static bool before(const directory_entry& a, const directory_entry& b) noexcept {
        const bool a_directory = a.status.kind == file_kind::directory;
        const bool b_directory = b.status.kind == file_kind::directory;
        return a_directory != b_directory ? a_directory : a.name < b.name;
    }

    /// Whether add would keep it; if not, what take returns is cut.
    bool keeps(const directory_entry& entry) noexcept {
        const bool kept = kept_.size() < limit_ || (limit_ > 0 && before(entry, kept_.front()));
        if (!kept) cut_ = true;
        return kept;
    }
    void add(directory_entry entry) {
        if (!keeps(entry)) return;
        if (kept_.size() == limit_) {
            std::ranges::pop_heap(kept_, before);
            kept_.pop_back();
            cut_ = true;
        }
        kept_.push_back(std::move(entry));
        std::ranges::push_heap(kept_, before);
    }
    /// There are more that have not been looked at.
    void cut() noexcept { cut_ = true; }

    /// Sorted.
    directory_listing take() {
        std::ranges::sort_heap(kept_, before);
        return {std::move(kept_), cut_};
    }

 private:
    const std::size_t limit_;
    std::vector<directory_entry> kept_;  // a heap, the last one first
    bool cut_ = false;
};

}  // namespace naru
