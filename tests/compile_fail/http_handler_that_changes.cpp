// says: naru: a handler is called as a const object, with an exchange&
#include <naru/http/http.hpp>

void example(naru::http::site& site) {
#ifdef MISUSE
    site.get("/", [calls = 0](naru::http::exchange& x) mutable noexcept { x.respond(200 + ++calls); });
#else
    site.get("/", [calls = 0](naru::http::exchange& x) noexcept { x.respond(200 + calls); });
#endif
}
