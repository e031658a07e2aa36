// What an operator looks at: a site that shows what goes on in a server.
#pragma once

#include <naru/http/server/metrics.hpp>
#include <naru/http/site/site.hpp>

#include <functional>
#include <string>

namespace naru::http {

class attached_server;
class server;

struct status_options {
    /// Whether new requests are to be sent here: what /readyz says. Called on the loops' threads. Empty:
    /// until the server begins to drain.
    std::function<bool()> ready = {};
    std::string version = {};  ///< shown, if it is not empty
};

/// The metrics in Prometheus' text format (version 0.0.4). Names begin with naru_.
std::string metrics_text(const server_metrics& of, const status_options& options = {});
/// The same as a page of HTML, with nothing from elsewhere; it loads itself anew every five seconds.
std::string status_page(const server_metrics& of, const status_options& options = {});

/// /metrics, /healthz (200 as long as it answers), /readyz (503 when no new requests are to come) and the
/// page at /. For a server of its own, which ends after `of` (borrowed): then it can tell of the end. It
/// tells whoever asks, so its address should be reached by those alone who may know.
site status_site(server& of, status_options options = {});
/// The same of a server that is attached to a loop: to be served on that loop, by `of` itself or another,
/// which may outlive it.
site status_site(attached_server& of, status_options options = {});

}  // namespace naru::http
