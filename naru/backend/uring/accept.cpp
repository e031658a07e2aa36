// What an armed accept brings, and what it may mean for the next one.
#include <naru/backend/uring/backend.hpp>
#include <naru/os/system_calls.hpp>

#include <cerrno>

namespace naru {

void uring_backend::on_accepted(std::uint32_t slot, record& of, int outcome) noexcept {
    if (outcome >= 0) {
        const auto made = name_descriptor(outcome, descriptor_kind::stream, of.shape() == shape::direct);
        if (!made) {
            of.end(outcome::from(made.error()));
            return;
        }
        records_.at(made->slot).to(pace::first);
        keep(of, made->slot);
        const bool limit_is_near = may_go_direct() && of.shape() != shape::direct && outcome >= direct_from_;
        if (limit_is_near) direct_now_ = true;
        const bool arm_anew = limit_is_near || (of.shape() == shape::direct && table_is_nearly_full());
        if (arm_anew && of.armed() && !of.stopping()) disarm(slot, of);
        return;
    }
    if (outcome == -ECANCELED || outcome == -EINTR) return;
    if (outcome == -EAGAIN) {
        if (!of.armed()) of.to(standing::poll_due);
        return;
    }
    if (outcome == -EMFILE && of.shape() != shape::direct && may_go_direct()) {
        direct_now_ = true;
        return;
    }
    // The table of the ring is what is full, not the system's.
    const bool table_full = outcome == -ENFILE && of.shape() == shape::direct;
    of.end(table_full ? outcome::from(errc::direct_descriptor_limit) : outcome);
}

// What was armed may have been ended between its being woken and its accepting. Of those who share a listener
// the kernel wakes one for each connection (EPOLLEXCLUSIVE): who was waiting for us would be left to nobody,
// until the next one comes. True if there was one.
bool uring_backend::accept_now(std::uint32_t slot, record& of) noexcept {
    const std::int64_t accepted = system_calls::accept(of.descriptor);
    if (accepted < 0) return false;
    of.take_shape(shape::plain);
    on_accepted(slot, of, static_cast<int>(accepted));
    return of.ended == 0;
}

}  // namespace naru
