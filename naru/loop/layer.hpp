// What completes operations in a backend's stead: TLS over a stream, a channel, a pool of workers. It keeps
// the rules of operation.hpp that a backend keeps.
#pragma once

#include <naru/core/result.hpp>
#include <naru/core/slot_table.hpp>

#include <cstddef>

namespace naru {

struct operation;

/// Begins an operation with loop::begin, on the loop's thread, and ends it with loop::finish, there too, once
/// for each begin. Between the two the operation is the layer's: it may use operation::next, backend_bits and
/// what the owner has set. Outlives every operation that it has begun and not finished.
class layer {
 public:
    /// A pending operation of this layer is asked to end. It ends by loop::finish, in this call or later,
    /// with ECANCELED or with what has come to pass already.
    virtual void cancel(operation& op) noexcept = 0;

 protected:
    layer() noexcept = default;
    ~layer() = default;
    layer(const layer&) = default;
    layer& operator=(const layer&) = default;
};

/// A layer that stands where a stream's socket stands: loop::put gives it a handle, and operations that name
/// it are this layer's. So whoever works on a handle works on what stands before it, too. On the loop's
/// thread; it keeps the rules that a backend keeps for a stream.
class handle_layer : public layer {
 public:
    /// A pending operation on its handle, to be ended by loop::finish, never inside this call. A close ends
    /// the layer: it lets go of its handle (loop::remove) before it finishes that.
    virtual void take(operation& op) noexcept = 0;
    /// See loop::shutdown_send, loop::reset_on_close, backend::waits_for_buffer and backend::kept_for.
    virtual result<void> shutdown_send() noexcept = 0;
    virtual void reset_on_close() noexcept = 0;
    virtual bool waits_for_buffer() noexcept = 0;
    virtual std::size_t kept() noexcept = 0;
    /// What it stands before: for addresses and options.
    handle beneath() const noexcept { return beneath_; }

 protected:
    explicit handle_layer(handle beneath) noexcept : beneath_(beneath) {}
    ~handle_layer() = default;

 private:
    handle beneath_;
};

}  // namespace naru
