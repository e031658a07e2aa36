// Writing little by little, sent in one go.
#pragma once

#include <naru/coro/byte_source.hpp>
#include <naru/coro/task.hpp>
#include <naru/stream/byte_stream.hpp>

#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace naru {

/// Gathers what is written to a stream, which must outlive it, and sends it when its memory is full, at a
/// flush or at a shutdown. One write at a time. What is in it at its end is not sent: flush before. After a
/// send has failed every later call fails with the same error: what has arrived is not known.
template <byte_stream Stream>
class buffered_writer {
    template <class Bytes>
    class write_request;

 public:
    /// Holds so many bytes, of memory that is allocated at the first write.
    explicit buffered_writer(Stream& to, std::size_t bytes = limits::writer_bytes) noexcept
        : stream_(&to), capacity_(bytes) {}
    buffered_writer(const buffered_writer&) = delete;
    buffered_writer& operator=(const buffered_writer&) = delete;

    /// result<void>: at once, without a coroutine, if there is room. Bytes that have a name are lent until
    /// then; a temporary that owns its bytes is kept in the request. Errors: those of the stream's send,
    /// ENOMEM.
    template <byte_source Source>
    auto write(Source&& source) noexcept {
        if constexpr (detail::owned_bytes<Source>) {
            return write_request<std::remove_cvref_t<Source>>(*this, std::forward<Source>(source));
        } else {
            return write_request<bytes_view>(*this, bytes_of(source));
        }
    }
    /// Sends all that was written.
    task<result<void>> flush() { return send_with({}); }
    /// The same, and ends our direction.
    task<result<void>> shutdown() {
        auto sent = co_await flush();
        if (!sent) co_return sent;
        co_return co_await stream_->shutdown();
    }

    /// Written, and not sent.
    std::size_t buffered() const noexcept { return used_; }

 private:
    bool put(bytes_view bytes) noexcept {
        if (failed_ || bytes.size() > capacity_ - used_) return false;
        if (memory_ == nullptr) memory_.reset(new (std::nothrow) std::byte[capacity_]);
        if (memory_ == nullptr) return false;
        const mutable_slice room(memory_.get() + used_, capacity_ - used_);
        used_ += scatter(bytes, std::span(&room, 1));
        return true;
    }

    task<result<void>> write_through(bytes_view bytes) {
        if (failed_) co_return fail(failed_);
        if (used_ + bytes.size() >= capacity_) co_return co_await send_with(bytes);
        if (!put(bytes)) co_return fail_errno(ENOMEM);
        co_return {};
    }

    task<result<void>> send_with(bytes_view behind) {
        if (failed_) co_return fail(failed_);
        slice pieces[] = {slice(memory_.get(), used_), slice(behind)};
        if (total_size(pieces) == 0) co_return {};
        auto sent = co_await stream_->send(std::span<slice>(pieces));
        used_ = 0;
        if (!sent) failed_ = sent.error();
        if (failed_) co_return fail(failed_);
        co_return {};
    }

    template <class Bytes>
    class [[nodiscard]] write_request : public request<write_request<Bytes>> {
     public:
        write_request(buffered_writer& to, Bytes what) noexcept : writer_(&to), bytes_(std::move(what)) {}

        class awaiter : public detail::begins<awaiter> {
         public:
            explicit awaiter(write_request&& of) noexcept
                : writer_(of.writer_), bytes_(std::move(of.bytes_)) {}
            awaiter(const awaiter&) = delete;
            awaiter& operator=(const awaiter&) = delete;

            bool await_ready() noexcept { return writer_->put(bytes_of(bytes_)); }
            std::coroutine_handle<> begin(std::coroutine_handle<> waiting, stop_scope& in) {
                waits_.emplace(writer_->write_through(bytes_of(bytes_)));
                return waits_->inner.begin(waiting, in);
            }
            [[nodiscard]] result<void> await_resume() {
                if (!waits_) return {};
                return waits_->inner.await_resume();
            }

         private:
            struct pinned {
                explicit pinned(task<result<void>>&& of) : inner(std::move(of).operator co_await()) {}
                detail::awaiter_type<task<result<void>>&&> inner;
            };

            buffered_writer* writer_;
            Bytes bytes_;
            std::optional<pinned> waits_;
        };

     private:
        buffered_writer* writer_;
        Bytes bytes_;
    };

    Stream* stream_;
    std::size_t capacity_;
    std::unique_ptr<std::byte[]> memory_;
    std::size_t used_ = 0;
    std::error_code failed_;
};

}  // namespace naru
