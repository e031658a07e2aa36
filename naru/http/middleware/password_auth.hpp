// Names and passwords whose hashes stand in a file: for site::before.
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/coro/task.hpp>
#include <naru/http/exchange/exchange.hpp>
#include <naru/http/middleware/password_file.hpp>
#include <naru/http/server/client_rates.hpp>

#include <memory>
#include <string>

namespace naru::http {

struct password_options {
    std::string realm = "naru";
    std::string prefix = "/";  ///< of the paths that want a password
    std::string open_beneath;  ///< of paths among them that want none; empty: there are none
    /// For which a name and password that were right are not hashed again.
    std::chrono::seconds remembered{300};
    /// Of one client, hashes that are made; more are answered 429.
    rate attempts{1, 20};

    password_options() = default;
};

/// Basic authentication (RFC 7617). Hashes are made on the server's worker threads, limits::password_checks
/// at a time; past them 503. Of those who are remembered a keyed digest is kept (SipHash, 128 bits), in a
/// table of limits::passwords_remembered. The name is left for handlers: x.value<authenticated>().name. A
/// coroutine: every request of the site runs as one.
class password_auth {
 public:
    /// Throws std::invalid_argument for a rate that cannot be.
    explicit password_auth(password_file from, password_options options = {});

    task<> operator()(exchange& x) const;

 private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace naru::http
