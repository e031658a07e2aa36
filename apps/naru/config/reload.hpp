// Reading the configuration again while the server serves.
#pragma once

#include "../certificates.hpp"
#include "../serve_config.hpp"
#include "make_site.hpp"

#include <naru/http/server/server.hpp>

#include <functional>
#include <memory>
#include <string_view>

namespace naru::program {

class client_policies;  // reload.cpp

/// What runs is changed in place where it can be: hosts, routes, files, certificates. Requests that have
/// begun end as they would have; connections stay, but for those of names whose clients are to show other
/// certificates. A file that is bad changes nothing. One thread at a time.
class reloader {
 public:
    using reporter = std::function<void(std::string_view)>;

    /// All but the plan is borrowed; `shown`: nullptr where no TLS is spoken. `elsewhere`: whether another
    /// process serves a plan soon, and nothing is to be changed in this one; nullptr: what could not be read
    /// here.
    reloader(serve_plan running, site_maker& sites, http::server& server, certificates* shown, reporter say,
             std::function<bool(const serve_plan*)> elsewhere);

    /// Says a line of what has become of it.
    void reload() noexcept;

 private:
    void take(const serve_settings& fresh);

    serve_plan running_;
    std::shared_ptr<const client_policies>
        policies_;  // as read when they were taken: a file may have been replaced
    site_maker& sites_;
    http::server& server_;
    certificates* shown_;
    reporter say_;
    std::function<bool(const serve_plan*)> elsewhere_;
};

}  // namespace naru::program
