// says: naru: a blocking handler is answer(const request_view&, std::stop_token)
#include <naru/http/http.hpp>

void example(naru::http::site& site) {
#ifdef MISUSE
    site.get("/", naru::http::blocking([](const naru::http::request_view&) { return naru::http::answer(); }));
#else
    site.get("/", naru::http::blocking(
                      [](const naru::http::request_view&, std::stop_token) { return naru::http::answer(); }));
#endif
}
