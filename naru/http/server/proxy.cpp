// Proxies: on whose behalf a connection comes, by the PROXY protocol, and a request, by its fields.
#include <naru/http/exchange/forwarded.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/message/fields.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <cerrno>
#include <new>

namespace naru::http {

proxy_reader::proxy_reader(worker& of, handle accepted, const connection_terms& under) noexcept
    : receive_into_operation([](operation& op) noexcept {
          auto& self = static_cast<proxy_reader&>(op);
          self.owner.on_proxy_header(self);  // the last touch
      }),
      timer([](timer& expired) noexcept {
          auto& self = static_cast<proxy_reader&>(expired);
          self.late = true;
          self.owner.loop_.cancel(self);
      }),
      owner(of),
      terms(under) {
    target = accepted;
}

// Who is no proxy of ours could say anything: it is not even read.
void worker::begin_proxied(handle accepted, const connection_terms& under) noexcept {
    const peer_facts peer = peer_of(accepted);
    const auto* const trusted = options_.trusted_proxies.get();
    const bool is_trusted = trusted != nullptr && (peer.where   ? trusted->trusts(*peer.where)
                                                   : peer.local ? trusted->trusts_local()
                                                                : false);
    if (!is_trusted) {
        const bool has_gone = !peer.where && !peer.local;
        loop_.reset_on_close(accepted);
        loop_.close(accepted);
        if (!has_gone) count_shed(shed_reason::proxy_untrusted);
        return;
    }
    try {
        proxy_reader& made = proxy_readers_.make(*this, accepted, under);
        loop_.arm(made, saturating_add(loop_.now(), options_.timeouts.head));
        read_proxy_header(made);
    } catch (const std::bad_alloc&) {
        loop_.close(accepted);
        on_pause(std::error_code(ENOMEM, errno_category()));
    }
}

void worker::read_proxy_header(proxy_reader& of) noexcept {
    of.set(of.target, mutable_bytes(of.room.data(), std::min(of.header.wants(), of.room.size())));
    loop_.submit(of);
    if (settled_ && !retiring_)
        loop_.cancel(of);  // ends with what has come by now, or as one that has said nothing
}

void worker::on_proxy_header(proxy_reader& of) noexcept {
    if (of.result > 0) {
        const auto size = static_cast<std::size_t>(of.result);
        const auto state = of.header.take(as_text(bytes_view(of.room.data(), size)));
        if (state == proxy_header::state::need_more && !of.late) return read_proxy_header(of);
        if (state == proxy_header::state::complete) return proxy_header_is_there(of);
        count_shed(shed_reason::proxy_header);
    } else if (of.late || (of.header.begun() && !settled_)) {
        count_shed(shed_reason::proxy_header);
    }  // else a probe: it has connected, and that was all
    const handle ended = of.target;
    loop_.disarm(of);
    proxy_readers_.destroy(of);
    loop_.close(ended);
    stop_if_drained();
}

void worker::proxy_header_is_there(proxy_reader& of) noexcept {
    const handle accepted = of.target;
    const std::shared_ptr<tls_credentials> tls = std::move(of.terms.tls);
    const bool of_the_proxy = of.header.is_of_the_proxy();
    loop_.disarm(of);
    try {
        const proxied_client client{of.header.client(), of.header.is_secure(),
                                    std::string(of.header.tls_version()), std::string(of.header.unique_id())};
        proxy_readers_.destroy(of);
        admit(accepted, tls, of_the_proxy ? nullptr : &client);
    } catch (const std::bad_alloc&) {  // before it has been destroyed
        proxy_readers_.destroy(of);
        loop_.close(accepted);
        on_pause(std::error_code(ENOMEM, errno_category()));
    }
    stop_if_drained();
}

void worker::end_proxy_headers() noexcept {
    proxy_readers_.for_each([this](proxy_reader& each) { loop_.cancel(each); });
}

worker::peer_facts worker::peer_of(handle socket) noexcept {
    const auto peer = loop_.peer_address(socket);
    if (peer) return {*peer, false};
    return {std::nullopt, peer.error() == std::errc::address_family_not_supported};
}

worker::peer_facts worker::client_of(const connection& of) noexcept {
    if (const proxied_client* const said = proxied(of)) return {said->where, false};
    return peer_of(of.is_stream_ ? of.as_stream().link().target : of.target);
}

const worker::proxied_client* worker::proxied(const connection& of) const noexcept {
    const connection& link = of.is_stream_ ? of.as_stream().link() : of;
    if (!link.is_proxied_) return nullptr;
    const auto said = proxied_.find(&link);
    return said == proxied_.end() ? nullptr : &said->second;
}

// Whoever comes through a proxy that says for whom each request is, is none of its connections' peer.
bool worker::is_of_many(const std::optional<address>& client) const noexcept {
    const auto* const trusted = options_.trusted_proxies.get();
    return client && trusted != nullptr && trusted->told_by() != trusted_proxies::fields::none &&
           trusted->trusts(*client);
}

bool worker::comes_too_often(const std::optional<address>& client) noexcept {
    return options_.connection_rate != nullptr && client && !is_of_many(client) &&
           options_.connection_rate->ask(client, loop_.now());
}

detail::forwarded_facts connection::forwarded() const noexcept {
    const auto sender = worker_.client_of(*this);
    const auto* const trusted = worker_.options_.trusted_proxies.get();
    if (trusted == nullptr || !has_turn_ || turn_->head.empty() || (!sender.where && !sender.local))
        return {sender.where, {}};
    return detail::read_forwarded(field_list(turn_->head), *trusted, sender.where);
}

std::optional<address> exchange::client() const noexcept { return link_->forwarded().client; }

bool exchange::is_local() const noexcept {
    return link_->worker_.client_of(*link_).local && !link_->forwarded().client;
}

bool exchange::is_secure() const noexcept {
    if (link_->worker_.options_.trusted_proxies == nullptr) return link_->is_secure();
    const std::string_view scheme = link_->forwarded().scheme;
    if (scheme.empty()) {
        const auto* const by_proxy = link_->worker_.proxied(*link_);
        return link_->is_secure() || (by_proxy != nullptr && by_proxy->secure);
    }
    constexpr std::string_view secure = "https";
    return scheme.size() == secure.size() && equals_lower(scheme, secure);
}

}  // namespace naru::http
