// How a server's loops are asked what they have counted, and told what to do: by a post to each. What one
// counted at its end is kept.
#pragma once

#include <naru/http/server/metrics.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace naru {
class loop;
}

namespace naru::http {

class worker;

/// One question to all loops: their answers are added up.
struct measurement {
    std::mutex mutex;
    std::condition_variable changed;
    server_metrics sum;
    unsigned missing = 0;
};

/// A worker that may be asked and told from any thread, until its end and after it.
class measured_loop : public std::enable_shared_from_this<measured_loop> {
 public:
    /// Both are borrowed until the end of `running`.
    measured_loop(loop& on, worker& of) noexcept : loop_(on), worker_(of) {}

    /// While its thread runs. On that thread.
    class running {
     public:
        explicit running(measured_loop& of) noexcept;
        ~running();
        running(const running&) = delete;
        running& operator=(const running&) = delete;

     private:
        measured_loop& of_;
    };

    /// `asked` gets one answer: soon, or before this returns if the thread does not run. Throws
    /// std::bad_alloc.
    void ask(const std::shared_ptr<measurement>& asked, bool anew);

    /// `until`: given back once its thread has run what was posted before, or if it does not run. Throws
    /// std::bad_alloc.
    void hold(std::shared_ptr<void> until);

    /// `what` is called on its thread, soon; of one that has ended, or never begins, not at all. Throws
    /// std::bad_alloc.
    void tell(std::move_only_function<void(worker&)> what);

 private:
    struct question {
        std::shared_ptr<measurement> asked;
        bool anew;
    };
    void answer_all() noexcept;
    static void answer(const question& to, const server_metrics* with) noexcept;

    loop& loop_;
    worker& worker_;
    std::mutex mutex_;
    std::vector<question> questions_;
    std::optional<server_metrics> last_;
    bool runs_ = false;
    bool ended_ = false;
};

/// Waits for their answers, but no longer than `patience`.
server_metrics measure_all(const std::vector<std::shared_ptr<measured_loop>>& loops,
                           std::chrono::milliseconds patience, bool anew);

}  // namespace naru::http
