// An address where nobody listens.
#pragma once

#include "support/sockets.hpp"

#if !defined(_WIN32)
#include <sys/socket.h>
#endif

namespace naru::testing {

/// For as long as it lives: a socket that does not listen has the port, so that nobody else gets it.
class nobodys_address {
 public:
    nobodys_address() {
#if defined(_WIN32)  // for as long as nobody gets it
        holder_ = listening_socket();
        where_ = local_of(holder_.get()).value();
        holder_.reset();
#else
        holder_ = blocking_socket(AF_INET);
        checked(bind_socket(holder_.get(), address::parse("127.0.0.1:0").value()), "bind");
        where_ = local_of(holder_.get()).value();
#endif
    }
    operator const address&() const noexcept { return where_; }  // NOLINT(google-explicit-constructor)

 private:
    unique_descriptor holder_;
    address where_;
};

}  // namespace naru::testing
