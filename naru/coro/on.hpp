// A task on another loop.
#pragma once

#include <naru/coro/run.hpp>

#include <optional>
#include <utility>

namespace naru {

namespace detail {

/// There and back by posts. The task's frame lives and ends over there; its value is taken here.
template <class T>
class [[nodiscard]] on_request : public request<on_request<T>> {
 public:
    on_request(loop& there, task<T>&& body) noexcept : there_(&there), body_(std::move(body)) {}

    class awaiter : public begins<awaiter>, private stop_entry {
     public:
        explicit awaiter(on_request&& of) noexcept
            : stop_entry([](stop_entry& self) noexcept { static_cast<awaiter&>(self).stop_there(); }),
              there_(of.there_),
              body_(std::move(of.body_)) {}
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;

        bool await_ready() const noexcept { return false; }
        void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
            waiting_ = waiting;
            here_ = &loop_of(in);
            there_->post(start_);
            in.add(*this);
        }
        [[nodiscard]] T await_resume() { return ending_.take(); }

     private:
        struct message : posted {
            message(awaiter& of, void (awaiter::*step)() noexcept) noexcept
                : posted([](posted& self) noexcept {
                      auto& each = static_cast<message&>(self);
                      (each.owner.*each.call)();
                  }),
                  owner(of),
                  call(step) {}
            awaiter& owner;
            void (awaiter::*call)() noexcept;
        };
        // Over there.
        void start() noexcept {
            root_.emplace(*there_);
            try {
                run_there(*this, std::move(*body_));
            } catch (...) {  // no memory for the frame
                ending_.set_exception(std::current_exception());
                ended_there();
            }
        }
        void ended_there() noexcept {
            root_.reset();
            here_->post(end_);
        }
        void stop() noexcept {
            if (root_) root_->scope().stop();
            here_->post(stopped_);
        }

        // Here.
        void stop_there() noexcept {
            stop_under_way_ = true;
            there_->post(stop_);
        }
        void stop_has_been() noexcept {
            stop_under_way_ = false;
            resume_if_over();
        }
        void end() noexcept {
            ended_ = true;
            if (linked()) unlink();
            resume_if_over();
        }
        void resume_if_over() noexcept {
            if (ended_ && !stop_under_way_) waiting_.resume();
        }

        struct visitor {
            struct promise_type : frame_memory {
                explicit promise_type(awaiter& of, auto&&) noexcept : owner(&of), scope(&of.root_->scope()) {}
                awaiter* owner;
                stop_scope* scope;
                struct final_awaiter {
                    bool await_ready() const noexcept { return false; }
                    void await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                        awaiter& told = *self.promise().owner;
                        self.destroy();
                        told.ended_there();
                    }
                    void await_resume() const noexcept {}
                };
                visitor get_return_object() const noexcept { return {}; }
                std::suspend_never initial_suspend() const noexcept { return {}; }
                final_awaiter final_suspend() const noexcept { return {}; }
                void return_void() const noexcept {}
                void unhandled_exception() const noexcept { std::terminate(); }
            };
        };
        static visitor run_there(awaiter& self, task<T> body) {
            try {
                if constexpr (std::is_void_v<T>) {
                    co_await std::move(body);
                    self.ending_.set();
                } else {
                    self.ending_.set(co_await std::move(body));
                }
            } catch (...) {
                self.ending_.set_exception(std::current_exception());
            }
        }

        loop* here_ = nullptr;
        loop* there_;
        std::optional<task<T>> body_;
        std::optional<root> root_;  // over there
        ending<T> ending_;
        std::coroutine_handle<> waiting_;
        message start_{*this, &awaiter::start};
        message end_{*this, &awaiter::end};
        message stop_{*this, &awaiter::stop};
        message stopped_{*this, &awaiter::stop_has_been};
        bool ended_ = false;
        bool stop_under_way_ = false;
    };

 private:
    loop* there_;
    task<T> body_;
};

}  // namespace detail

/// co_await on(other, body()): runs the task on another loop, whose thread runs it until then, and comes back
/// with its value or exception. A stop is carried over. The task may use nothing that belongs to this loop.
template <class T>
auto on(loop& other, task<T> body) {
    return detail::on_request<T>(other, std::move(body));
}

}  // namespace naru
