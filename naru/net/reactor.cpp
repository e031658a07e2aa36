#include <naru/net/reactor.hpp>

#include <naru/backend/system_calls.hpp>

#include <cerrno>

namespace naru {

reactor::watch_operation::watch_operation(operation_kind which, registration& of) noexcept
    : operation(which,
                [](operation& op) noexcept {
                    auto& watched = static_cast<watch_operation&>(op);
                    watched.owner.owner.on_event(watched.owner, watched);
                }),
      owner(of) {}

reactor::registration::registration(reactor& of) noexcept
    : owner(of),
      readable(operation_kind::readable, *this),
      writable(operation_kind::writable, *this),
      close(operation_kind::close, *this) {}

reactor::~reactor() { NARU_ASSERT(quiet()); }

result<handle> reactor::add(int descriptor, void* object, const functions& calls,
                            event_interest wanted) noexcept {
    const auto attached = loop_.attach(descriptor, descriptor_kind::other);
    if (!attached) return fail(attached.error());
    registration& made = registrations_.make(*this);
    made.object = object;
    made.calls = &calls;
    made.socket = *attached;
    made.readable.target = made.writable.target = made.close.target = *attached;
    made.wanted = wanted;
    made.name = table_.acquire();
    table_.at(made.name.slot).registered = &made;
    watch(made);
    return made.name;
}

void reactor::watch(registration& each) noexcept {
    if (includes(each.wanted, event_interest::readable) && each.readable.idle()) loop_.submit(each.readable);
    if (includes(each.wanted, event_interest::writable) && each.writable.idle()) loop_.submit(each.writable);
}

void reactor::modify(handle registration_name, event_interest wanted) noexcept {
    record* found = table_.find(registration_name);
    if (found == nullptr) return;
    registration& each = *found->registered;
    each.wanted = wanted;
    // Interest that has gone is cancelled, not left to fire: writable would fire at once.
    if (!includes(wanted, event_interest::readable)) loop_.cancel(each.readable);
    if (!includes(wanted, event_interest::writable)) loop_.cancel(each.writable);
    watch(each);
}

void reactor::remove(handle registration_name) noexcept {
    record* found = table_.find(registration_name);
    if (found == nullptr) return;
    registration& each = *found->registered;
    each.object = nullptr;
    each.wanted = event_interest::none;
    table_.release(registration_name.slot);
    loop_.submit(each.close);  // joins the other two; its completion is the last
}

void reactor::on_event(registration& of, watch_operation& op) noexcept {
    if (op.kind == operation_kind::close) {
        registrations_.destroy(of);
        return;
    }
    if (of.object == nullptr) return;
    if (op.failed()) {
        if (op.result == outcome::canceled) {
            watch(of);  // the interest may have come back meanwhile
        } else {
            of.wanted = event_interest::none;
            of.calls->error(of.object, op.error());
        }
        return;
    }
    const bool read = op.kind == operation_kind::readable;
    if (!includes(of.wanted, read ? event_interest::readable : event_interest::writable)) return;
    const std::int64_t error = system_calls::socket_error(loop_.descriptor(of.socket));
    if (error != 0 && error != -ENOTSOCK) {
        of.wanted = event_interest::none;
        of.calls->error(of.object, outcome::to_error(error));
    } else if (read) {
        of.calls->readable(of.object);
    } else {
        of.calls->writable(of.object);
    }
    // `of` outlives its object until its close has completed.
    if (of.object != nullptr) watch(of);
}

}  // namespace naru
