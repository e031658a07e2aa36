// What a server shows of itself in TLS, for as long as it is good.
#pragma once

#include <naru/stream/tls/tls_context.hpp>

#include <mutex>
#include <utility>

namespace naru::http {

/// The context of an endpoint's connections, to be replaced when its certificates are: connections that have
/// begun keep theirs. Thread-safe; shared by endpoints and loops.
class tls_credentials {
 public:
    explicit tls_credentials(tls_context first) noexcept : current_(std::move(first)) {}

    tls_context current() const {
        const std::lock_guard lock(mutex_);
        return current_;
    }
    /// For connections that are accepted from here on. Sessions are resumed across it if both were made with
    /// the same tls_ticket_keys.
    void replace(tls_context by) {
        const std::lock_guard lock(mutex_);
        std::swap(current_, by);
    }

 private:
    mutable std::mutex mutex_;
    tls_context current_;
};

}  // namespace naru::http
