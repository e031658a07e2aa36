// Reading by lines, delimiters and counts.
#pragma once

#include <naru/coro/byte_source.hpp>
#include <naru/coro/task.hpp>
#include <naru/stream/byte_stream.hpp>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace naru {

namespace detail {

/// What a read waits for.
struct wanted_bytes {
    enum class kind : std::uint8_t { until, line, exactly, peek, some };
    kind what;
    std::string_view delimiter;
    std::size_t count = 0;
};

/// What has been received and not been read: in a lease while it is what one receive has brought, else in as
/// much heap memory as it needs. A lease is never held while more is waited for.
class reader_state {
 public:
    explicit reader_state(std::size_t limit) noexcept : limit_(limit) {}

    /// The bytes, an error, or nothing if more are needed.
    std::optional<result<bytes_view>> look(const wanted_bytes& wanted) noexcept;
    /// Before a receive: gives the lease back. False without the memory to keep what is in it.
    bool make_way() noexcept;
    /// After it. False without memory; the bytes are lost then.
    bool add(lease&& received) noexcept;
    std::size_t consume(std::size_t count) noexcept;
    bytes_view unread() const noexcept { return unread_; }
    /// What the end of the stream means here.
    std::error_code end() const noexcept { return unread_.empty() ? errc::end_of_stream : errc::ended_early; }

 private:
    result<bytes_view> take(std::size_t count, std::size_t behind) noexcept;
    std::optional<result<bytes_view>> find(std::string_view delimiter) noexcept;

    std::size_t limit_;
    lease lease_;
    std::vector<std::byte> gathered_;
    bytes_view unread_;
    std::size_t scanned_ = 0;  // of unread_: no delimiter begins there
};

/// result<bytes_view>: at once, without a coroutine, if the bytes are there.
template <class Reader>
class [[nodiscard]] read_request : public request<read_request<Reader>> {
 public:
    read_request(Reader& from, const wanted_bytes& wanted) noexcept : reader_(&from), wanted_(wanted) {}

    class awaiter : public begins<awaiter> {
     public:
        explicit awaiter(read_request&& of) noexcept : reader_(of.reader_), wanted_(of.wanted_) {}
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;

        bool await_ready() noexcept {
            got_ = reader_->state_.look(wanted_);
            return got_.has_value();
        }
        std::coroutine_handle<> begin(std::coroutine_handle<> waiting, stop_scope& in) {
            waits_.emplace(reader_->read(wanted_));
            return waits_->inner.begin(waiting, in);
        }
        [[nodiscard]] result<bytes_view> await_resume() {
            if (got_) return *got_;
            return waits_->inner.await_resume();
        }

     private:
        /// A task's awaiter is made where it stays.
        struct pinned {
            explicit pinned(task<result<bytes_view>>&& of) : inner(std::move(of).operator co_await()) {}
            awaiter_type<task<result<bytes_view>>&&> inner;
        };

        Reader* reader_;
        wanted_bytes wanted_;
        std::optional<result<bytes_view>> got_;
        std::optional<pinned> waits_;
    };

 private:
    Reader* reader_;
    wanted_bytes wanted_;
};

}  // namespace detail

/// Reads from a stream, which must outlive it. One read at a time. What a read gives is a view that is good
/// until the next call; a read that fails has consumed nothing. Errors of each: those of the stream's
/// receive; end_of_stream when nothing is left, ended_early when fewer bytes are left than were asked for
/// (`unread` has them); read_limit past the limit; ENOMEM. A read that is stopped loses nothing.
template <byte_stream Stream>
class buffered_reader {
 public:
    using read_request = detail::read_request<buffered_reader>;

    /// No read gives more than `limit` bytes.
    explicit buffered_reader(Stream& from, std::size_t limit = limits::reader_bytes) noexcept
        : stream_(&from), state_(limit) {}
    buffered_reader(const buffered_reader&) = delete;
    buffered_reader& operator=(const buffered_reader&) = delete;

    /// result<bytes_view>: what is before the delimiter, which is consumed, too. It is lent until then; an
    /// empty one is EINVAL.
    read_request until(std::string_view delimiter) noexcept {
        return {*this, {detail::wanted_bytes::kind::until, delimiter, 0}};
    }
    /// result<bytes_view>: a line without its end, which is "\n" or "\r\n". The last one needs an end, too.
    read_request line() noexcept { return {*this, {detail::wanted_bytes::kind::line, "\n", 0}}; }
    /// result<bytes_view>: so many bytes.
    read_request exactly(std::size_t count) noexcept {
        return {*this, {detail::wanted_bytes::kind::exactly, {}, count}};
    }
    /// result<bytes_view>: at least so many bytes, which stay unread.
    read_request peek(std::size_t count) noexcept {
        return {*this, {detail::wanted_bytes::kind::peek, {}, count}};
    }
    /// result<bytes_view>: whatever comes next, at least one byte.
    read_request some() noexcept { return {*this, {detail::wanted_bytes::kind::some, {}, 0}}; }

    /// result<size_t>: fills `memory` (any contiguous bytes, of any size), which must stay until then. One
    /// that fails has consumed what it has written.
    template <class Memory>
        requires detail::writable_byte_range<Memory>
    task<result<std::size_t>> fill(Memory&& memory) {
        static_assert(!detail::owned_bytes<Memory>,
                      "naru: memory to receive into must outlive the receive: pass a name or a span");
        return fill_bytes(writable_bytes_of(memory));
    }

    /// Received, and not read yet.
    bytes_view unread() const noexcept { return state_.unread(); }
    /// Drops as many of them at most; says how many.
    std::size_t consume(std::size_t count) noexcept { return state_.consume(count); }

 private:
    friend detail::read_request<buffered_reader>;

    task<result<bytes_view>> read(detail::wanted_bytes wanted) {
        while (true) {
            if (!state_.make_way()) co_return fail_errno(ENOMEM);
            auto received = co_await stream_->receive();
            if (!received && received.error() == errc::end_of_stream) co_return fail(state_.end());
            if (!received) co_return fail(received.error());
            if (!state_.add(std::move(*received))) co_return fail_errno(ENOMEM);
            if (auto got = state_.look(wanted)) co_return *got;
        }
    }
    task<result<std::size_t>> fill_bytes(mutable_bytes memory) {
        const mutable_slice whole(memory);
        std::size_t filled = state_.consume(scatter(state_.unread(), std::span(&whole, 1)));
        if (filled < memory.size() && !state_.make_way()) co_return fail_errno(ENOMEM);
        while (filled < memory.size()) {
            auto received = co_await stream_->receive(memory.subspan(filled));
            if (!received && received.error() == errc::end_of_stream && filled > 0)
                co_return fail(errc::ended_early);
            if (!received) co_return fail(received.error());
            filled += *received;
        }
        co_return filled;
    }

    Stream* stream_;
    detail::reader_state state_;
};

}  // namespace naru
