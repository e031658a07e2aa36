// Values from coroutine to coroutine, with back-pressure.
#pragma once

#include <naru/coro/wait_queue.hpp>

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

namespace naru {

/// A queue of at most `capacity` values between coroutines of one loop: who sends to a full one waits, who
/// receives from an empty one waits, both in the order in which they came. Must outlive who waits.
template <class T>
class channel {
 public:
    /// At least 1.
    explicit channel(std::size_t capacity) : capacity_(capacity == 0 ? 1 : capacity) {}

    class send_request;
    class receive_request;

    /// result<void>: the value is in the channel, or with who receives. Errors: channel_closed,
    /// operation_canceled (the value is dropped).
    send_request send(T value) { return send_request(*this, std::move(value)); }
    /// result<T>. Errors: channel_closed, when all that was sent has been received; operation_canceled.
    receive_request receive() noexcept { return receive_request(*this); }
    /// Whether there was room; the value is kept by the caller if not.
    [[nodiscard]] bool try_send(T& value) {
        if (closed_ || values_.size() >= capacity_) return false;
        put(std::move(value));
        return true;
    }
    /// A value that is there, if one is.
    [[nodiscard]] std::optional<T> try_receive() {
        std::optional<T> got;
        if (!values_.empty()) got.emplace(take());
        return got;
    }

    /// No more is sent: those who wait to send fail, what is in the channel can still be received.
    void close() noexcept {
        closed_ = true;
        senders_.wake_all();
        receivers_.wake_all();
    }
    bool closed() const noexcept { return closed_; }
    std::size_t size() const noexcept { return values_.size(); }
    std::size_t capacity() const noexcept { return capacity_; }

 private:
    // A receiver that waits gets the value at once: nobody who comes later can take it.
    void put(T&& value) {
        if (receivers_.empty()) {
            values_.push_back(std::move(value));
        } else {
            auto& first = static_cast<typename receive_request::awaiter&>(*receivers_.front());
            first.got_.emplace(std::move(value));
            receivers_.wake_one();
        }
    }
    // The first sender that waits takes the room.
    T take() {
        T value = std::move(values_.front());
        values_.pop_front();
        if (!senders_.empty()) {
            auto& first = static_cast<typename send_request::awaiter&>(*senders_.front());
            values_.push_back(std::move(first.value_));
            first.sent_ = true;
            senders_.wake_one();
        }
        return value;
    }

    std::size_t capacity_;
    bool closed_ = false;
    std::deque<T> values_;
    detail::wait_queue senders_;
    detail::wait_queue receivers_;
};

template <class T>
class [[nodiscard]] channel<T>::send_request : public request<typename channel<T>::send_request> {
 public:
    send_request(channel& to, T&& value) : channel_(&to), value_(std::move(value)) {}

    class awaiter : public detail::waiter {
     public:
        explicit awaiter(send_request&& of)
            : waiter(of.channel_->senders_), channel_(of.channel_), value_(std::move(of.value_)) {}
        bool await_ready() {
            if (channel_->closed_) return true;
            if (channel_->values_.size() >= channel_->capacity_) return false;
            channel_->put(std::move(value_));
            return sent_ = true;
        }
        [[nodiscard]] result<void> await_resume() const noexcept {
            if (stopped()) return fail_errno(ECANCELED);
            if (!sent_) return fail(errc::channel_closed);
            return {};
        }

     private:
        friend class channel;
        channel* channel_;
        T value_;
        bool sent_ = false;
    };

 private:
    channel* channel_;
    T value_;
};

template <class T>
class [[nodiscard]] channel<T>::receive_request : public request<typename channel<T>::receive_request> {
 public:
    explicit receive_request(channel& from) noexcept : channel_(&from) {}

    class awaiter : public detail::waiter {
     public:
        explicit awaiter(receive_request&& of) noexcept
            : waiter(of.channel_->receivers_), channel_(of.channel_) {}
        bool await_ready() {
            if (!channel_->values_.empty()) got_.emplace(channel_->take());
            return got_ || channel_->closed_;
        }
        [[nodiscard]] result<T> await_resume() {
            if (got_) return std::move(*got_);
            if (stopped()) return fail_errno(ECANCELED);
            return fail(errc::channel_closed);
        }

     private:
        friend class channel;
        channel* channel_;
        std::optional<T> got_;
    };

 private:
    channel* channel_;
};

}  // namespace naru
