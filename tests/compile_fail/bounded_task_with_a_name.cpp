// says: naru: what is awaited is used up: pass it with std::move, or make it in the call
#include <naru/naru.hpp>

naru::task<> example(naru::task<int> other) {
#ifdef MISUSE
    (void)co_await naru::with_deadline(std::chrono::seconds(1), other);
#else
    (void)co_await naru::with_deadline(std::chrono::seconds(1), std::move(other));
#endif
}
