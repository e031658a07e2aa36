// What listeners of every family have in common.
#pragma once

#include <naru/net/accept_request.hpp>
#include <naru/stream/detached.hpp>

#include <utility>

namespace naru {

/// Move-only; closes at the end of its life.
template <class Stream>
class listener {
 public:
    /// result<Stream>. Shortages (EMFILE, ...) are waited out, twice as long each time up to a second, and
    /// broken connections passed over: an error means that the listener has ended or the wait was stopped.
    accept_request<Stream> accept() noexcept { return {home(), native()}; }
    /// Cancels and joins what is in flight, then closes.
    close_request close() noexcept { return close_request(std::move(owned_)); }
    /// result<detached>: takes it out of its loop, still listening, with the connections accepted ahead: for
    /// another loop, whose listener adopts it and hands those out first.
    release_request release() noexcept { return release_request(std::move(owned_)); }
    /// result<unique_descriptor>: the bare descriptor. Costs the connections that io_uring has accepted
    /// ahead: they are closed. (A listener that only this class has accepted from has none.)
    bare_release_request release_dropping_accepted_ahead() noexcept {
        return bare_release_request(std::move(owned_));
    }

    loop& home() const noexcept { return owned_.home(); }
    handle native() const noexcept { return owned_.get(); }
    /// For socket options: see borrowed_descriptor.
    borrowed_descriptor borrow() const noexcept { return home().borrow(owned_.get()); }

 protected:
    listener(loop& on, handle listening) noexcept : owned_(on, listening) {}
    listener(listener&&) noexcept = default;
    listener& operator=(listener&&) noexcept = default;
    ~listener() = default;

 private:
    owned_handle owned_;
};

}  // namespace naru
