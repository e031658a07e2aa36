// Documents one loop has answered with lately, found by their decoded path, so that all its spellings share
// one. Bounded in entries, bytes (keys included) and descriptors, all caches of a loop together; the least
// recently used of them goes first.
#pragma once

#include <naru/core/check.hpp>
#include <naru/core/clock.hpp>
#include <naru/core/intrusive.hpp>
#include <naru/http/handlers/document.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace naru::http {

struct disk_flight;
class file_cache;

/// A document in use or in the cache. Whoever sends from it holds it; one that is dropped from the cache
/// lives until then.
struct cached_document : list_node {
    std::string path;  ///< decoded
    std::unique_ptr<document> content;
    std::uint64_t hash = 0;
    std::size_t bytes = 0;            ///< what it counts for in the cache
    instant checked;                  ///< when the files were last seen unchanged
    disk_flight* checking = nullptr;  ///< a look under way whether they still are
    file_cache* home = nullptr;       ///< whose it is
    std::uint32_t holders = 0;
    bool in_cache = false;
};

/// What the caches of a loop take together.
struct cache_totals {
    struct amount {
        std::size_t entries = 0;
        std::size_t bytes = 0;
        std::size_t descriptors = 0;
    };
    std::uint64_t hits = 0;  ///< looks for a document
    std::uint64_t misses = 0;
    amount cached;
    amount loose;      ///< documents that are held but in no cache (any more); their entries are not counted
    list_head by_use;  ///< cached_documents, those used last at the back
};

class file_cache {
 public:
    /// `totals` is borrowed: the limits are for all that count there. Without it the cache counts for itself.
    explicit file_cache(cache_totals* totals = nullptr);
    ~file_cache();
    file_cache(const file_cache&) = delete;
    file_cache& operator=(const file_cache&) = delete;

    /// The entry for a decoded path, or nullptr. Marks it as used.
    cached_document* find(std::string_view path) noexcept;

    /// A request was answered from what find has found, or not.
    void note_look(bool found) noexcept { ++(found ? totals_->hits : totals_->misses); }

    /// Takes a document in, held once by the caller. Others may be dropped for it.
    cached_document& insert(std::string_view path, std::unique_ptr<document> content, instant now);

    /// One that is sent but not kept (listings), held once.
    cached_document& wrap(std::string_view path, std::unique_ptr<document> content);

    void drop(cached_document& entry) noexcept;
    /// Drops all.
    void clear() noexcept;
    void hold(cached_document& entry) noexcept { ++entry.holders; }
    void let_go(cached_document& entry) noexcept {
        NARU_ASSERT(entry.holders > 0);
        if (--entry.holders == 0 && !entry.in_cache) destroy_loose(entry);
    }

    std::size_t size() const noexcept { return count_; }
    std::size_t bytes() const noexcept { return bytes_; }

    /// What is held and not in the cache (any more): it lives until its holders let it go.
    std::size_t loose_bytes() const noexcept { return totals_->loose.bytes; }
    std::size_t loose_descriptors() const noexcept { return totals_->loose.descriptors; }

 private:
    struct place {
        std::uint64_t hash = 0;
        cached_document* entry = nullptr;
    };

    std::uint64_t hash_of(std::string_view path) const noexcept;
    std::size_t home_of(std::uint64_t hash) const noexcept { return hash & (places_.size() - 1); }
    void make_room() noexcept;
    void make_places();
    void loosen(const document& what) noexcept;
    void destroy_loose(cached_document& entry) noexcept;

    std::vector<place> places_;  // open addressing, linear, at most half full: grows with what it holds
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
    cache_totals own_totals_;
    cache_totals* totals_;
    std::uint64_t seed_;  // so that nobody can choose paths that collide
};

}  // namespace naru::http
