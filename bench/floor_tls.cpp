// How little a TLS connection can cost a server: handshakes in memory with the same library, without a
// socket, and only the server's half of them counted: SSL_new, its steps, two tickets, SSL_free.
//
//     floor_tls CERTIFICATE KEY SECONDS [--resume]
//
// Prints one JSON object: handshakes, and CPU microseconds of the server's half of each.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace {

struct release {
    void operator()(SSL_CTX* each) const noexcept { SSL_CTX_free(each); }
    void operator()(SSL* each) const noexcept { SSL_free(each); }
    void operator()(SSL_SESSION* each) const noexcept { SSL_SESSION_free(each); }
};
template <class T>
using owned = std::unique_ptr<T, release>;

void need(bool good, const char* what) {
    if (good) return;
    ERR_print_errors_fp(stderr);
    throw std::runtime_error(what);
}

double now(clockid_t clock) {
    timespec at{};
    clock_gettime(clock, &at);
    return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) / 1e9;
}

// What each writes, the other reads.
void connect(SSL* client, SSL* server) {
    BIO* const to_server = BIO_new(BIO_s_mem());
    BIO* const to_client = BIO_new(BIO_s_mem());
    BIO_up_ref(to_server);
    BIO_up_ref(to_client);
    SSL_set_bio(client, to_client, to_server);
    SSL_set_bio(server, to_server, to_client);
}

// SSL_do_handshake, and whether it is done; alerts are errors.
bool step(SSL* of) {
    const int result = SSL_do_handshake(of);
    need(result == 1 || SSL_get_error(of, result) == SSL_ERROR_WANT_READ, "the handshake has failed");
    return result == 1;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 4) throw std::runtime_error("want CERTIFICATE KEY SECONDS [--resume]");
    const double seconds = std::atof(argv[3]);
    const bool resumes = argc > 4 && std::string_view(argv[4]) == "--resume";
    const owned<SSL_CTX> serving(SSL_CTX_new(TLS_server_method()));
    const owned<SSL_CTX> asking(SSL_CTX_new(TLS_client_method()));
    need(serving && asking, "no context");
    need(SSL_CTX_use_certificate_chain_file(serving.get(), argv[1]) == 1, "the certificate cannot be read");
    need(SSL_CTX_use_PrivateKey_file(serving.get(), argv[2], SSL_FILETYPE_PEM) == 1,
         "the key cannot be read");
    SSL_CTX_set_min_proto_version(serving.get(), TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(serving.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(serving.get(), 2);
    owned<SSL_SESSION> session;
    std::size_t handshakes = 0;
    std::size_t resumed = 0;
    double used = 0;
    const double end = now(CLOCK_MONOTONIC) + seconds;
    while (now(CLOCK_MONOTONIC) < end) {
        const owned<SSL> client(SSL_new(asking.get()));
        SSL_set_connect_state(client.get());
        if (session) SSL_set_session(client.get(), session.get());
        const double begun = now(CLOCK_THREAD_CPUTIME_ID);
        owned<SSL> server(SSL_new(serving.get()));
        SSL_set_accept_state(server.get());
        connect(client.get(), server.get());
        used += now(CLOCK_THREAD_CPUTIME_ID) - begun;
        bool client_done = false;
        bool server_done = false;
        while (!client_done || !server_done) {
            client_done = step(client.get());
            const double before = now(CLOCK_THREAD_CPUTIME_ID);
            server_done = step(server.get());
            used += now(CLOCK_THREAD_CPUTIME_ID) - before;
        }
        char none[1];
        (void)SSL_read(client.get(), none, sizeof none);  // the tickets
        resumed += SSL_session_reused(server.get()) == 1;
        if (resumes) session.reset(SSL_get1_session(client.get()));
        SSL_set_shutdown(client.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        const double before = now(CLOCK_THREAD_CPUTIME_ID);
        server.reset();
        used += now(CLOCK_THREAD_CPUTIME_ID) - before;
        ERR_clear_error();
        ++handshakes;
    }
    need(!resumes || resumed + 1 == handshakes, "not every session was resumed");
    std::printf("{\"handshakes\": %zu, \"cpu_us\": %.3f}\n", handshakes,
                used * 1e6 / static_cast<double>(handshakes));
    return 0;
} catch (const std::runtime_error& why) {
    std::fprintf(stderr, "floor_tls: %s\n", why.what());
    return 1;
}
