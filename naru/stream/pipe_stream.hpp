// One end of a pipe, or a terminal, in a loop, for coroutines. ENOTSUP on Windows.
#pragma once

#include <naru/coro/byte_source.hpp>
#include <naru/os/pipe.hpp>
#include <naru/stream/byte_stream.hpp>
#include <naru/stream/handle_stream.hpp>

#include <utility>

namespace naru {

/// result<void>: waits for the sends before it, then closes. One that is never awaited closes at once.
class [[nodiscard]] close_behind_request : public request<close_behind_request> {
 public:
    explicit close_behind_request(owned_handle closing) noexcept : closing_(std::move(closing)) {}

    class awaiter : public operation_awaiter<send_operation> {
     public:
        explicit awaiter(close_behind_request&& of) noexcept
            : operation_awaiter(of.closing_.home()), closing_(std::move(of.closing_)) {
            set(closing_.get(), bytes_view());  // nothing to send, in its turn
        }
        [[nodiscard]] naru::result<void> await_resume() const noexcept { return void_outcome(); }

     private:
        owned_handle closing_;
    };

 private:
    owned_handle closing_;
};

/// A byte_stream; what it can do stands in handle_stream.hpp. A pipe has one direction: the other's
/// operations fail with EBADF.
class pipe_stream : public handle_stream {
 public:
    pipe_stream() noexcept = default;
    pipe_stream(loop& on, handle end) noexcept : handle_stream(on, end) {}

    struct ends;
    /// A pipe. Errors: EMFILE, ENFILE, and those of loop::attach.
    [[nodiscard]] static result<ends> make(loop& on) noexcept;

    /// A pipe, FIFO or terminal from outside. In non-blocking mode it is taken as it is; else a second
    /// description of it is opened, because the flags of the one that may be shared stay as they are. Errors:
    /// wrong_kind_of_descriptor; where it cannot be opened again (EACCES, ENXIO), those of open(2): see
    /// standard_stream.
    [[nodiscard]] static result<pipe_stream> adopt(loop& into, unique_descriptor from) noexcept;

    /// result<void>: a pipe's direction ends with its descriptor. This closes it behind the sends before it.
    close_behind_request shutdown() noexcept { return close_behind_request(std::move(owned_)); }
    /// Without effect: a pipe has no reset, its reader reads an end.
    void reset_on_close() noexcept {}
    [[nodiscard]] result<endpoint> peer_address() const noexcept { return endpoint(); }
    [[nodiscard]] result<endpoint> local_address() const noexcept { return endpoint(); }
};

struct pipe_stream::ends {
    pipe_stream reader;
    pipe_stream writer;
};

}  // namespace naru
