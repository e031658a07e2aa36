// There is no TLS on Windows.
#include "certificates.hpp"

#include <stdexcept>
#include <utility>

namespace naru::program {

tls_server_options those_that_are_there(tls_server_options how) { return how; }

std::optional<std::string> fault_of(const tls_server_options& /*how*/) { return std::nullopt; }

certificates::certificates(tls_server_options how, bool may_come, reporter report)
    : how_(std::move(how)), may_come_(may_come), report_(std::move(report)) {
    throw std::runtime_error("--listen-tls: TLS is no part of naru on Windows");
}

certificates::~certificates() = default;
void certificates::read_again() noexcept {}
certificates::others certificates::read(tls_server_options /*how*/) const {
    throw std::runtime_error("--listen-tls: TLS is no part of naru on Windows");
}
void certificates::take(others /*by*/) {}

}  // namespace naru::program
