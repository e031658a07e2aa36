#include <naru/stream/tls/tls_handshakes.hpp>

#include <naru/stream/tls/tls_layer.hpp>

#include <utility>

namespace naru {

tls_handshakes::next_tick::next_tick(tls_handshakes& of) noexcept
    : posted([](posted& self) noexcept { static_cast<next_tick&>(self).owner.begin_tick(); }), owner(of) {}

tls_handshakes::~tls_handshakes() {
    NARU_ASSERT(under_way_ == 0);
    if (next_.queued) loop_.forget(next_);
}

bool tls_handshakes::admit() noexcept {
    if (under_way_ >= most_) {
        ++refused_;
        return false;
    }
    ++under_way_;
    return true;
}

bool tls_handshakes::take_turn(tls_layer& who) noexcept {
    later();
    if (first_ == nullptr && begun_ < limits::tls_handshakes_per_tick) {
        ++begun_;
        return true;
    }
    who.next_turn_ = nullptr;
    (first_ == nullptr ? first_ : last_->next_turn_) = &who;
    last_ = &who;
    return false;
}

void tls_handshakes::later() noexcept {
    if (!std::exchange(next_.queued, true)) loop_.defer(next_);
}

void tls_handshakes::begin_tick() noexcept {
    next_.queued = false;
    for (begun_ = 0; first_ != nullptr && begun_ < limits::tls_handshakes_per_tick; ++begun_) {
        tls_layer& who = *first_;
        first_ = std::exchange(who.next_turn_, nullptr);
        who.have_turn();
    }
    if (begun_ > 0) later();
}

void tls_handshakes::leave(tls_layer& who) noexcept {
    --under_way_;
    if (who.established()) {
        ++done_;
        if (who.engine().resumed()) ++resumed_;
    } else {
        ++failed_;
    }
    if (!who.waits_turn_) return;
    who.waits_turn_ = false;
    tls_layer* before = nullptr;
    for (tls_layer* each = first_; each != nullptr; before = each, each = each->next_turn_) {
        if (each != &who) continue;
        (before != nullptr ? before->next_turn_ : first_) = who.next_turn_;
        if (last_ == &who) last_ = before;
        return;
    }
}

}  // namespace naru
