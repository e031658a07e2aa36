// says: nodiscard
#include <naru/naru.hpp>

naru::task<> other() { co_await naru::yield(); }

naru::task<> example() {
#ifdef MISUSE
    other();
#else
    co_await other();
#endif
    co_await naru::yield();
}
