#include "descriptors.hpp"

#include "limits.hpp"

#include "../log_settings.hpp"

#include <load/machine.hpp>

#include <set>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace naru::program {

namespace {

std::size_t directories_of(const serve_plan& plan) {
    std::set<std::string> all{plan.root, plan.acme_webroot};
    const auto add = [&all](const host_settings& host) {
        all.insert(host.root.value_or(std::string()));
        for (const route_settings& each : host.routes)
            all.insert(each.files.value_or(std::string()));
    };
    add(plan.sites->others);
    for (const host_settings& each : plan.sites->hosts)
        add(each);
    all.erase(std::string());
    return all.size();
}

}  // namespace

void require_descriptors(const serve_plan& plan, std::size_t listeners) {
    const std::size_t loops = plan.options.threads + (plan.status ? 1 : 0);
    const std::size_t needed = limits::process_descriptors + loops * limits::loop_descriptors + listeners +
                               directories_of(plan) + access_logs_of(plan).size() +
                               limits::least_client_descriptors;
    const std::size_t limit = load::raise_descriptor_limit();
    if (limit >= needed) return;
    throw std::runtime_error(
        fmt::format("serving this with {} thread{} wants {} descriptors at least, and the limit is {}: "
                    "raise it (ulimit -n, LimitNOFILE= in the service's unit){}",
                    plan.options.threads, plan.options.threads == 1 ? "" : "s", needed, limit,
                    plan.options.threads == 1 ? "" : ", or ask for fewer with --threads"));
}

}  // namespace naru::program
