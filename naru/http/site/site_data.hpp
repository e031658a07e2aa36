// A site as servers see it.
#pragma once

#include <naru/http/site/routes.hpp>
#include <naru/http/site/site.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace naru::http {
class access_log;
}

namespace naru::http::detail {

struct wanted_log {
    std::string path;
    std::optional<log_format> as;
    std::shared_ptr<access_log> opened = nullptr;  // by the server
};

struct site_data {
    route_table routes;
    std::vector<std::pair<std::string, std::unique_ptr<site>>> hosts;  // as registered
    std::vector<std::pair<std::string, std::string>> aliases;          // and the host that each is
    std::vector<std::pair<std::string, std::shared_ptr<const site_data>>> by_host;  // sorted, once taken
    std::vector<handler> before;
    std::vector<head_hook> hooks;
    std::vector<loop_local> locals;
    std::vector<std::shared_ptr<const files_source>> files;
    page_maker error_page;
    std::string error_type;
    std::shared_ptr<const encode_options> encoding;
    bool has_coroutine_before = false;
    std::vector<std::string> patterns;  // of all routes, by their numbers
    std::optional<wanted_log> log;
    std::vector<wanted_log> logs;  // once taken: of this and of all hosts
    std::size_t log_number = 0;    // of its own, among those of the outer one, from 1 on; 0: the server's

    /// Of the host that an authority names, or this.
    const site_data& for_host(std::string_view authority) const noexcept;
    /// The same for the authority of a request, which is looked at only if there are hosts.
    template <class Exchange>
    const site_data& for_host_of(const Exchange& x) const noexcept {
        return by_host.empty() ? *this : for_host(x.authority());
    }
};

}  // namespace naru::http::detail
