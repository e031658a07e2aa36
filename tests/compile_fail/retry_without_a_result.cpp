// says: naru: retry repeats what gives a naru::result
#include <naru/naru.hpp>

naru::task<> example() {
#ifdef MISUSE
    auto attempt = []() -> naru::task<int> { co_return 1; };
#else
    auto attempt = []() -> naru::task<naru::result<int>> { co_return 1; };
#endif
    (void)co_await naru::retry(naru::back_off(), attempt);
}
