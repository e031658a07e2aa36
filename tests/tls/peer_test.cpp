// OpenSSL itself as the other side: in this process, for what only it can do, and as programs.
#include "support/conformance.hpp"
#include "tls/pair.hpp"

#include <naru/stream/tls/tls_stream.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace naru::testing {
namespace {

/// A client of OpenSSL's own, in memory.
class raw_client {
 public:
    explicit raw_client(int version) : context_(SSL_CTX_new(TLS_client_method())) {
        SSL_CTX_set_max_proto_version(context_.get(), version);
        ssl_.reset(SSL_new(context_.get()));
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_connect_state(ssl_.get());
    }
    SSL* ssl() const noexcept { return ssl_.get(); }
    std::string output() const {
        std::string bytes(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())), '\0');
        if (!bytes.empty()) BIO_read(SSL_get_wbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
        return bytes;
    }
    void take(const std::string& bytes) const {
        if (!bytes.empty()) BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
    }
    bool handshake(tls_side& server) const {
        for (int round = 0; round < 10; ++round) {
            const bool done = SSL_do_handshake(ssl_.get()) == 1;
            server.arrived += output();
            server.step();
            take(server.output());
            if (done && server.established && *server.established) return true;
        }
        return false;
    }

 private:
    struct release {
        void operator()(SSL_CTX* each) const noexcept { SSL_CTX_free(each); }
        void operator()(SSL* each) const noexcept { SSL_free(each); }
    };
    std::unique_ptr<SSL_CTX, release> context_;
    std::unique_ptr<SSL, release> ssl_;
};

TEST(TlsPeer, KeysAreChangedInTheMiddle) {
    const tls_context context = server_context();
    tls_side server;
    ASSERT_TRUE(server.engine.accept(context));
    const raw_client client(TLS1_3_VERSION);
    ASSERT_TRUE(client.handshake(server));
    for (int round = 0; round < 3; ++round) {
        ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
        ASSERT_EQ(SSL_write(client.ssl(), "ab", 2), 2);
        server.arrived += client.output();
        server.step();
        server.write("answer");
        client.take(server.sent + server.output());
        server.sent.clear();
        char got[32];
        ASSERT_EQ(SSL_read(client.ssl(), got, sizeof got), 6);
        EXPECT_EQ(std::string_view(got, 6), "answer");
    }
    EXPECT_EQ(server.received, "ababab");
    EXPECT_FALSE(server.read_error);
}

TEST(TlsPeer, AnswersThatNobodyTakesAreBounded) {
    const tls_context context = server_context();
    tls_side server;
    ASSERT_TRUE(server.engine.accept(context));
    const raw_client client(TLS1_3_VERSION);
    ASSERT_TRUE(client.handshake(server));
    for (int round = 0; round < 100'000 && !server.read_error; ++round) {
        ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
        ASSERT_EQ(SSL_do_handshake(client.ssl()), 1);
        server.arrived += client.output();
        server.step();
    }
    EXPECT_EQ(server.read_error, tls_errc::output_full) << server.read_error.message();
    EXPECT_LE(server.output().size(), limits::tls_output_pending);
}

TEST(TlsPeer, RenegotiationIsRefused) {
    const tls_context context = server_context();
    tls_side server;
    ASSERT_TRUE(server.engine.accept(context));
    const raw_client client(TLS1_2_VERSION);
    ASSERT_TRUE(client.handshake(server));
    EXPECT_EQ(server.engine.version(), "TLSv1.2");
    ASSERT_EQ(SSL_renegotiate(client.ssl()), 1);
    (void)SSL_do_handshake(client.ssl());
    server.arrived += client.output();
    server.step();
    EXPECT_FALSE(server.read_error) << server.read_error.message();
    client.take(server.output());
    EXPECT_NE(SSL_do_handshake(client.ssl()), 1);
    EXPECT_EQ(SSL_get_error(client.ssl(), -1), SSL_ERROR_SSL);
    ERR_clear_error();
}

TEST(TlsPeer, OldVersionsAndWeakCiphersAreRefused) {
    const tls_context context = server_context();
    for (const char* const cipher :
         {"DHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256"}) {
        tls_side server;
        ASSERT_TRUE(server.engine.accept(context));
        const raw_client client(TLS1_2_VERSION);
        ASSERT_EQ(SSL_set_cipher_list(client.ssl(), cipher), 1);
        EXPECT_FALSE(client.handshake(server)) << cipher;
        EXPECT_EQ(server.established.error(), tls_errc::protocol);
    }
    tls_side server;
    ASSERT_TRUE(server.engine.accept(context));
    const raw_client client(TLS1_1_VERSION);
    SSL_set_security_level(client.ssl(), 0);
    SSL_set_min_proto_version(client.ssl(), TLS1_1_VERSION);
    EXPECT_FALSE(client.handshake(server));
    EXPECT_FALSE(server.established);
    ERR_clear_error();
}

