// What the command line of `naru load` says, and what a run is told.
#pragma once

#include <load/options.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace naru::program {

/// Something on the command line is wrong: exit status 2.
struct usage_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// As given; empty: not given.
struct load_settings {
    std::string url;
    std::int64_t connections = 64;
    std::int64_t idle = 0;
    bool idle_silent = false;
    std::string idle_websocket;
    std::int64_t threads = 1;
    std::int64_t pipeline = 1;
    bool http2 = false;
    std::optional<std::int64_t> streams;
    bool close = false;
    std::optional<double> rate;
    std::string duration;
    std::string warmup;
    std::optional<std::int64_t> requests;
    std::string timeout = "5";
    double ramp = 0;
    std::string source;
    std::string engine = "auto";
    std::string method;
    std::vector<std::string> headers;
    std::string body;
    bool has_body = false;
    std::string body_file;
    bool insecure = false;
    bool resume = false;
    std::string ca_file;
    std::string expect = "200-399";
    double max_errors = 1;
    std::int64_t server_process = 0;
    bool strict = false;
    bool json = false;
    std::string json_file;
    std::string hdr;
    bool quiet = false;
    std::vector<std::string> compare;
};

/// Looks the host up and sees whether something listens there. Throws usage_error for what is wrong on the
/// command line, std::runtime_error for a target that cannot be reached; each with one sentence.
load::run_options to_run_options(const load_settings& given);

/// "10", "10s", "500ms", "2m" or "1h". Throws usage_error that names `flag`.
duration parse_duration(const std::string& text, const char* flag);

}  // namespace naru::program
