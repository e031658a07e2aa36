// says: naru: a handler is called as a const object, with an exchange&
#include <naru/http/http.hpp>

void example(naru::http::site& site) {
#ifdef MISUSE
    site.get("/", [](int) noexcept {});
#else
    site.get("/", [](naru::http::exchange& x) noexcept { x.respond(204); });
#endif
}
