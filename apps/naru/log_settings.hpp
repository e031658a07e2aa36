// Where lines on answers go: the server's access log, and those of hosts.
#pragma once

#include "config/complaints.hpp"
#include "serve_config.hpp"

#include <string>
#include <vector>

namespace naru::program {

/// Reads the settings of logs into the plan. Hosts may share a file with each other and with the server, in
/// one format. Throws std::runtime_error with one sentence.
void set_logs(serve_plan& plan, const serve_settings& settings);

/// In which the host's own log is written.
http::log_format log_format_of(const host_settings& host, const serve_plan& plan);

/// Those that this process could not write, as far as that is seen.
void find_faults_of_logs(const serve_plan& plan, complaints& wrong);

/// The files of the server and of its hosts, each once.
std::vector<std::string> access_logs_of(const serve_plan& plan);

}  // namespace naru::program
