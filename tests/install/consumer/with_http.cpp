// A route, asked without a server.
#include <naru/http/http.hpp>
#include <naru/testing/http.hpp>

#include <cstdio>

int main() {
    naru::http::site site;
    site.get("/hello/{name}",
             [](naru::http::exchange& x) noexcept { x.respond(200, "text/plain", x.param("name")); });
    naru::http::test test(std::move(site));
    const auto answer = test.ask("GET", "/hello/ferry");
    const bool works = answer.status == 200 && answer.body == "ferry";
    std::puts(works ? "http works" : "http does not work");
    return works ? 0 : 1;
}
