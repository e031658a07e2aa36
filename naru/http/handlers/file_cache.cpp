#include <naru/http/handlers/file_cache.hpp>

#include <naru/core/check.hpp>
#include <naru/http/limits.hpp>
#include <naru/loop/environment.hpp>

#include <cstring>
#include <utility>

namespace naru::http {

namespace {

// The two halves of the 128-bit product, folded. Put together from products of 32-bit halves where there is
// no integer of 128 bits.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
#if defined(__SIZEOF_INT128__)
    __extension__ using wide = unsigned __int128;
    const wide product = static_cast<wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
#else
    constexpr std::uint64_t low = 0xffff'ffff;
    const std::uint64_t lows = (a & low) * (b & low);
    const std::uint64_t cross = (a >> 32) * (b & low) + (lows >> 32);
    const std::uint64_t other_cross = (a & low) * (b >> 32) + (cross & low);
    const std::uint64_t high = (a >> 32) * (b >> 32) + (cross >> 32) + (other_cross >> 32);
    return a * b ^ high;
#endif
}

template <class Word>
std::uint64_t load(const char* from) noexcept {
    Word word = 0;
    std::memcpy(&word, from, sizeof word);
    return word;
}

// Up to eight bytes in one word. What is read twice does no harm: their number is hashed, too.
std::uint64_t load_rest(const char* from, std::size_t count) noexcept {
    if (count >= 4) return load<std::uint32_t>(from) << 32 | load<std::uint32_t>(from + count - 4);
    if (count == 0) return 0;
    const auto at = [from](std::size_t index) noexcept { return load<std::uint8_t>(from + index); };
    return at(0) << 16 | at(count / 2) << 8 | at(count - 1);
}

// Of a cache that holds nothing: a server may have thousands of directories, most of which nobody asks for.
constexpr std::size_t least_places = 16;

}  // namespace

file_cache::file_cache(cache_totals* totals)
    : places_(least_places), totals_(totals != nullptr ? totals : &own_totals_) {
    seed_ = environment::current().entropy();
}

file_cache::~file_cache() { clear(); }

void file_cache::clear() noexcept {
    for (place& each : places_) {
        while (each.entry != nullptr)  // what stood behind it moves up
            drop(*each.entry);
    }
}

// Multiply and fold, eight bytes at a time: 12 ns for eleven bytes, on a busy machine. Seeded, not
// cryptographic.
std::uint64_t file_cache::hash_of(std::string_view path) const noexcept {
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15u;
    std::uint64_t hash = seed_ ^ path.size();
    const char* at = path.data();
    std::size_t left = path.size();
    for (; left >= 8; at += 8, left -= 8)
        hash = mix(hash ^ load<std::uint64_t>(at), odd);
    return mix(hash ^ load_rest(at, left), odd ^ seed_);
}

cached_document* file_cache::find(std::string_view path) noexcept {
    const std::uint64_t hash = hash_of(path);
    for (std::size_t at = home_of(hash); places_[at].entry != nullptr; at = (at + 1) & (places_.size() - 1)) {
        cached_document& entry = *places_[at].entry;
        if (places_[at].hash != hash || entry.path != path) continue;
        if (totals_->by_use.previous_node != &entry) {
            entry.unlink();
            totals_->by_use.push_back(entry);
        }
        return &entry;
    }
    return nullptr;
}

cached_document& file_cache::wrap(std::string_view path, std::unique_ptr<document> content) {
    auto made = std::make_unique<cached_document>();
    made->path = path;
    made->content = std::move(content);
    made->holders = 1;
    loosen(*made->content);
    return *made.release();
}

void file_cache::loosen(const document& what) noexcept {
    totals_->loose.bytes += what.bytes_in_memory();
    totals_->loose.descriptors += what.descriptors();
}

void file_cache::destroy_loose(cached_document& entry) noexcept {
    totals_->loose.bytes -= entry.content->bytes_in_memory();
    totals_->loose.descriptors -= entry.content->descriptors();
    delete &entry;
}

void file_cache::make_places() {
    if (2 * (count_ + 1) <= places_.size()) return;
    std::vector<place> more(2 * places_.size());
    const std::size_t mask = more.size() - 1;
    for (const place& each : places_) {
        if (each.entry == nullptr) continue;
        std::size_t at = each.hash & mask;
        while (more[at].entry != nullptr)
            at = (at + 1) & mask;
        more[at] = each;
    }
    places_.swap(more);
}

cached_document& file_cache::insert(std::string_view path, std::unique_ptr<document> content, instant now) {
    if (cached_document* old = find(path)) drop(*old);
    make_places();
    cached_document& made = wrap(path, std::move(content));
    made.checked = now;
    made.hash = hash_of(path);
    made.bytes = sizeof made + made.path.size() + made.content->bytes_in_memory();
    bytes_ += made.bytes;
    totals_->cached.bytes += made.bytes;
    totals_->cached.descriptors += made.content->descriptors();
    totals_->loose.bytes -= made.content->bytes_in_memory();
    totals_->loose.descriptors -= made.content->descriptors();
    make_room();
    std::size_t at = home_of(made.hash);
    while (places_[at].entry != nullptr)
        at = (at + 1) & (places_.size() - 1);
    places_[at] = {made.hash, &made};
    totals_->by_use.push_back(made);
    made.in_cache = true;
    made.home = this;
    ++count_;
    ++totals_->cached.entries;
    return made;
}

void file_cache::make_room() noexcept {
    const cache_totals::amount& all = totals_->cached;
    while (all.entries >= limits::cache_entries || all.bytes > limits::cache_bytes ||
           all.descriptors > limits::cached_descriptors) {
        list_node* oldest = totals_->by_use.front();
        if (oldest == nullptr) return;
        auto& last = static_cast<cached_document&>(*oldest);
        last.home->drop(last);
    }
}

void file_cache::drop(cached_document& entry) noexcept {
    NARU_ASSERT(entry.in_cache);
    const std::size_t mask = places_.size() - 1;
    std::size_t gap = home_of(entry.hash);
    while (places_[gap].entry != &entry)
        gap = (gap + 1) & mask;
    // Close the gap: whatever follows and may stand here moves up.
    for (std::size_t at = (gap + 1) & mask; places_[at].entry != nullptr; at = (at + 1) & mask) {
        const std::size_t home = home_of(places_[at].hash);
        if (((at - home) & mask) < ((at - gap) & mask)) continue;
        places_[gap] = places_[at];
        gap = at;
    }
    places_[gap] = {};
    entry.unlink();
    entry.in_cache = false;
    --count_;
    bytes_ -= entry.bytes;
    --totals_->cached.entries;
    totals_->cached.bytes -= entry.bytes;
    totals_->cached.descriptors -= entry.content->descriptors();
    loosen(*entry.content);
    if (entry.holders == 0) destroy_loose(entry);
}

}  // namespace naru::http
