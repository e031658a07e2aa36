// says: group_key
#include <naru/naru.hpp>

naru::task<> example(naru::stop_scope& scope) {
#ifdef MISUSE
    naru::task_group group({}, scope, nullptr, nullptr);
#else
    (void)scope;
#endif
    co_await naru::yield();
}
