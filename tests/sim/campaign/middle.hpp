// Who stands between clients and the server: one that forwards bytes, and a proxy of HTTP.
#pragma once

#include "sim/campaign/service.hpp"

#include <naru/http/client/client_options.hpp>
#include <naru/http/http.hpp>
#include <naru/naru.hpp>

#include <string>

namespace naru::campaign {

/// Listens where `listen` says, and moves the bytes of each connection to `target` and back.
task<> forward_connections(loop& on, std::string listen, std::string target);

/// Asks `origin` ("http://10.0.0.1:80") for whatever it is asked, bodies piece by piece both ways. What gets
/// no answer is answered with 502 if the origin has not processed it for certain, else with 504; an answer
/// that is cut is cut.
http::site make_proxy(ledger& book, std::string origin, http::client_options how);

}  // namespace naru::campaign
