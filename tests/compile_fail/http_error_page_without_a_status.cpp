// says: naru: what makes error pages is std::string(unsigned status, std::string_view), and can be copied
#include <naru/http/http.hpp>

void example(naru::http::site& site) {
#ifdef MISUSE
    site.error_page([](std::string_view) { return std::string(); });
#else
    site.error_page([](unsigned, std::string_view) { return std::string(); });
#endif
}
