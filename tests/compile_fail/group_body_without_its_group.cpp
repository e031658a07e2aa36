// says: naru: the body of a group is called with a task_group&
#include <naru/naru.hpp>

naru::task<> example() {
#ifdef MISUSE
    auto body = [](int) -> naru::task<> { co_await naru::yield(); };
#else
    auto body = [](naru::task_group&) -> naru::task<> { co_await naru::yield(); };
#endif
    (void)co_await naru::with_group(body);
}