TEST(TlsPeer, TheServersOrderOfCiphersDecidesButForChaCha20) {
    const tls_context context = server_context();
    const auto chosen = [&](int version, const char* old, const char* fresh) {
        tls_side server;
        EXPECT_TRUE(server.engine.accept(context));
        const raw_client client(version);
        EXPECT_EQ(SSL_set_cipher_list(client.ssl(), old), 1);
        EXPECT_EQ(SSL_set_ciphersuites(client.ssl(), fresh), 1);
        EXPECT_TRUE(client.handshake(server));
        return std::string(server.engine.cipher());
    };
    const char* const old = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
    const char* const fresh = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
    EXPECT_EQ(chosen(TLS1_2_VERSION, old, fresh), "ECDHE-ECDSA-AES128-GCM-SHA256");
    EXPECT_EQ(chosen(TLS1_3_VERSION, old, fresh), "TLS_AES_128_GCM_SHA256");
    const char* const old_weak = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256";
    const char* const weak = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
    EXPECT_EQ(chosen(TLS1_2_VERSION, old_weak, weak), "ECDHE-ECDSA-CHACHA20-POLY1305");
    EXPECT_EQ(chosen(TLS1_3_VERSION, old_weak, weak), "TLS_CHACHA20_POLY1305_SHA256");
}

