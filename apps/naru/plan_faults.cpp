#include "plan_faults.hpp"

#include "certificates.hpp"
#include "config/configuration.hpp"
#include "config/make_site.hpp"
#include "system.hpp"

#include <exception>
#include <stdexcept>

#include <fmt/format.h>

namespace naru::program {

void find_faults_of_files(const serve_plan& plan, complaints& wrong) try {
    (void)site_maker(false).make(plan, wrong);
} catch (const std::exception& error) {
    wrong.add({}, error.what());
}

void find_faults_of_user(const serve_plan& plan, complaints& wrong) try {
    if (plan.user && !is_user(*plan.user))
        throw std::runtime_error(
            located(fmt::format("--user {}: there is no such user", *plan.user), *plan.sites));
} catch (const std::exception& error) {
    wrong.add({}, error.what());
}

void find_faults_of_certificates(const serve_plan& plan, complaints& wrong) try {
    if (plan.tls_endpoints.empty()) return;
    const auto fault = fault_of(plan.acme_webroot.empty() ? plan.tls : those_that_are_there(plan.tls));
    if (fault) throw std::runtime_error(located_file(*fault, *plan.sites));
} catch (const std::exception& error) {
    wrong.add({}, error.what());
}

}  // namespace naru::program
