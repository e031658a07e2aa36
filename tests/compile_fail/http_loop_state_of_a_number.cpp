// says: naru: what makes the state of a loop is called with a loop&, or with nothing
#include <naru/http/http.hpp>

void example(naru::http::site& site) {
#ifdef MISUSE
    site.per_loop([](int begin) { return begin; });
#else
    site.per_loop([](naru::loop&) { return 1; }).per_loop([] { return 2L; });
#endif
}
