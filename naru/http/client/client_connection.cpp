#include <naru/http/client/client_connection.hpp>

#include <naru/http/client/http2_stream.hpp>

#include <utility>

namespace naru::http {

client_connection::client_connection(tcp_stream stream, const address& peer, bool carries_one) noexcept
    : loop_(stream.home()), stream_(std::move(stream)), peer_(peer), carries_one_(carries_one) {}

void client_connection::retire_now() noexcept {
    loop_.disarm(idle_deadline_);
    lease_.reset();
    if (sending_ != nullptr) std::exchange(sending_, nullptr)->connection_is_gone();
    mode_ = mode::retired;
    const tcp_stream closing = std::exchange(stream_, tcp_stream());
    // The close ends the receive, whose end is the last that is heard of this.
    if (receive_.idle()) delete this;
}

void client_connection::receive() noexcept {
    if (!receive_.idle() || ended_) return;
    receive_.set(stream_.native());
    loop_.submit(receive_);
}

bool client_connection::can_be_kept() const noexcept {
    return !carries_one_ && body_ended_ && sent_whole_ && reader_.keep_alive() && input_.empty() && !ended_;
}

std::error_code client_connection::end() const noexcept {
    if (ended_ != std::errc::protocol_error) return ended_;
    // An outcome has no room for more; a server that wants a certificate says so behind the handshake
    // (TLS 1.3).
    const http2_stream* const stream = http2_stream::find(loop_, stream_.native());
    const std::error_code why =
        stream != nullptr ? stream->tls_failure() : tls_failure(loop_, stream_.native());
    return why ? why : ended_;
}

void client_connection::idle(void* owner, ended_function on_end, instant until) noexcept {
    mode_ = mode::idle;
    lease_.reset();
    idle_owner_ = owner;
    ended_idle_ = on_end;
    idle_since_ = clock::now();
    ++answers_;
    receive();
    loop_.arm(idle_deadline_, until);
}

void upload::end(bool whole) noexcept {
    loop_.disarm(quiet_);
    if (connection_ != nullptr) {
        connection_->sending_ = nullptr;
        connection_->sent_whole_ = whole;
        connection_ = nullptr;
    }
    is_asking_ = false;
    has_ended_ = true;
    settled_.set();
}

void client_connection::begin_request(bool to_head, upload& sending) noexcept {
    mode_ = mode::head;
    reader_.reset();
    head_outcome_ = response_reader::outcome::need_more;
    to_head_ = to_head;
    any_byte_ = sent_whole_ = body_ended_ = false;
    sending_ = &sending;
    sending.connection_ = this;
    receive();
}

void client_connection::on_received() noexcept {
    if (receive_.result > 0) {
        const auto size = static_cast<std::size_t>(receive_.result);
        loop_.buffers().note_holder(receive_.data, receive_.target);
        lease_ = lease(loop_.buffers(), mutable_bytes(receive_.data, size));
        input_ = lease_.text();
    } else {
        ended_ = receive_.error();
    }
    if (mode_ == mode::retired) {
        delete this;
        return;
    }
    if (mode_ == mode::idle) return ended_idle_(idle_owner_, *this);
    if (mode_ == mode::head) read_head();
    const bool told_to_stop = waiting_ != nullptr && waiting_->stopped_;
    if (!has_news() && !told_to_stop) return receive();
    if (sending_ != nullptr) tell_upload();
    if (waiting_ != nullptr) std::exchange(waiting_, nullptr)->resume();  // the last touch
}

void client_connection::tell_upload() noexcept {
    if (mode_ == mode::head && has_head()) return sending_->answered(head_);
    // Who has only ended his direction may go on reading.
    if (mode_ == mode::head || (ended_ && ended_ != errc::end_of_stream)) sending_->stop();
}

void client_connection::read_head() noexcept {
    if (head_outcome_ != response_reader::outcome::need_more) return;
    any_byte_ = any_byte_ || !input_.empty();
    head_outcome_ = reader_.read_head(input_, to_head_, head_, head_text_);
    if (input_.empty()) lease_.reset();
}

bool client_connection::has_news() const noexcept {
    if (ended_) return true;
    return mode_ == mode::head ? head_outcome_ != response_reader::outcome::need_more : !input_.empty();
}

response_reader::outcome client_connection::read_body(std::string_view& data) noexcept {
    data = {};
    if (body_ended_) return response_reader::outcome::complete;
    if (input_.empty()) lease_.reset();
    const response_reader::outcome then = reader_.read_body(input_, data);
    body_ended_ = then == response_reader::outcome::complete;
    return then;
}

bool client_connection::end_of_body() noexcept {
    if (body_ended_) return true;
    body_ended_ = ended_ == errc::end_of_stream && reader_.end() == response_reader::outcome::complete;
    return body_ended_;
}

}  // namespace naru::http
