// says: naru: a task is awaited once and used up: co_await std::move(task)
#include <naru/naru.hpp>

naru::task<> example(naru::task<int> other) {
#ifdef MISUSE
    (void)co_await other;
#else
    (void)co_await std::move(other);
#endif
}
