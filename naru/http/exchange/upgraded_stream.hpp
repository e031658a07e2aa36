// A connection that speaks another protocol from here on.
#pragma once

#include <naru/stream/tcp_stream.hpp>

#include <cstring>
#include <string>
#include <utility>

namespace naru::http {

/// The bytes of a connection after an upgrade: a tcp_stream, before which what the client had sent behind its
/// request comes first. Move-only; closes its connection at the end of its life.
class upgraded_stream {
 public:
    upgraded_stream() noexcept = default;
    upgraded_stream(tcp_stream connection, std::string ahead) noexcept
        : connection_(std::move(connection)), ahead_(std::move(ahead)) {}

    /// result<lease>: see tcp_stream::receive. Also ENOBUFS, when the loop has no buffer for the bytes that
    /// came ahead.
    class [[nodiscard]] receive_ahead_request : public naru::request<receive_ahead_request> {
     public:
        explicit receive_ahead_request(upgraded_stream& from) noexcept : from_(&from) {}

        class awaiter : public naru::detail::begins<awaiter> {
         public:
            explicit awaiter(receive_ahead_request&& of) noexcept
                : from_(of.from_), inner_(of.from_->connection_.receive()) {}
            awaiter(const awaiter&) = delete;
            awaiter& operator=(const awaiter&) = delete;
            bool await_ready() const noexcept { return !from_->ahead_.empty(); }
            void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
                began_ = true;
                inner_.begin(waiting, in);
            }
            [[nodiscard]] result<lease> await_resume() noexcept {
                return began_ ? inner_.await_resume() : from_->take_ahead();
            }

         private:
            upgraded_stream* from_;
            receive_request::awaiter inner_;
            bool began_ = false;
        };

     private:
        upgraded_stream* from_;
    };

    receive_ahead_request receive() noexcept { return receive_ahead_request(*this); }
    /// As tcp_stream::send: all of it, or an error.
    template <byte_source Source>
    auto send(Source&& source) noexcept {
        return connection_.send(std::forward<Source>(source));
    }
    send_slices_request send(std::span<slice> pieces) noexcept { return connection_.send(pieces); }
    close_request close() noexcept { return connection_.close(); }
    [[nodiscard]] result<void> shutdown_send() noexcept { return connection_.shutdown_send(); }

    loop& home() const noexcept { return connection_.home(); }
    tcp_stream& connection() noexcept { return connection_; }
    /// What came ahead and has not been received: whoever takes the connection by itself takes this, too.
    std::string& ahead() noexcept { return ahead_; }

 private:
    result<lease> take_ahead() noexcept {
        buffer_pool& pool = home().buffers();
        std::byte* const memory = pool.acquire();
        if (memory == nullptr) return fail_errno(ENOBUFS);
        const std::size_t size = std::min(ahead_.size(), naru::limits::buffer_bytes);
        std::memcpy(memory, ahead_.data(), size);
        ahead_.erase(0, size);
        if (ahead_.empty()) ahead_.shrink_to_fit();
        return lease(pool, mutable_bytes(memory, size));
    }

    tcp_stream connection_;
    std::string ahead_;
};

}  // namespace naru::http
