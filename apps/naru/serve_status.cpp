#include "serve_status.hpp"

#include "version.hpp"

#include <naru/backend/uring/options.hpp>
#include <naru/http/server/status_site.hpp>

#include <utility>

#include <fmt/format.h>

namespace naru::program {

serve_status::serve_status(const std::optional<http::endpoint>& at, http::server& of,
                           const std::function<void(std::string_view)>& report) {
    if (!at) return;
    http::server_options options;
    options.report = report;
    // The engine that has just been found to work; a thread of the kernel's would be too much for this.
    options.engine = of.engine() == engine::io_uring_sqpoll ? engine::io_uring : of.engine();
    uring_options ring;
    ring.connects = false;
    options.engine_options = std::make_shared<const uring_options>(ring);
    http::status_options shown;
    shown.ready = [this] { return ready_.load(); };
    shown.version = NARU_VERSION;
    server_.emplace(http::status_site(of, std::move(shown)), std::vector{*at}, std::move(options));
}

std::string serve_status::line() const {
    const naru::endpoint& where = server_->local_endpoints().front();
    return where.local() != nullptr ? fmt::format("status on unix:{}\n", where.text())
                                    : fmt::format("status on http://{}/\n", where.text());
}

}  // namespace naru::program
