#include <naru/http/site/site.hpp>

#include <naru/http/exchange/answer_head.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/site/site_data.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

namespace naru::http {

namespace {

std::string in_lower_case(std::string_view text) {
    std::string lower(text);
    for (char& each : lower) {
        if (each >= 'A' && each <= 'Z') each = static_cast<char>(each | 0x20);
    }
    return lower;
}

}  // namespace

site::site() : data_(std::make_unique<detail::site_data>()) {}
site::~site() = default;
site::site(site&&) noexcept = default;
site& site::operator=(site&&) noexcept = default;

site& site::add(http::method of, std::string_view pattern, detail::handler handles, route_options options) {
    (void)data_->routes.add(of, pattern, std::move(handles), std::move(options));
    return *this;
}

site& site::add_mount(std::string_view prefix, detail::handler handles, route_options options) {
    auto source = handles.files;
    route& made = data_->routes.mount(prefix, std::move(handles), std::move(options));
    if (source) {
        made.files_index = data_->files.size();
        data_->files.push_back(std::move(source));
    }
    return *this;
}

site& site::host(std::string_view name) {
    std::string lower = in_lower_case(name);
    const auto alias = std::ranges::find(data_->aliases, lower, &std::pair<std::string, std::string>::first);
    if (alias != data_->aliases.end()) lower = alias->second;
    for (auto& [known, own] : data_->hosts) {
        if (known == lower) return *own;
    }
    data_->hosts.emplace_back(std::move(lower), std::make_unique<site>());
    return *data_->hosts.back().second;
}

site& site::hosts(const std::vector<std::string>& names) {
    if (names.empty()) throw std::invalid_argument("a host has a name");
    site& own = host(names.front());
    const std::string first = in_lower_case(names.front());
    for (std::size_t each = 1; each < names.size(); ++each) {
        std::string lower = in_lower_case(names[each]);
        const auto is_it = [&](const auto& known) { return known.first == lower; };
        if (std::ranges::any_of(data_->hosts, is_it) || std::ranges::any_of(data_->aliases, is_it))
            throw std::invalid_argument("the host " + lower + " is there already");
        data_->aliases.emplace_back(std::move(lower), first);
    }
    return own;
}

site& site::add_before(detail::handler step) {
    if (step.kind == detail::handler_kind::files)
        throw std::invalid_argument("files cannot stand before handlers: mount them");
    data_->has_coroutine_before |= step.kind == detail::handler_kind::coroutine;
    data_->before.push_back(std::move(step));
    return *this;
}

site& site::add_hook(detail::head_hook hook) {
    data_->hooks.push_back(std::move(hook));
    return *this;
}

site& site::add_local(detail::loop_local made) {
    data_->locals.push_back(std::move(made));
    return *this;
}

site& site::set_error_page(detail::page_maker make, std::string_view content_type) {
    if (content_type.empty() || content_type.size() > limits::error_type_bytes ||
        !is_field("Content-Type", content_type))
        throw std::invalid_argument("an error page's type is no Content-Type: " + std::string(content_type));
    data_->error_type = content_type;
    data_->error_page = std::move(make);
    return *this;
}

site& site::encode(encode_options options) {
    data_->encoding = std::make_shared<const encode_options>(std::move(options));
    return *this;
}

site& site::access_log(std::string path, std::optional<log_format> as) {
    data_->log = detail::wanted_log{std::move(path), as};
    return *this;
}

// The sites of hosts begin with what the outer one has before its handlers, and number their files behind
// its.
std::shared_ptr<detail::site_data> site::take() && {
    std::shared_ptr<detail::site_data> taken(std::move(data_));
    data_ = std::make_unique<detail::site_data>();
    const auto number = [&patterns = taken->patterns](const route_table& routes) {
        for (const auto& each : routes.all()) {
            each->number = patterns.size();
            patterns.push_back(each->pattern);
        }
    };
    const auto number_log = [&logs = taken->logs](detail::site_data& of) {
        if (!of.log) return;
        const auto is_it = [&](const detail::wanted_log& each) {
            return each.path == of.log->path && each.as == of.log->as;
        };
        auto found = std::ranges::find_if(logs, is_it);
        if (found == logs.end()) found = logs.insert(found, *of.log);
        of.log_number = static_cast<std::size_t>(found - logs.begin()) + 1;
    };
    number(taken->routes);
    number_log(*taken);
    for (auto& [name, own] : taken->hosts) {
        std::shared_ptr<detail::site_data> inner(std::move(own->data_));
        if (!inner->hosts.empty()) throw std::invalid_argument("a host of a site has no hosts of its own");
        for (const auto& each : inner->routes.all()) {
            if (each->handles.files) each->files_index += taken->files.size();
        }
        number(inner->routes);
        if (!inner->log) inner->log = taken->log;
        number_log(*inner);
        taken->files.insert(taken->files.end(), inner->files.begin(), inner->files.end());
        taken->locals.insert(taken->locals.end(), inner->locals.begin(), inner->locals.end());
        inner->before.insert(inner->before.begin(), taken->before.begin(), taken->before.end());
        inner->hooks.insert(inner->hooks.begin(), taken->hooks.begin(), taken->hooks.end());
        if (inner->encoding == nullptr) inner->encoding = taken->encoding;
        inner->has_coroutine_before |= taken->has_coroutine_before;
        taken->by_host.emplace_back(name, std::move(inner));
    }
    taken->hosts.clear();
    for (auto& [alias, name] : taken->aliases) {
        const auto same =
            std::ranges::find(taken->by_host, name, [](const auto& each) { return each.first; });
        taken->by_host.emplace_back(std::move(alias), std::shared_ptr<const detail::site_data>(same->second));
    }
    taken->aliases.clear();
    std::ranges::sort(taken->by_host, {}, [](const auto& each) -> const std::string& { return each.first; });
    return taken;
}

const detail::site_data& detail::site_data::for_host(std::string_view authority) const noexcept {
    std::string_view name = authority;
    if (name.starts_with('[')) {
        name = name.substr(0, name.find(']') + 1);
    } else {
        name = name.substr(0, name.find(':'));
    }
    std::array<char, limits::host_name_bytes + 1> lower;  // no known one is longer: behind a star
    if (by_host.empty() || name.size() >= lower.size()) return *this;
    std::ranges::transform(name, lower.begin() + 1, [](char each) {
        return each >= 'A' && each <= 'Z' ? static_cast<char>(each | 0x20) : each;
    });
    const auto find = [this](std::string_view wanted) -> const site_data* {
        const auto of = [](const auto& each) -> std::string_view { return each.first; };
        const auto found = std::ranges::lower_bound(by_host, wanted, {}, of);
        return found != by_host.end() && found->first == wanted ? found->second.get() : nullptr;
    };
    const std::string_view exact(lower.data() + 1, name.size());
    if (const site_data* const found = find(exact)) return *found;
    const std::size_t dot = exact.find('.');
    if (dot == 0 || dot == std::string_view::npos) return *this;
    lower[dot] = '*';
    const site_data* const found = find({lower.data() + dot, exact.size() - dot + 1});
    return found != nullptr ? *found : *this;
}

}  // namespace naru::http
