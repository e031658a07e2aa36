// There is no TLS on Windows.
#include "certificates.hpp"

#include <stdexcept>
#include <utility>

namespace naru::program {

certificates::certificates(tls_server_options how, reporter report)
    : how_(std::move(how)), report_(std::move(report)) {
    throw std::runtime_error("--listen-tls: TLS is no part of naru on Windows");
}

certificates::~certificates() = default;
void certificates::read_again() noexcept {}

}  // namespace naru::program
