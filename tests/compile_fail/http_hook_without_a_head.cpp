// says: naru: a hook on heads is void(const exchange&, answer_head&), and can be copied
#include <naru/http/http.hpp>

void example(naru::http::site& site) {
#ifdef MISUSE
    site.on_head([](const naru::http::exchange&) {});
#else
    site.on_head([](const naru::http::exchange&, naru::http::answer_head&) {});
#endif
}
