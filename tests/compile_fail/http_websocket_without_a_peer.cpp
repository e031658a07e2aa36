// says: naru: a WebSocket's handler is task<>(websocket_peer), called as a const object
#include <naru/http/http.hpp>

void example(naru::http::site& site) {
#ifdef MISUSE
    site.get("/", naru::http::websocket([](naru::http::exchange&) -> naru::task<> { co_return; }));
#else
    site.get("/", naru::http::websocket([](naru::http::websocket_peer) -> naru::task<> { co_return; }));
#endif
}
