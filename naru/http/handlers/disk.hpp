// What one loop asks of the disk: documents beneath the root. A look that would block is made by a worker
// thread, once for all who wait for it; nobody waits for ever, and what is cached is served whatever the disk
// does.
#pragma once

#include <naru/core/intrusive.hpp>
#include <naru/fs/files.hpp>
#include <naru/http/handlers/blocking_threads.hpp>
#include <naru/http/handlers/file_cache.hpp>
#include <naru/http/handlers/files.hpp>
#include <naru/http/limits.hpp>
#include <naru/loop/loop.hpp>
#include <naru/loop/worker_pool.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>

namespace naru::http {

/// What became of a request for a document.
struct disk_answer {
    enum class kind : std::uint8_t {
        found,   ///< `document`, which is not `unlisted`
        failed,  ///< `error`: those of load_document; EAGAIN: too much waits; ETIMEDOUT: the disk hangs
        waits,   ///< the waiter is called
        again,   ///< to be asked once more: what was waited for concerns everybody
    };
    kind is = kind::waits;
    cached_document* document = nullptr;
    std::error_code error;
};

/// A request that waits, part of whatever handles it. Leave the disk before its end.
struct disk_waiter : list_node {
    /// Takes an answer that is not `waits`; a document in it is held by the caller while this runs.
    using function = void (*)(disk_waiter&, const disk_answer&) noexcept;
    explicit disk_waiter(function on_answer) noexcept : answered(on_answer) {}

    function answered;
    disk_flight* in = nullptr;
};

/// Belongs to its loop's thread, but for what stands in a flight.
class disk {
 public:
    /// Everything but the root is borrowed. `on_idle` is called when the last look under way has ended.
    disk(loop& on, const files_source& source, file_cache& cache, blocking_threads& threads,
         std::function<void()> on_idle);
    /// No look may be under way.
    ~disk();
    disk(const disk&) = delete;
    disk& operator=(const disk&) = delete;

    /// The document at a decoded path: at once from the cache or what the system has in memory, else `waits`.
    /// A document that is found is held once more, by the caller.
    disk_answer find(std::string_view path, disk_waiter& who) noexcept {
        const instant now = loop_.now();
        if (now - root_checked_ > limits::cache_age) return find_by_root(path, who, now);
        cached_document* const known = cache_.find(path);
        cache_.note_look(known != nullptr);
        if (known == nullptr || now - known->checked > limits::cache_age)
            return find_stale(path, known, who, now);
        cache_.hold(*known);
        return {disk_answer::kind::found, known, {}};
    }

    /// Without effect on one that does not wait.
    void leave(disk_waiter& who) noexcept;
    /// When to leave and ask again: what is known is then given, stale, or an error.
    instant patience_of(const disk_waiter& who) const noexcept;

    /// Looks that no thread has begun end now.
    void cancel_queued() noexcept;
    bool idle() const noexcept { return flights_.empty(); }

 private:
    friend struct disk_flight;

    disk_answer find_by_root(std::string_view path, disk_waiter& who, instant now) noexcept;
    disk_answer find_stale(std::string_view path, cached_document* known, disk_waiter& who,
                           instant now) noexcept;
    bool has_turn(instant now) noexcept;
    bool take_turn(instant now) noexcept;
    disk_answer wait_for_turn(disk_waiter& who);
    void call_those_who_wait(disk_flight& flight) noexcept;
    bool knows_root(instant now);
    disk_answer find_known(cached_document& known, disk_waiter& who, instant now);
    disk_answer settle(std::unique_ptr<document> loaded, std::string_view path, disk_waiter& who,
                       instant now);
    disk_answer keep(std::unique_ptr<document> loaded, std::string_view path, bool lasts,
                     instant looked_at) noexcept;
    disk_answer wait(disk_flight& flight, disk_waiter& who) noexcept;
    disk_flight& begin(std::unique_ptr<disk_flight> made);
    void ended(disk_flight& flight) noexcept;
    void root_followed(disk_flight& flight) noexcept;
    bool file_looked_at(disk_flight& flight) noexcept;
    bool known_looked_at(disk_flight& flight) noexcept;
    void hand_out(disk_flight& flight) noexcept;
    void destroy(disk_flight& flight) noexcept;

    loop& loop_;
    const files_options& options_;
    std::shared_ptr<const directory_root> root_;
    instant root_checked_;
    file_cache& cache_;
    blocking_threads& threads_;
    std::function<void()> on_idle_;
    list_head flights_;
    std::unordered_map<std::string_view, disk_flight*> by_path_;  // those that new requests may join
    disk_flight* following_ = nullptr;                            // the look at the root
    disk_flight* waiting_for_turn_ = nullptr;
    bool is_called_ = false;              // to make its look, which was waited for
    unsigned looks_left_ = 0;             // of this thread, in the tick
    instant looked_at_ = instant::min();  // that tick
    std::size_t waiting_ = 0;
};

}  // namespace naru::http
