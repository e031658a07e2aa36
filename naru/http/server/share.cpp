// One listener for several loops: what SO_REUSEPORT does where there is one. The loop that accepts keeps its
// share of the connections and hands the others on, in turn, before anything has been asked of them.
#include <naru/http/server/worker.hpp>

#include <naru/os/system_calls.hpp>

#include <cerrno>
#include <new>

namespace naru::http {

// A connection between two loops. `arriving_` of its destination counts it from the beginning, so that a
// destination that is being drained waits for it; `leaving_` of its origin until it has left.
struct worker::transfer : release_operation, posted {
    transfer(worker& of, worker& to, handle connection, connection_terms under) noexcept
        : release_operation([](operation& op) noexcept { static_cast<transfer&>(op).on_released(); }),
          posted([](posted& self) noexcept { static_cast<transfer&>(self).on_arrived(); }),
          origin(of),
          destination(to),
          terms(std::move(under)) {
        set(connection);
    }

    void on_released() noexcept {
        worker& left = origin;
        destination.loop_.post(static_cast<posted&>(*this));  // from here on the other thread's
        --left.leaving_;
        left.stop_if_drained();
    }

    void on_arrived() noexcept {
        const std::unique_ptr<transfer> ended(this);
        worker& taking = destination;
        if (!failed()) {
            const auto attached =
                taking.loop_.attach(static_cast<int>(result), descriptor_kind::stream, ownership::own);
            if (attached) {
                taking.take(*attached, terms);
            } else {
                taking.on_pause(attached.error());  // it has been closed
            }
        }
        taking.arriving_.fetch_sub(1, std::memory_order_acq_rel);
        taking.stop_if_drained();
    }

    worker& origin;
    worker& destination;
    connection_terms terms;
};

void worker::share_with(std::vector<worker*> others) { others_ = std::move(others); }

// Whose turn it is; nullptr: ours.
worker* worker::next_share() noexcept {
    if (others_.empty()) return nullptr;
    const std::size_t turn = turn_;
    turn_ = turn == others_.size() ? 0 : turn + 1;
    return turn == 0 ? nullptr : others_[turn - 1];
}

void worker::hand_on(handle connection, worker& to, const connection_terms& under) noexcept {
    auto* const moving = new (std::nothrow) transfer(*this, to, connection, under);
    if (moving == nullptr) {
        loop_.close(connection);
        return on_pause(std::error_code(ENOMEM, errno_category()));
    }
    ++leaving_;
    to.arriving_.fetch_add(1, std::memory_order_acq_rel);
    loop_.submit(*moving);
}

void worker::drain_others() noexcept {
    for (worker* const each : others_)
        retiring_ ? each->retire_soon() : each->drain_soon();
}

}  // namespace naru::http
