// What a loop does of operations on files where its backend does not: at once if the system has it in memory,
// else by a worker.
#pragma once

#include <naru/core/intrusive.hpp>
#include <naru/core/object_pool.hpp>
#include <naru/loop/backend.hpp>
#include <naru/loop/layer.hpp>
#include <naru/loop/operation.hpp>
#include <naru/loop/worker_pool.hpp>
#include <naru/os/file_system.hpp>

#include <cstdint>

namespace naru {

/// Of one loop, on its thread.
class file_work final : public layer {
 public:
    explicit file_work(loop& of) noexcept : loop_(of) {}

    /// Whether a close may have to wait here.
    bool busy() const noexcept { return jobs_.live() != 0; }
    /// Operations of its own on workers, one for each of others that it has taken.
    std::size_t jobs() const noexcept { return jobs_.live(); }
    /// True if a queued operation is not the backend's: it has been taken, or has completed.
    bool take(operation& op) noexcept;
    void cancel(operation& op) noexcept override;

 private:
    // The descriptor is held until the worker has done with it, also a lent one.
    struct job : work_operation, list_node {
        job(file_work& by, operation& asked, file_system& on, borrowed_descriptor&& file) noexcept;
        file_work& owner;
        operation& op;
        const handle target;  // the operation's, which is the layer's place meanwhile
        file_system& disk;
        borrowed_descriptor lent;
        std::int64_t outcome = 0;
    };

    bool must_wait(operation& closing) noexcept;
    bool is_in_use(handle file) const noexcept;
    bool is_closing(handle file) const noexcept;
    void start(operation& op, borrowed_descriptor&& lent) noexcept;
    void ended(job& of) noexcept;

    loop& loop_;
    object_pool<job> jobs_;
    list_head under_way_;
    operation_queue closing_;  // closes and releases that wait for jobs on their handles
};

}  // namespace naru
