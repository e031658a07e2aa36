// A connection that speaks another protocol from here on.
#pragma once

#include <naru/stream/tcp_stream.hpp>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace naru::http {

/// The bytes of a connection after an upgrade: a byte_stream, whose first receive gives what the client had
/// sent behind its request. Move-only; closes its connection at the end of its life.
class upgraded_stream {
 public:
    upgraded_stream() noexcept = default;
    upgraded_stream(tcp_stream connection, std::string ahead) noexcept
        : connection_(std::move(connection)), ahead_(std::move(ahead)) {}

    /// One of tcp_stream's receives, with what came ahead before it.
    template <class Inner, class Memory>
    class [[nodiscard]] receive_ahead_request : public naru::request<receive_ahead_request<Inner, Memory>> {
     public:
        receive_ahead_request(upgraded_stream& from, Inner&& inner, Memory into) noexcept
            : from_(&from), inner_(std::move(inner)), into_(into) {}

        class awaiter : public naru::detail::begins<awaiter> {
         public:
            explicit awaiter(receive_ahead_request&& of) noexcept
                : from_(of.from_), inner_(std::move(of.inner_)), into_(of.into_) {}
            awaiter(const awaiter&) = delete;
            awaiter& operator=(const awaiter&) = delete;
            bool await_ready() const noexcept { return from_->has_ahead(); }
            void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
                began_ = true;
                inner_.begin(waiting, in);
            }
            [[nodiscard]] auto await_resume() noexcept {
                return began_ ? inner_.await_resume() : from_->take_ahead(into_);
            }

         private:
            upgraded_stream* from_;
            typename Inner::awaiter inner_;
            Memory into_;
            bool began_ = false;
        };

     private:
        upgraded_stream* from_;
        Inner inner_;
        Memory into_;
    };

    /// result<lease>: see tcp_stream::receive. Also ENOBUFS, when the loop has no buffer for the bytes that
    /// came ahead.
    auto receive() noexcept { return ahead_of(connection_.receive(), std::monostate()); }
    /// result<size_t>: at least one byte into lent memory.
    template <class Memory>
        requires naru::detail::writable_byte_range<Memory>
    auto receive(Memory&& memory) noexcept {
        static_assert(!naru::detail::owned_bytes<Memory>,
                      "naru: memory to receive into must outlive the receive: pass a name or a span");
        const mutable_bytes into = writable_bytes_of(memory);
        return ahead_of(connection_.receive(into), into);
    }
    /// The same into several pieces, which are lent, too.
    auto receive(std::span<mutable_slice> pieces) noexcept {
        return ahead_of(connection_.receive(pieces), pieces);
    }
    /// As those of tcp_stream.
    template <byte_source Source>
    auto send(Source&& source) noexcept {
        return connection_.send(std::forward<Source>(source));
    }
    send_slices_request send(std::span<slice> pieces) noexcept { return connection_.send(pieces); }
    template <byte_source Source>
    auto send_some(Source&& source) noexcept {
        return connection_.send_some(std::forward<Source>(source));
    }
    send_slices_request send_some(std::span<slice> pieces) noexcept { return connection_.send_some(pieces); }
    shutdown_request shutdown() noexcept { return connection_.shutdown(); }
    close_request close() noexcept { return connection_.close(); }
    [[nodiscard]] result<void> shutdown_send() noexcept { return connection_.shutdown_send(); }
    void reset_on_close() noexcept { connection_.reset_on_close(); }
    [[nodiscard]] result<address> peer_address() const noexcept { return connection_.peer_address(); }
    [[nodiscard]] result<address> local_address() const noexcept { return connection_.local_address(); }

    loop& home() const noexcept { return connection_.home(); }
    tcp_stream& connection() noexcept { return connection_; }
    /// What came ahead and has not been received: whoever takes the connection by itself takes this, too.
    std::string& ahead() noexcept {
        ahead_.erase(0, std::exchange(taken_, 0));
        return ahead_;
    }

 private:
    template <class Inner, class Memory>
    receive_ahead_request<Inner, Memory> ahead_of(Inner&& inner, Memory into) noexcept {
        return {*this, std::forward<Inner>(inner), into};
    }
    bool has_ahead() const noexcept { return taken_ < ahead_.size(); }
    result<lease> take_ahead(std::monostate /*unused*/) noexcept {
        buffer_pool& pool = home().buffers();
        std::byte* const memory = pool.acquire();
        if (memory == nullptr) return fail_errno(ENOBUFS);
        mutable_slice whole(memory, naru::limits::buffer_bytes);
        const std::size_t size = take_into({&whole, 1});
        return lease(pool, mutable_bytes(memory, size));
    }
    result<std::size_t> take_ahead(mutable_bytes into) noexcept {
        mutable_slice whole(into.data(), into.size());
        return take_ahead(std::span(&whole, 1));
    }
    result<std::size_t> take_ahead(std::span<mutable_slice> into) noexcept {
        if (const std::size_t size = take_into(into); size > 0) return size;
        return fail_errno(EINVAL);
    }
    std::size_t take_into(std::span<mutable_slice> into) noexcept {
        const std::size_t size = scatter(as_bytes(std::string_view(ahead_).substr(taken_)), into);
        taken_ += size;
        if (!has_ahead()) {
            std::string().swap(ahead_);
            taken_ = 0;
        }
        return size;
    }

    tcp_stream connection_;
    std::string ahead_;
    std::size_t taken_ = 0;  // of it
};

static_assert(byte_stream<upgraded_stream>);

}  // namespace naru::http
