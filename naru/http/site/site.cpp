#include <naru/http/site/site.hpp>

#include <naru/http/message/fields.hpp>
#include <naru/http/site/site_data.hpp>

#include <algorithm>
#include <stdexcept>

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
    (void)data_->routes.add(of, pattern, std::move(handles), options);
    return *this;
}

site& site::add_mount(std::string_view prefix, detail::handler handles) {
    auto source = handles.files;
    route& made = data_->routes.mount(prefix, std::move(handles));
    if (source) {
        made.files_index = data_->files.size();
        data_->files.push_back(std::move(source));
    }
    return *this;
}

site& site::host(std::string_view name) {
    std::string lower = in_lower_case(name);
    for (auto& [known, own] : data_->hosts) {
        if (known == lower) return *own;
    }
    data_->hosts.emplace_back(std::move(lower), std::make_unique<site>());
    return *data_->hosts.back().second;
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

site& site::set_error_page(detail::page_maker make) {
    data_->error_page = std::move(make);
    return *this;
}

site& site::encode(encode_options options) {
    data_->encoding = std::make_shared<const encode_options>(std::move(options));
    return *this;
}

// The sites of hosts begin with what the outer one has before its handlers, and number their files behind
// its.
std::shared_ptr<const detail::site_data> site::take() && {
    std::shared_ptr<detail::site_data> taken(std::move(data_));
    data_ = std::make_unique<detail::site_data>();
    const auto number = [&patterns = taken->patterns](const route_table& routes) {
        for (const auto& each : routes.all()) {
            each->number = patterns.size();
            patterns.push_back(each->pattern);
        }
    };
    number(taken->routes);
    for (auto& [name, own] : taken->hosts) {
        std::shared_ptr<detail::site_data> inner(std::move(own->data_));
        if (!inner->hosts.empty()) throw std::invalid_argument("a host of a site has no hosts of its own");
        for (const auto& each : inner->routes.all()) {
            if (each->handles.files) each->files_index += taken->files.size();
        }
        number(inner->routes);
        taken->files.insert(taken->files.end(), inner->files.begin(), inner->files.end());
        taken->locals.insert(taken->locals.end(), inner->locals.begin(), inner->locals.end());
        inner->before.insert(inner->before.begin(), taken->before.begin(), taken->before.end());
        inner->hooks.insert(inner->hooks.begin(), taken->hooks.begin(), taken->hooks.end());
        if (inner->encoding == nullptr) inner->encoding = taken->encoding;
        inner->has_coroutine_before |= taken->has_coroutine_before;
        taken->by_host.emplace_back(name, std::move(inner));
    }
    taken->hosts.clear();
    return taken;
}

const detail::site_data& detail::site_data::for_host(std::string_view authority) const noexcept {
    std::string_view name = authority;
    if (name.starts_with('[')) {
        name = name.substr(0, name.find(']') + 1);
    } else {
        name = name.substr(0, name.find(':'));
    }
    for (const auto& [each, data] : by_host) {
        if (equals_lower(name, each)) return *data;
    }
    return *this;
}

}  // namespace naru::http
