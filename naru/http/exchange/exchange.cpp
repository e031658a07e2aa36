// The request's side of an exchange.
#include <naru/http/exchange/exchange.hpp>

#include <naru/http/exchange/answer_head.hpp>
#include <naru/http/exchange/call.hpp>
#include <naru/http/message/fields.hpp>
#include <naru/http/message/form.hpp>
#include <naru/http/message/path.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>

namespace naru::http {

exchange::~exchange() {
    while (values_ != nullptr) {
        detail::left_value* const next = values_->next;
        delete values_;
        values_ = next;
    }
}

const request_head& exchange::head() const noexcept { return link_->turn_->parser.head(); }
std::string_view exchange::head_text() const noexcept { return link_->turn_->head; }

http::method exchange::method() const noexcept { return head().method; }
std::string_view exchange::method_name() const noexcept { return head().method_name.in(head_text()); }
std::string_view exchange::raw_target() const noexcept { return head().target.in(head_text()); }

std::string_view exchange::query() const noexcept {
    const std::string_view query = query_part(raw_target());
    return query.empty() ? query : query.substr(1);
}

std::optional<std::string> exchange::query_value(std::string_view name) const {
    return form_value(query(), name);
}

std::optional<std::string_view> exchange::cookie(std::string_view name) const noexcept {
    std::size_t from = 0;
    while (const auto line = next_field(head_text(), "cookie", from)) {
        std::string_view left = *line;
        while (!left.empty()) {
            const std::size_t end = std::min(left.find(';'), left.size());
            const std::string_view pair = trimmed(left.substr(0, end));
            left = end < left.size() ? left.substr(end + 1) : std::string_view();
            const std::size_t equals = pair.find('=');
            if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
            std::string_view value = pair.substr(equals + 1);
            if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
                value = value.substr(1, value.size() - 2);
            return value;
        }
    }
    return std::nullopt;
}

// An absolute target has been reduced to its path by the parser; what was before that is still in the head.
std::string_view exchange::authority() const noexcept {
    const request_head& request = head();
    const std::string_view text = head_text();
    const std::size_t begin = request.method_name.offset + request.method_name.length + 1u;
    if (begin < request.target.offset) {
        const std::string_view before = text.substr(begin, request.target.offset - begin);
        const std::size_t scheme = before.find("://");
        if (scheme != std::string_view::npos) return before.substr(scheme + 3);
    }
    return request.value(field::host, text);
}

std::optional<std::string_view> exchange::field(std::string_view name) const noexcept {
    for (const auto& each : fields()) {
        if (each.name.size() != name.size()) continue;
        const bool same = std::ranges::equal(each.name, name, [](char a, char b) {
            const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
            return lower(a) == lower(b);
        });
        if (same) return each.value;
    }
    return std::nullopt;
}

field_list exchange::fields() const noexcept { return field_list(head_text()); }

field_list::iterator field_list::begin() const noexcept {
    const std::size_t method = head_.find_first_not_of("\r\n");  // behind empty lines
    const std::size_t line = method == std::string_view::npos ? method : head_.find("\r\n", method);
    return iterator(line == std::string_view::npos ? std::string_view() : head_.substr(line + 2));
}

void field_list::iterator::read() noexcept {
    const std::size_t end = left_.find("\r\n");
    if (end == std::string_view::npos || end == 0) {
        ended_ = true;
        return;
    }
    const std::string_view line = left_.substr(0, end);
    left_.remove_prefix(end + 2);
    const std::size_t colon = std::min(line.find(':'), line.size() - 1);
    now_ = {line.substr(0, colon), trimmed(line.substr(colon + 1))};
}

std::string_view exchange::param(std::string_view name) const noexcept {
    if (route_ == nullptr) return {};
    for (std::size_t each = 0; each < route_->names.size() && each < param_count_; ++each) {
        if (route_->names[each] == name) return params_[each];
    }
    return {};
}

std::string_view exchange::pattern() const noexcept {
    return route_ == nullptr ? std::string_view() : std::string_view(route_->pattern);
}

const void* exchange::attached() const noexcept {
    return route_ == nullptr ? nullptr : route_->options.attached.get();
}

std::string_view exchange::path_in_mount() const noexcept {
    return path_.substr(std::min<std::size_t>(prefix_, path_.size()));
}

bool exchange::is_http2() const noexcept { return link_->is_stream_; }

connection_facts exchange::from() const noexcept {
    connection_facts facts;
    if (const auto peer = link_->worker_.loop_.peer_address(link_->socket())) facts.peer = *peer;
    facts.minor_version = head().minor_version;
    facts.client = client();
    facts.tls = link_->is_secure();
    facts.http2 = is_http2();
    return facts;
}

std::string_view exchange::tls_name() const noexcept { return link_->negotiated_name(); }

std::optional<std::uint64_t> exchange::content_length() const noexcept {
    if (head().chunked) return std::nullopt;
    return head().content_length;
}

loop& exchange::home() const noexcept { return link_->worker_.loop_; }
stop_scope& exchange::scope() const noexcept {
    return call_ != nullptr ? call_->scope : link_->worker_.root_.scope();
}
bool exchange::draining() const noexcept { return link_->worker_.draining_; }

void* exchange::local_of(const void* type) const noexcept {
    for (const auto& [key, made] : link_->turn_->serves->locals) {
        if (key == type) return made.get();
    }
    fatal("bug: exchange::local was asked for a type that no site::per_loop makes");
}

worker_pool& detail::blocking_pool(const exchange& of) noexcept {
    return of.link_->worker_.threads_.blocking;
}

void exchange::overrule(unsigned status, const char* reason) noexcept {
    if (call_ == nullptr || call_->overrule != 0) return;
    call_->overrule = static_cast<std::uint16_t>(status);
    call_->overrule_reason = reason;
}

task<result<std::string>> exchange::read_all() {
    std::string all;
    if (const auto size = content_length())
        all.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(*size, limits::body_bytes)));
    while (true) {
        auto piece = co_await read();
        if (!piece) {
            if (piece.error() == errc::end_of_stream) co_return std::move(all);
            co_return fail(piece.error());
        }
        all += piece->text();
    }
}

}  // namespace naru::http
