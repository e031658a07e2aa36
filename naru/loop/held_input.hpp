// What a loop delivers before its backend does: what came with a handle that was received ahead elsewhere;
// and who waits for a pool buffer that is for no handle.
#pragma once

#include <naru/loop/backend.hpp>
#include <naru/loop/operation.hpp>
#include <naru/loop/received_ahead.hpp>

#include <cstddef>
#include <memory>
#include <unordered_map>

namespace naru {

/// Of one loop, on its thread. Costs a look at two words for each operation where nothing is held.
class held_input {
 public:
    /// Reads on `of` are served from `ahead` until it is used up. Throws std::bad_alloc.
    void hold(handle of, received_ahead&& ahead) { entries_[of] = entry{std::move(ahead)}; }

    bool holds() const noexcept { return !entries_.empty(); }
    /// Whether an operation has to pass here on its way to the backend.
    bool wants(const operation& op) const noexcept {
        return op.kind == operation_kind::buffer || !entries_.empty();
    }
    /// Takes a queued operation; those that are the backend's are pushed to `batch`.
    void take(operation& op, backend& from, operation_queue& batch, operation_queue& done) noexcept;
    /// True if the operation, marked canceling, waited here.
    bool cancel(operation& op, operation_queue& done) noexcept;

    bool somebody_waits() const noexcept { return !waiting_.empty(); }
    /// Serves those who wait for a buffer while there is one.
    void serve(backend& from, operation_queue& batch, operation_queue& done) noexcept;
    /// Whether the operation waits here, which is for a buffer always.
    bool holds_up(const operation& op) const noexcept;

 private:
    struct entry {
        received_ahead ahead;
        std::size_t taken = 0;    // of ahead.bytes, or of ahead.connections
        std::size_t waiting = 0;  // operations in waiting_
    };
    enum class outcome_of : unsigned char { served, must_wait, not_ours };

    outcome_of try_now(operation& op, entry& of, backend& from, operation_queue& done) noexcept;
    void end_waiting(handle on, entry& of, operation_queue& done) noexcept;
    static void leave(operation& op, entry& of) noexcept;
    static bool used_up(const entry& of) noexcept;

    std::unordered_map<handle, entry> entries_;
    operation_queue waiting_;  // in order: for a buffer, or behind one on the same handle that does
};

}  // namespace naru
