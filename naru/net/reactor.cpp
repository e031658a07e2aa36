#include <naru/net/reactor.hpp>

#include <naru/os/socket.hpp>

#include <cerrno>
#include <new>

namespace naru {

reactor::~reactor() { NARU_ASSERT(quiet()); }

result<handle> reactor::add(int descriptor, void* object, const functions& calls,
                            event_interest wanted) noexcept {
    unique_descriptor owned(descriptor);
    registration* made = nullptr;
    handle name;
    std::error_code refused = errc::handle_limit;
    try {
        made = &registrations_.make(*this);
        name = table_.acquire();
    } catch (const std::bad_alloc&) {
        refused = std::error_code(ENOMEM, errno_category());
    }
    bool attached = false;
    if (name) {
        const auto socket = loop_.attach(owned.release(), descriptor_kind::other);
        attached = socket.has_value();
        if (attached) made->socket = *socket;
        if (attached) made->watchable = loop_.backend().can_be_watched(*socket);
        if (!attached) refused = socket.error();
    }
    if (!attached) {
        if (name) table_.release(name.slot);
        if (made != nullptr) registrations_.destroy(*made);
        return fail(refused);
    }
    made->object = object;
    made->calls = &calls;
    made->readable.set(made->socket);
    made->writable.set(made->socket);
    made->close.set(made->socket);
    made->wanted = wanted;
    made->name = name;
    table_.at(name.slot).registered = made;
    watch(*made);
    return name;
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

void reactor::on_event(registration& of, const operation& op) noexcept {
    if (op.kind == operation_kind::close) {
        registrations_.destroy(of);
        return;
    }
    if (of.object == nullptr) return;
    const bool read = op.kind == operation_kind::readable;
    if (op.result == outcome::canceled) {
        watch(of);  // the interest may have come back meanwhile
        return;
    }
    if (!includes(of.wanted, read ? event_interest::readable : event_interest::writable)) return;
    std::int64_t error = op.failed() ? op.result : loop_.backend().take_error(of.socket);
    if (error == -ENOTSOCK && !op.failed()) error = of.watchable ? 0 : outcome::from_errno(EPERM);
    if (error != 0) {
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
