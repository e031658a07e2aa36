// says: naru: a handler is void(exchange&) noexcept, or a coroutine that returns task<>
#include <naru/http/http.hpp>

void example(naru::http::site& site) {
#ifdef MISUSE
    site.get("/", [](naru::http::exchange& x) { x.respond(204); });
#else
    site.get("/", [](naru::http::exchange& x) noexcept { x.respond(204); });
#endif
}
