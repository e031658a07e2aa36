// says: naru: a coroutine handler returns naru::task<>
#include <naru/http/http.hpp>

void example(naru::http::site& site) {
#ifdef MISUSE
    site.get("/", [](naru::http::exchange&) -> naru::task<int> { co_return 1; });
#else
    site.get("/", [](naru::http::exchange&) -> naru::task<> { co_return; });
#endif
}
