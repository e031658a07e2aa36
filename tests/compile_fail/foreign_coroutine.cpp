// says: naru: this can be awaited only in a coroutine that returns naru::task
#include <naru/naru.hpp>

struct other_coroutine {
    struct promise_type {
        other_coroutine get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() {}
    };
};

#ifdef MISUSE
other_coroutine example() {
#else
naru::task<> example() {
#endif
    (void)co_await naru::sleep_for(std::chrono::seconds(1));
}
