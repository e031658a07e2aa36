// What completes operations in a backend's stead: TLS over a stream, a channel, a pool of workers. It keeps
// the rules of operation.hpp that a backend keeps.
#pragma once

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

}  // namespace naru
