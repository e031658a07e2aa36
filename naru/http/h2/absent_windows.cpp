// Where there is no nghttp2: no connection becomes a session's, and no stream is ever made.
#include <naru/http/h2/session.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/h2/tunnel.hpp>
#include <naru/http/server/worker.hpp>

#include <utility>

namespace naru::http {

naru::handle connection::socket() const noexcept { return target; }
bool connection::begins_http2(std::string_view) const noexcept { return false; }
bool connection::speak_http2(std::string_view) noexcept { return false; }
bool connection::begin_stream_request() noexcept { return false; }
void connection::close_streams() noexcept {}
bool connection::streams_ended() noexcept { return true; }

namespace h2 {

void tunnel::take(operation&) noexcept {}
void tunnel::cancel(operation&) noexcept {}
result<void> tunnel::shutdown_send() noexcept { return {}; }
stream::~stream() = default;
void stream::become_tunnel() noexcept {}
void stream::let_go_of_tunnel() noexcept {}
connection& stream::link() const noexcept { std::unreachable(); }  // of which there is none
void stream::want_input() noexcept {}
void stream::cancel_input() noexcept {}
std::uint64_t stream::on_its_way() const noexcept { return 0; }
void stream::carry_on(bool) noexcept {}
void stream::finish() noexcept {}
void stream::abandon() noexcept {}
void stream::end() noexcept {}
session::~session() = default;
void session_memory_end::operator()(session_memory*) const noexcept {}
void session::on_received(std::byte*, std::int64_t) noexcept {}
void session::on_deadline() noexcept {}
void session::drain() noexcept {}
void session::tell_streams() noexcept {}
void session::take_turn() noexcept {}
bool session::end_requests() noexcept { return false; }
void session::offer_output() noexcept {}
void session::shed_if_stalled() noexcept {}
std::optional<duration> session::idle_for(instant) const noexcept { return std::nullopt; }
std::size_t session::bytes_kept() const noexcept { return 0; }

}  // namespace h2

}  // namespace naru::http
