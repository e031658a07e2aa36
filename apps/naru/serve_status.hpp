// Where an operator looks at what goes on in `naru serve`: a small server of its own, which ends last.
#pragma once

#include "serve_config.hpp"

#include <naru/http/server/server.hpp>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace naru::program {

class serve_status {
 public:
    /// Listens, if there is a place to; `of` and what `report` calls outlive it. Throws as
    /// http::server does.
    serve_status(const std::optional<http::endpoint>& at, http::server& of,
                 const std::function<void(std::string_view)>& report);
    serve_status(const serve_status&) = delete;
    serve_status& operator=(const serve_status&) = delete;

    /// Answers from here on.
    void start() {
        if (server_) server_->start();
    }
    /// For standard output: where it is.
    std::string line() const;
    /// /readyz says so from here on: no new requests are to come.
    void not_ready() noexcept { ready_ = false; }
    /// Leaves it to a successor that listens at the same place.
    void retire() {
        if (server_) server_->retire();
    }

 private:
    std::atomic<bool> ready_{true};
    std::optional<http::server> server_;
};

}  // namespace naru::program