TEST(TlsPeer, TicketsOfTls12AreResumed) {
    const tls_context context = server_context();
    SSL_SESSION* session = nullptr;
    for (const bool again : {false, true}) {
        tls_side server;
        ASSERT_TRUE(server.engine.accept(context));
        const raw_client client(TLS1_2_VERSION);
        if (again) {
            ASSERT_EQ(SSL_set_session(client.ssl(), session), 1);
        }
        ASSERT_TRUE(client.handshake(server));
        EXPECT_EQ(server.engine.resumed(), again);
        if (!again) session = SSL_get1_session(client.ssl());
        SSL_set_shutdown(client.ssl(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    SSL_SESSION_free(session);
}

// A client that sends some all the same, as if its ticket had allowed that: none of it is taken for what it
// says, and the connection goes on.
TEST(TlsPeer, EarlyDataIsNotTaken) {
    const tls_context context = server_context();
    SSL_SESSION* session = nullptr;
    {
        tls_side server;
        ASSERT_TRUE(server.engine.accept(context));
        const raw_client client(TLS1_3_VERSION);
        ASSERT_TRUE(client.handshake(server));
        char none[1];
        EXPECT_LT(SSL_read(client.ssl(), none, sizeof none), 1);  // the tickets
        session = SSL_get1_session(client.ssl());
        SSL_set_shutdown(client.ssl(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    ASSERT_EQ(SSL_SESSION_is_resumable(session), 1);
    EXPECT_EQ(SSL_SESSION_get_max_early_data(session), 0u);
    ASSERT_EQ(SSL_SESSION_set_max_early_data(session, 1'000), 1);
    tls_side server;
    ASSERT_TRUE(server.engine.accept(context));
    const raw_client client(TLS1_3_VERSION);
    ASSERT_EQ(SSL_set_session(client.ssl(), session), 1);
    std::size_t written = 0;
    ASSERT_EQ(SSL_write_early_data(client.ssl(), "early", 5, &written), 1);
    ASSERT_TRUE(client.handshake(server));
    EXPECT_TRUE(server.engine.resumed());
    EXPECT_EQ(SSL_get_early_data_status(client.ssl()), SSL_EARLY_DATA_REJECTED);
    ASSERT_EQ(SSL_write(client.ssl(), "late", 4), 4);
    server.arrived += client.output();
    server.step();
    EXPECT_FALSE(server.read_error) << server.read_error.message();
    EXPECT_EQ(server.received, "late");
    SSL_SESSION_free(session);
}

/// A server of OpenSSL's own, in memory, whose tickets are longer than its records.
class raw_server {
 public:
    raw_server() : context_(SSL_CTX_new(TLS_server_method())) {
        SSL_CTX* const context = context_.get();
        SSL_CTX_use_certificate_chain_file(context, localhost_certificate().chain_file.c_str());
        SSL_CTX_use_PrivateKey_file(context, localhost_certificate().key_file.c_str(), SSL_FILETYPE_PEM);
        SSL_CTX_set_max_send_fragment(context, 512);
        SSL_CTX_set_num_tickets(context, 1);
        SSL_CTX_set_session_ticket_cb(
            context,
            [](SSL* ssl, void*) {
                const std::string much(1'500, 'x');
                return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), much.data(), much.size());
            },
            nullptr, nullptr);
        ssl_.reset(SSL_new(context));
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_accept_state(ssl_.get());
    }
    ~raw_server() { ERR_clear_error(); }
    void take(const std::string& bytes) const {
        if (!bytes.empty()) BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
        char chunk[1000];
        const int got = SSL_read(ssl_.get(), chunk, sizeof chunk);
        if (got > 0) received.append(chunk, static_cast<std::size_t>(got));
    }
    std::string output() const {
        std::string bytes(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())), '\0');
        if (!bytes.empty()) BIO_read(SSL_get_wbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
        return bytes;
    }
    bool established() const { return SSL_is_init_finished(ssl_.get()) == 1; }

    mutable std::string received;

 private:
    struct release {
        void operator()(SSL_CTX* each) const noexcept { SSL_CTX_free(each); }
        void operator()(SSL* each) const noexcept { SSL_free(each); }
    };
    std::unique_ptr<SSL_CTX, release> context_;
    std::unique_ptr<SSL, release> ssl_;
};

class TlsRawPeer : public conformance {};
NARU_ON_EVERY_BACKEND(TlsRawPeer);

using tls_tcp = tls_stream<tcp_stream>;

task<> connect_into(tcp_stream over, const tls_context& context, tls_tcp& into) {
    auto made = co_await tls_tcp::connect(std::move(over), context, "localhost");
    if (made) into = std::move(*made);
}
task<> receive_one(tls_tcp& from, std::error_code& end) {
    auto got = co_await from.receive();
    if (!got) end = got.error();
}
task<> send_one(tls_tcp& to, std::error_code& end) {
    const auto sent = co_await to.send("in the middle of a ticket");
    if (!sent) end = sent.error();
}

// Whether somebody receives meanwhile or not.
TEST_P(TlsRawPeer, ASendInTheMiddleOfATicketWaitsForItsRest) {
    const tls_context context = client_context();
    for (const bool receives_meanwhile : {true, false}) {
        auto sockets = tcp_pair();
        const raw_server server;
        const auto exchange = [&] {
            received_text now;
            now.read_from(sockets.peer.get());
            server.take(now.data);
            return server.output();
        };
        tls_tcp stream;
        background connecting(loop());
        connecting.spawn(connect_into(stream_of(sockets.ours), context, stream));
        std::string held;
        ASSERT_TRUE(run_until([&] {
            const bool before = server.established();
            std::string out = exchange();
            if (!before && server.established()) {  // its ticket: the first record, and a part of the next
                if (out.size() < 1'200) throw std::runtime_error("the ticket is in one record");
                held = out.substr(600);
                out.resize(600);
            }
            write_all(sockets.peer.get(), out);
            return connecting.running() == 0 && !held.empty();
        }));
        ASSERT_TRUE(stream);
        background receiving(loop());
        std::error_code received = std::make_error_code(std::errc::bad_message);
        receiving.spawn(receive_one(stream, received));
        ticks(10);
        if (!receives_meanwhile) {
            receiving.stop();
            ASSERT_TRUE(run_until([&] { return receiving.running() == 0; }));
            EXPECT_EQ(received, std::errc::operation_canceled);
        }
        background sending(loop());
        std::error_code sent;
        sending.spawn(send_one(stream, sent));
        ticks(10);
        write_all(sockets.peer.get(), held);
        ASSERT_TRUE(run_until([&] {
            (void)exchange();
            return sending.running() == 0 && !server.received.empty();
        }));
        EXPECT_FALSE(sent) << sent.message();
        EXPECT_EQ(server.received, "in the middle of a ticket");
        receiving.stop();
        ASSERT_TRUE(run_until([&] { return receiving.running() == 0; }));
    }
}

/// A program of OpenSSL's, which talks to the test by pipes.
class openssl_program {
 public:
    static bool installed() { return ::access("/usr/bin/openssl", X_OK) == 0; }

    explicit openssl_program(std::vector<std::string> arguments) {
        int input[2];
        int output[2];
        if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0)
            throw std::runtime_error("pipe");
        input_.reset(input[1]);
        output_.reset(output[0]);
        const unique_descriptor theirs[2] = {unique_descriptor(input[0]), unique_descriptor(output[1])};
        ::fcntl(output[1], F_SETFL, 0);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, input[0], 0);
        posix_spawn_file_actions_adddup2(&actions, output[1], 1);
        posix_spawn_file_actions_adddup2(&actions, output[1], 2);
        arguments.insert(arguments.begin(), "openssl");
        std::vector<char*> raw;
        for (std::string& each : arguments)
            raw.push_back(each.data());
        raw.push_back(nullptr);
        const int failed =
            ::posix_spawn(&process_, "/usr/bin/openssl", &actions, nullptr, raw.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        if (failed != 0) throw std::runtime_error("posix_spawn");
    }
    ~openssl_program() {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
    }
    openssl_program(const openssl_program&) = delete;
    openssl_program& operator=(const openssl_program&) = delete;

    void write(std::string_view text) const {
        if (::write(input_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
            throw std::runtime_error("the program's input is full");
    }
    void end_input() { input_.reset(); }
    /// What it has said so far.
    const std::string& said() {
        char chunk[4096];
        ssize_t got = 0;
        while ((got = ::read(output_.get(), chunk, sizeof chunk)) > 0)
            said_.append(chunk, static_cast<std::size_t>(got));
        return said_;
    }

 private:
    unique_descriptor input_;
    unique_descriptor output_;
    std::string said_;
    pid_t process_ = -1;
};

class TlsProgram : public conformance {};
NARU_ON_EVERY_BACKEND_OF_THE_SYSTEM(TlsProgram);

task<> echo(tcp_stream over, const tls_context& context, std::error_code& end) {
    auto stream = co_await tls_stream<tcp_stream>::accept(std::move(over), context);
    if (!stream) {
        end = stream.error();
        co_return;
    }
    while (true) {
        auto got = co_await stream->receive();
        if (!got) {
            end = got.error();
            break;
        }
        if (!co_await stream->send(*got)) break;
    }
    (void)co_await stream->close();
}

TEST_P(TlsProgram, OpensslsClientTalksToUs) {
    if (!openssl_program::installed()) GTEST_SKIP() << "there is no /usr/bin/openssl";
    const tls_context context = server_context();
    for (const char* const version : {"-tls1_2", "-tls1_3"}) {
        unique_descriptor listener = listening_socket();
        const std::string port = std::to_string(address::local_of(listener.get()).value().port());
        openssl_program client({"s_client", "-connect", "127.0.0.1:" + port, "-servername", "localhost",
                                "-CAfile", common_authority().root_file(), "-verify_return_error",
                                "-verify_hostname", "localhost", "-quiet", "-no_ign_eof", version});
        wait_readable(listener.get(), 10'000);
        unique_descriptor accepted(checked(accept_socket(listener.get()), "accept"));
        background group(loop());
        std::error_code end;
        group.spawn(echo(stream_of(accepted), context, end));
        client.write("a question\n");
        ASSERT_TRUE(run_until([&] { return client.said().find("a question\n") != std::string::npos; }, 20s))
            << client.said();
        client.end_input();
        ASSERT_TRUE(run_until([&] { return group.running() == 0; }, 20s));
        EXPECT_EQ(end, errc::end_of_stream) << end.message();
    }
}

task<> ask(tcp_stream over, const tls_context& context, std::string& got, std::error_code& end) {
    auto stream = co_await tls_stream<tcp_stream>::connect(std::move(over), context, "localhost");
    if (!stream) {
        end = stream.error();
        co_return;
    }
    const auto sent = co_await stream->send("hello program\n");
    if (!sent) end = sent.error();
    while (!end && !got.ends_with('\n')) {
        auto received = co_await stream->receive();
        if (!received) {
            end = received.error();
            break;
        }
        got += received->text();
    }
    (void)co_await stream->close();
}

TEST_P(TlsProgram, OpensslsServerTalksToUs) {
    if (!openssl_program::installed()) GTEST_SKIP() << "there is no /usr/bin/openssl";
    const tls_context context = client_context();
    openssl_program server({"s_server", "-accept", "127.0.0.1:0", "-cert", localhost_certificate().chain_file,
                            "-key", localhost_certificate().key_file, "-rev", "-naccept", "1"});
    // It says where it listens: ACCEPT 127.0.0.1:PORT.
    std::string where;
    ASSERT_TRUE(run_until(
        [&] {
            const std::string& said = server.said();
            const std::size_t start = said.find("ACCEPT ");
            const std::size_t end = start == std::string::npos ? start : said.find('\n', start);
            if (end == std::string::npos) return false;
            where = said.substr(start + 7, end - start - 7);
            return true;
        },
        20s))
        << server.said();
    unique_descriptor socket = connect_to(address::parse(where).value());
    background group(loop());
    std::string got;
    std::error_code end;
    group.spawn(ask(stream_of(socket), context, got, end));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }, 20s));
    EXPECT_FALSE(end) << end.message();
    EXPECT_EQ(got, "margorp olleh\n");
}

}  // namespace
}  // namespace naru::testing
