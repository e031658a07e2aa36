// Certificates, their choice by name, tickets, and what is refused of them.
#include "tls/pair.hpp"

#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace naru::testing {
namespace {

std::string refusal_of(const tls_server_options& how) {
    auto made = tls_context::server(how);
    return made ? std::string("none") : made.error();
}

/// Who is shown to a client that asks for `name`, by the first name in the certificate.
std::string shown_to(const tls_context& server_side, std::string_view name) {
    const tls_context trusting = client_context([](tls_client_options& how) { how.verify = false; });
    tls_pair both(server_side, trusting, name);
    both.run();
    if (!both.established()) return "nobody";
    return both.client.engine.peer_subject().value_or("nobody").substr(3);
}

TEST(TlsContext, TheNameChoosesTheCertificate) {
    authority& root = common_authority();
    tls_server_options how(localhost_certificate());
    how.certificates.push_back(root.issue({"one.example", "alias.example"}));
    how.certificates.push_back(root.issue({"*.wild.example"}));
    how.certificates.push_back(root.issue({"exact.wild.example"}));
    const tls_context context = or_throw(tls_context::server(how));
    EXPECT_EQ(shown_to(context, "localhost"), "localhost");
    EXPECT_EQ(shown_to(context, "one.example"), "one.example");
    EXPECT_EQ(shown_to(context, "ONE.example"), "one.example");
    EXPECT_EQ(shown_to(context, "alias.example"), "one.example");
    EXPECT_EQ(shown_to(context, "any.wild.example"), "*.wild.example");
    EXPECT_EQ(shown_to(context, "exact.wild.example"), "exact.wild.example");
    // A wildcard stands for one label; whom nobody knows gets the first.
    EXPECT_EQ(shown_to(context, "two.labels.wild.example"), "localhost");
    EXPECT_EQ(shown_to(context, "wild.example"), "localhost");
    EXPECT_EQ(shown_to(context, "unknown.example"), "localhost");
    EXPECT_EQ(shown_to(context, "127.0.0.1"), "localhost");
}

TEST(TlsContext, ChosenCertificatesPassTheClientsVerification) {
    authority& root = common_authority();
    tls_server_options how(localhost_certificate());
    how.certificates.push_back(root.issue({"*.wild.example"}, key_type::rsa));
    const tls_context context = or_throw(tls_context::server(how));
    tls_pair both(context, client_context(), "www.wild.example");
    both.run();
    EXPECT_TRUE(both.established());
}

TEST(TlsContext, KindsOfKeysStandSideBySide) {
    authority& root = common_authority();
    tls_server_options how(root.issue({"both.example"}, key_type::ecdsa));
    how.certificates.push_back(root.issue({"both.example"}, key_type::rsa));
    how.certificates.push_back(root.issue({"other.example"}, key_type::rsa));
    const tls_context context = or_throw(tls_context::server(how));
    const std::string key_of_both = read_whole(how.certificates[0].chain_file);
    tls_pair both(context, client_context(), "both.example");
    both.run();
    EXPECT_TRUE(both.established());
    // One of another kind of key only, with its own name.
    EXPECT_EQ(shown_to(context, "other.example"), "other.example");
}

TEST(TlsContext, SessionsAreResumedByTickets) {
    const tls_context server_side = server_context();
    const tls_context client_side = client_context();
    tls_session session;
    {
        tls_pair first(server_side, client_side);
        first.run();
        ASSERT_TRUE(first.established());
        EXPECT_FALSE(first.server.engine.resumed());
        session = first.client.engine.session();
        ASSERT_TRUE(session);
    }
    {
        tls_pair second(server_side, client_side, "localhost", session);
        second.run();
        ASSERT_TRUE(second.established());
        EXPECT_TRUE(second.server.engine.resumed());
        EXPECT_TRUE(second.client.engine.resumed());
        second.client.write("question");
        second.run();
        EXPECT_EQ(second.server.received, "question");
    }
    // Keys that are replaced stay good for a while; what is older begins from the start.
    for (std::size_t each = 1; each < limits::tls_ticket_keys; ++each) {
        server_side.ticket_keys().rotate();
        tls_pair later(server_side, client_side, "localhost", session);
        later.run();
        ASSERT_TRUE(later.established());
        EXPECT_TRUE(later.server.engine.resumed()) << each;
    }
    server_side.ticket_keys().rotate();
    tls_pair too_late(server_side, client_side, "localhost", session);
    too_late.run();
    ASSERT_TRUE(too_late.established());
    EXPECT_FALSE(too_late.server.engine.resumed());
}

TEST(TlsContext, ServersThatShareKeysResumeEachOthersSessions) {
    const auto keys = std::make_shared<tls_ticket_keys>();
    const auto with_keys = [&](tls_server_options& how) { how.ticket_keys = keys; };
    const tls_context client_side = client_context();
    tls_pair first(server_context(with_keys), client_side);
    first.run();
    tls_pair other(server_context(with_keys), client_side, "localhost", first.client.engine.session());
    other.run();
    ASSERT_TRUE(other.established());
    EXPECT_TRUE(other.server.engine.resumed());
    tls_pair stranger(server_context(), client_side, "localhost", other.client.engine.session());
    stranger.run();
    ASSERT_TRUE(stranger.established());
    EXPECT_FALSE(stranger.server.engine.resumed());
    // The same key in another process.
    tls_ticket_keys replica;
    replica.rotate(keys->current());
    EXPECT_EQ(replica.current(), keys->current());
}

TEST(TlsContext, WithoutTicketsNothingIsResumed) {
    const tls_context server_side = server_context([](tls_server_options& how) { how.tickets = false; });
    tls_pair first(server_side, client_context());
    first.run();
    ASSERT_TRUE(first.established());
    EXPECT_FALSE(first.client.engine.session());
}

TEST(TlsContext, ClientsShowCertificatesWhereTheyAreAskedTo) {
    authority clients("the clients' root");
    const auto asks = [&](tls_client_certificates which) {
        return server_context([&](tls_server_options& how) {
            how.client_certificates = which;
            how.client_ca_file = clients.root_file();
        });
    };
    const auto shows = [](authority& by, int days) {
        return client_context([&](tls_client_options& how) {
            how.certificate.push_back(by.issue({"a client"}, key_type::ecdsa, days));
        });
    };
    tls_pair good(asks(tls_client_certificates::required), shows(clients, 30));
    good.run();
    ASSERT_TRUE(good.established());
    EXPECT_EQ(good.server.engine.peer_subject(), "CN=a client");
    // Nothing that was verified counts again: no session is handed out.
    EXPECT_FALSE(good.client.engine.session());

    tls_pair without(asks(tls_client_certificates::required), client_context());
    without.run();
    EXPECT_FALSE(without.server.established);
    EXPECT_EQ(without.client.read_error, tls_errc::alert) << without.client.read_error.message();
    EXPECT_NE(without.client.read_error.message().find("certificate required"), std::string::npos);

    for (const auto which : {tls_client_certificates::required, tls_client_certificates::optional}) {
        tls_pair stranger(asks(which), shows(common_authority(), 30));
        stranger.run();
        ASSERT_FALSE(stranger.server.established);
        EXPECT_EQ(stranger.server.established.error(), tls_errc::certificate_refused);
    }
    tls_pair optional(asks(tls_client_certificates::optional), client_context());
    optional.run();
    EXPECT_TRUE(optional.established());
}

// CVE-2025-23419: what was resumed from a host that asks nobody must not open one that asks for certificates.
TEST(TlsContext, ASessionOfAHostThatAsksNobodyOpensNoneThatDoes) {
    authority clients("the clients' root");
    const auto keys = std::make_shared<tls_ticket_keys>();
    const tls_context open = server_context([&](tls_server_options& how) { how.ticket_keys = keys; });
    const tls_context closed = server_context([&](tls_server_options& how) {
        how.ticket_keys = keys;
        how.client_certificates = tls_client_certificates::required;
        how.client_ca_file = clients.root_file();
    });
    const tls_context client_side = client_context();
    tls_pair first(open, client_side);
    first.run();
    const tls_session session = first.client.engine.session();
    ASSERT_TRUE(session);
    tls_pair second(closed, client_side, "localhost", session);
    second.run();
    EXPECT_FALSE(second.server.engine.resumed());
    EXPECT_FALSE(second.server.established);
}

TEST(TlsContext, AStapleIsGivenToThoseWhoAsk) {
    tls_certificate stapled = common_authority().issue({"localhost"});
    stapled.staple_file = common_authority().files().write("staple.der", "not looked into");
    const tls_context server_side = or_throw(tls_context::server(tls_server_options(stapled)));
    tls_pair asking(server_side, client_context());
    asking.client.engine.ask_for_staple();
    asking.run();
    ASSERT_TRUE(asking.established());
    EXPECT_EQ(as_text(asking.client.engine.staple()), "not looked into");
    tls_pair silent(server_side, client_context());
    silent.run();
    ASSERT_TRUE(silent.established());
    EXPECT_TRUE(silent.client.engine.staple().empty());
}

TEST(TlsContext, KeysAreLoggedOnlyWhereThatWasAskedFor) {
    const std::string file = common_authority().files().path("keys");
    ::setenv("SSLKEYLOGFILE", common_authority().files().path("not here").c_str(), 1);
    const tls_context server_side = server_context([&](tls_server_options& how) { how.key_log_file = file; });
    tls_pair both(server_side, client_context());
    both.run();
    ASSERT_TRUE(both.established());
    const std::string keys = read_whole(file);
    EXPECT_NE(keys.find("SERVER_TRAFFIC_SECRET_0 "), std::string::npos);
    EXPECT_TRUE(keys.ends_with('\n'));
    struct stat attributes{};
    ASSERT_EQ(::stat(file.c_str(), &attributes), 0);
    EXPECT_EQ(attributes.st_mode & 0777u, 0600u);
    EXPECT_NE(::stat(common_authority().files().path("not here").c_str(), &attributes), 0);
    ::unsetenv("SSLKEYLOGFILE");
}

TEST(TlsContext, ThreadsShareAContextWhileItsKeysAreReplaced) {
    const tls_context server_side = server_context();
    const tls_context client_side = client_context();
    std::atomic<int> left{3};
    std::atomic<int> established{0};
    std::vector<std::thread> threads;
    for (int each = 0; each < 3; ++each) {
        threads.emplace_back([&] {
            tls_session session;
            for (int round = 0; round < 20; ++round) {
                tls_pair both(server_side, client_side, "localhost", session);
                both.run();
                established += both.established() ? 1 : 0;
                session = both.client.engine.session();
            }
            --left;
        });
    }
    while (left != 0) {
        server_side.ticket_keys().rotate();
        std::this_thread::yield();
    }
    for (std::thread& each : threads)
        each.join();
    EXPECT_EQ(established, 60);
}

TEST(TlsContext, WhatCannotBeServedIsSaidInOneSentenceWithTheFile) {
    authority& root = common_authority();
    const scratch_directory& files = root.files();
    const tls_certificate good = root.issue({"good.example"});
    const tls_certificate other = root.issue({"other.example"});

    EXPECT_EQ(refusal_of(tls_server_options()), "a TLS server needs a certificate and its key");
    EXPECT_EQ(refusal_of(tls_server_options({files.path("none.pem"), good.key_file})),
              files.path("none.pem") + ": cannot be read: No such file or directory");
    EXPECT_EQ(refusal_of(tls_server_options({good.chain_file, files.path("none.key")})),
              files.path("none.key") + ": cannot be read: No such file or directory");
    const std::string text = files.write("text.pem", "this is no certificate\n");
    EXPECT_EQ(refusal_of(tls_server_options({text, good.key_file})),
              text + ": there is no certificate in PEM form in it");
    EXPECT_EQ(refusal_of(tls_server_options({good.chain_file, text})),
              text + ": there is no private key in PEM form in it");
    const std::string empty = files.write("empty.pem", "");
    EXPECT_EQ(refusal_of(tls_server_options({empty, good.key_file})), empty + ": is empty");
    EXPECT_EQ(refusal_of(tls_server_options({good.chain_file, other.key_file})),
              other.key_file + ": this key does not belong to the certificate in " + good.chain_file);
    const tls_certificate expired = root.issue({"old.example"}, key_type::ecdsa, -1);
    EXPECT_EQ(refusal_of(tls_server_options(expired)),
              expired.chain_file + ": the certificate has expired: get a new one");
    const std::string swapped =
        files.write("swapped.pem", read_whole(good.chain_file) + read_whole(other.chain_file));
    EXPECT_EQ(refusal_of(tls_server_options({swapped, good.key_file})),
              swapped + ": the chain is in the wrong order: certificate 2 has not issued the one before it");
    const std::string cut =
        files.write("cut.pem", read_whole(good.chain_file) +
                                   "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    EXPECT_EQ(refusal_of(tls_server_options({cut, good.key_file})),
              cut + ": what follows its certificates is broken");
    const std::string whole =
        files.write("whole.pem", read_whole(good.chain_file) + read_whole(root.root_file()));
    EXPECT_EQ(refusal_of(tls_server_options({whole, good.key_file})), "none");

    tls_server_options asks(good);
    asks.client_certificates = tls_client_certificates::required;
    EXPECT_NE(refusal_of(asks).find("client_ca_file"), std::string::npos);
    asks.client_ca_file = text;
    EXPECT_TRUE(refusal_of(asks).starts_with(text + ": ")) << refusal_of(asks);
    tls_server_options logs(good);
    logs.key_log_file = "/nowhere/keys";
    EXPECT_EQ(refusal_of(logs), "/nowhere/keys: cannot be opened for the keys: No such file or directory");
    tls_server_options speaks(good);
    speaks.protocols = {""};
    EXPECT_NE(refusal_of(speaks).find("ALPN"), std::string::npos);
    tls_client_options client;
    client.ca_file = text;
    const auto made = tls_context::client(client);
    ASSERT_FALSE(made);
    EXPECT_TRUE(made.error().starts_with(text + ": the root certificates cannot be read")) << made.error();
}

}  // namespace
}  // namespace naru::testing
