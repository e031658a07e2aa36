// How the TLS handshakes of one loop share it: a first step is a signature and a key exchange, dearer than
// many requests, and anybody may ask for one.
#pragma once

#include <naru/loop/loop.hpp>
#include <naru/loop/worker_pool.hpp>

#include <cstddef>
#include <cstdint>

namespace naru {

class tls_layer;

/// Of one loop, on its thread. limits::tls_handshakes are under way at most, limits::tls_handshakes_per_tick
/// of them begin in one tick, the others wait for the next ones, holding no pool buffer. Where the key is
/// dear (RSA) the step is made on a worker. Outlives its connections.
class tls_handshakes {
 public:
    /// `workers`: nullptr: all steps are made on the loop's thread.
    explicit tls_handshakes(loop& on, worker_pool* workers = nullptr,
                            std::size_t most = limits::tls_handshakes) noexcept
        : loop_(on), workers_(workers), most_(most) {}
    ~tls_handshakes();
    tls_handshakes(const tls_handshakes&) = delete;
    tls_handshakes& operator=(const tls_handshakes&) = delete;

    std::size_t under_way() const noexcept { return under_way_; }
    /// Since the beginning: refused for the limit, failed, done, and of those resumed.
    std::uint64_t refused() const noexcept { return refused_; }
    std::uint64_t failed() const noexcept { return failed_; }
    std::uint64_t done() const noexcept { return done_; }
    std::uint64_t resumed() const noexcept { return resumed_; }

 private:
    friend class tls_layer;

    struct next_tick : posted {
        explicit next_tick(tls_handshakes& of) noexcept;
        tls_handshakes& owner;
        bool queued = false;
    };

    bool admit() noexcept;
    /// False: `who` has its turn later (tls_layer::have_turn).
    bool take_turn(tls_layer& who) noexcept;
    void leave(tls_layer& who) noexcept;
    void begin_tick() noexcept;
    void later() noexcept;

    loop& loop_;
    worker_pool* workers_;
    std::size_t most_;
    std::size_t under_way_ = 0;
    unsigned begun_ = 0;  // in this tick
    tls_layer* first_ = nullptr;
    tls_layer* last_ = nullptr;
    next_tick next_{*this};
    std::uint64_t refused_ = 0;
    std::uint64_t failed_ = 0;
    std::uint64_t done_ = 0;
    std::uint64_t resumed_ = 0;
};

}  // namespace naru
