// A program on a simulated host, that can be killed and started again.
#pragma once

#include <naru/core/check.hpp>
#include <naru/coro/run.hpp>
#include <naru/coro/task.hpp>
#include <naru/loop/loop.hpp>
#include <naru/sim/world.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace naru::sim {

/// Runs `body` as a task, on a loop of its own, on a host. The body may be called again, by restart: what it
/// keeps from one life to the next must be on the host's disk. Pinned. An exception of the body comes out of
/// whatever ends it; of the destructor it does not, and the world has failed (world::require).
class process {
 public:
    using body = std::move_only_function<task<>(loop&)>;

    /// Started at once.
    process(host& on, body what) : host_(on), body_(std::move(what)) { start(); }
    ~process() {
        try {
            stop();
        } catch (const std::exception& thrown) {
            has_thrown(thrown.what());
        } catch (...) {
            has_thrown("what is no std::exception");
        }
    }
    process(const process&) = delete;
    process& operator=(const process&) = delete;

    /// Stops the body's scope, and waits for its end, in virtual time. Ends the program with a sentence if
    /// the body goes on for an hour.
    void stop() {
        if (!running_) return;
        running_->stop();
        end();
    }
    /// The host's power fails (host::crash). What the body still does, in being stopped, has no effect.
    void crash() {
        host_.crash();
        stop();
    }
    /// The host, if it is down, and the body anew.
    void restart() {
        stop();
        if (host_.is_down()) host_.restart();
        start();
    }
    /// Whether the body has not ended by itself.
    bool running() const noexcept { return running_ && !running_->ended(); }
    host& on() const noexcept { return host_; }

 private:
    void start() {
        loop_ = host_.make_loop();
        const world::visit there(host_);
        running_.emplace(*loop_, attend(body_(*loop_), host_));
    }
    // What it throws stands in the trace when it does, and not only when it is asked for.
    static task<> attend(task<> running, host& on) {
        try {
            co_await std::move(running);
        } catch (const std::exception& thrown) {
            on.in().note(words_for(on, thrown.what()));
            throw;
        }
    }
    static std::string words_for(const host& on, std::string_view what) {
        return "the program on " + on.name() + " has thrown: " + std::string(what);
    }
    void has_thrown(std::string_view what) { host_.in().require(false, words_for(host_, what)); }
    void end() {
        if (!host_.in().run_until([this] { return running_->ended(); }, std::chrono::hours(1)))
            fatal("a process of the simulated world does not end though it was stopped");
        struct cleared {
            ~cleared() {
                of.running_.reset();
                of.loop_.reset();
            }
            process& of;
        } const at_last{*this};
        running_->take();
    }

    host& host_;
    body body_;
    std::unique_ptr<loop> loop_;
    std::optional<started_task<>> running_;
};

}  // namespace naru::sim
