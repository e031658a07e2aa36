// says: naru: GCC 12 destroys a temporary callable twice when its call is awaited: give it a name
// with: gcc 12
#include <naru/naru.hpp>

#include <string>

naru::task<> example(naru::worker_pool& pool, std::string text) {
#ifdef MISUSE
    (void)co_await naru::offload(pool, [text] { return text.size(); });
#else
    auto job = [text] { return text.size(); };
    (void)co_await naru::offload(pool, job);
#endif
}
