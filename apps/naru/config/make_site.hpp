// The site of naru serve: hosts and routes as they were read, made into what the library serves.
#pragma once

#include "../serve_config.hpp"
#include "complaints.hpp"

#include <naru/http/handlers/files.hpp>
#include <naru/http/site/site.hpp>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace naru::program {

/// Makes a site anew each time that the configuration is read again. Directories that the last one served,
/// too, are the same for the library: what is cached of them stays so. One thread at a time.
class site_maker {
 public:
    /// `makes_directories`: that of acme-webroot, where it is not there yet.
    explicit site_maker(bool makes_directories = true) noexcept : makes_directories_(makes_directories) {}

    /// Throws std::runtime_error with the first complaint; what was made before is then still good.
    http::site make(const serve_plan& plan);
    /// The same for all complaints; without one the site is good.
    http::site make(const serve_plan& plan, complaints& wrong);

    /// Where --redirect-http leads: to be set when the server listens.
    void set_tls_port(std::uint16_t port) noexcept { *tls_port_ = port; }

 private:
    struct making;

    bool makes_directories_;
    std::map<std::string, http::files> directories_;  // by path and options
    std::shared_ptr<std::atomic<std::uint16_t>> tls_port_ =
        std::make_shared<std::atomic<std::uint16_t>>(std::uint16_t{443});
};

}  // namespace naru::program
