#include <lab/event_server.hpp>

namespace naru::lab {

void event_server::connection::on_received() noexcept {
    if (result <= 0 || closing_) {
        if (result > 0) server_.loop_.buffers().release(data);
        if (!closing_) return close();
        return finish_if_quiet();
    }
    buffer_pool& buffers = server_.loop_.buffers();
    input_ = buffers.begin_of(data);
    begin_ = static_cast<std::uint32_t>(data - input_);
    end_ = begin_ + static_cast<std::uint32_t>(result);
    if (!kept_.empty()) {
        // Less than request_bytes are kept, and a buffer holds twice that: what does not fit is no request.
        kept_.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(result));
        if (kept_.size() > limits::buffer_bytes) return close();
        std::copy(kept_.begin(), kept_.end(), reinterpret_cast<char*>(input_));
        begin_ = 0;
        end_ = static_cast<std::uint32_t>(kept_.size());
        kept_.clear();
    }
    answer();
}

void event_server::connection::answer() noexcept {
    const std::string_view input(reinterpret_cast<const char*>(input_) + begin_, end_ - begin_);
    answering& reply = sending_ != nullptr ? *sending_ : server_.answering_.make(*this);
    sending_ = &reply;
    const lab::handler::outcome done = server_.handler_.answer(input, reply.slices);
    begin_ += static_cast<std::uint32_t>(done.used);
    ends_ = done.end;
    if (done.answers > 0) {
        reply.sending.set(target, reply.slices.data(), done.answers);
        return server_.loop_.submit(reply.sending);
    }
    kept_.assign(input.substr(done.used));
    server_.loop_.buffers().release(std::exchange(input_, nullptr));
    server_.answering_.destroy(*std::exchange(sending_, nullptr));
    receive();
}

void event_server::connection::on_sent(bool failed) noexcept {
    if (failed || ends_) close();
    if (!closing_ && begin_ < end_) return answer();
    server_.loop_.buffers().release(std::exchange(input_, nullptr));
    server_.answering_.destroy(*std::exchange(sending_, nullptr));
    if (closing_) return finish_if_quiet();
    receive();
}

void event_server::connection::finish_if_quiet() noexcept {
    if (!idle() || sending_ != nullptr) return;  // what is in flight comes back first
    if (input_ != nullptr) server_.loop_.buffers().release(input_);
    server_.destroy(*this);
}

event_server::event_server(loop& on, const handler& answers, std::function<void(std::string_view)> report)
    : loop_(on), handler_(answers), report_(std::move(report)) {}

event_server::~event_server() = default;

void event_server::serve(handle listener) noexcept {
    listener_ = listener;
    listener_closed_ = false;
    const acceptor::events events{[](void* self, handle accepted) noexcept {
                                      static_cast<event_server*>(self)->on_connection(accepted);
                                  },
                                  [](void* self, std::error_code why, duration) noexcept {
                                      static_cast<event_server*>(self)->on_pause(why);
                                  },
                                  nullptr,
                                  [](void* self) noexcept {
                                      auto& stopped = *static_cast<event_server*>(self);
                                      stopped.loop_.close(stopped.listener_);
                                      stopped.listener_closed_ = true;
                                      stopped.stop_if_empty();
                                  },
                                  this};
    acceptor_.emplace(loop_, listener, events);
    acceptor_->start();
}

void event_server::stop() noexcept {
    if (stopping_) return;
    stopping_ = true;
    acceptor_->stop();
    connections_.for_each([](connection& each) { each.close(); });
    stop_if_empty();
}

void event_server::on_connection(handle accepted) noexcept {
    connection& made = connections_.make(*this, accepted);
    if (stopping_) return made.close();
    made.receive();
}

void event_server::on_pause(std::error_code why) noexcept {
    if (why == reported_) return;
    reported_ = why;
    report_(why.message());
}

void event_server::destroy(connection& ended) noexcept {
    connections_.destroy(ended);
    stop_if_empty();
}

void event_server::stop_if_empty() noexcept {
    if (stopping_ && listener_closed_ && connections_.live() == 0) loop_.stop();
}

}  // namespace naru::lab
