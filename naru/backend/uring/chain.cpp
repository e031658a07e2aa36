// Operations linked by the kernel (io_uring_enter(2), IOSQE_IO_LINK): submitted together, each begun when the
// one before has succeeded, without a return to the loop in between.
#include <naru/backend/uring/backend.hpp>
#include <naru/core/check.hpp>

#include <cerrno>
#include <span>
#include <utility>

#include <sys/socket.h>

namespace naru {

// A chain that the kernel cannot take is the loop's (see loop::submit): one after the other, same results.
bool uring_backend::can_link(const operation& op, bool first) noexcept {
    record* of = records_.find(op.target);
    if (of == nullptr || of->closing() || op.state == operation_state::canceling) return false;
    switch (op.kind) {
        case operation_kind::open_file:
            // The kernel reads the path when it takes the entry, which must not be before its turn.
            return first && of->kind == descriptor_kind::file && of->direct;
        case operation_kind::read_file:
            return of->kind == descriptor_kind::file && of->direct;
        case operation_kind::close:
            return of->kind == descriptor_kind::file && of->direct && of->reads.empty();
        case operation_kind::send:
            // What waits before it would come after it; slices that are sent in parts are no single
            // operation.
            return of->kind == descriptor_kind::stream && of->writes.empty() && op.count == 1 &&
                   op.slices->size > 0 && op.slices->size <= limits::bytes_per_call &&
                   (op.flags & operation_flags::some) == 0;
        default:
            return false;
    }
}

// True if the kernel has taken the whole chain.
bool uring_backend::start_chain(operation& first) noexcept {
    if (!options_.links) return false;
    unsigned length = 0;
    unsigned sends = 0;
    handle closed;
    for (const operation* each = &first; each != nullptr; each = each->link) {
        if (!can_link(*each, each == &first) || each->target == closed) return false;
        if (each->kind == operation_kind::close) closed = each->target;
        ++length;
        sends += each->kind == operation_kind::send ? 1 : 0;
    }
    // Two sends on one handle would both have to be the first of its queue.
    if (length > ring_.entries() || sends > 1) return false;
    if (!started_) start_ring();
    // Links do not reach over the end of a submission (io_uring_enter(2)).
    while (ring_.entries() - ring_.unsubmitted() < length)
        make_room();
    for (operation* each = &first; each != nullptr; each = each->link) {
        record& of = records_.at(each->target.slot);
        each->state = operation_state::pending;
        uring::begin(*each);
        switch (each->kind) {
            case operation_kind::send: {
                of.writes.push(*each);
                io_uring_sqe& submission = entry_for(*each, of, IORING_OP_SEND, uring::place::chained);
                submission.addr = reinterpret_cast<std::uint64_t>(each->slices->data);
                submission.len = static_cast<std::uint32_t>(each->slices->size);
                submission.msg_flags = MSG_NOSIGNAL | MSG_WAITALL;  // all of it, or the chain ends
                if ((each->flags & operation_flags::more) != 0) submission.msg_flags |= MSG_MORE;
                of.to(each == &first ? linked_send::begun : linked_send::waits);
                break;
            }
            case operation_kind::close:
                put_close(of, *each, uring::place::chained);
                break;
            default:
                prepare_file(entry_for(*each, of, 0, uring::place::chained), of, *each);
                break;
        }
        if (each->link != nullptr) ring_.last_entry().flags |= IOSQE_IO_LINK;
        of.to(life::late);
    }
    return true;
}

// A linked send that has not had its turn is nowhere to be found. When its turn comes it is asked to end
// again, until it is found or has ended.
void uring_backend::put_chain_cancel(std::uint32_t slot, const record& of) noexcept {
    io_uring_sqe& submission = of.closing() ? put_cancel_all(of) : put_cancel(*of.writes.front());
    submission.flags = 0;  // what became of it is wanted
    submission.user_data = record_word(tag::chain_cancel, slot, of);
}

void uring_backend::on_chain_cancel(handle of, int outcome) noexcept {
    const record* found = records_.find(of);
    if (found == nullptr || found->linked_send() != linked_send::begun) return;
    if (found->life() != life::late && found->life() != life::draining) return;
    if (outcome >= 0 && !found->closing()) return;
    const operation* front = found->writes.front();
    const bool waits = found->closing()
                           ? found->in_kernel > 0
                           : front != nullptr && uring::place_of(*front) == uring::place::chained &&
                                 front->state == operation_state::canceling;
    if (waits) put_chain_cancel(of.slot, *found);
}

// A member of a chain has ended. The kernel has ended those behind it, too, if it failed.
void uring_backend::on_chained(operation& op, int outcome, operation_queue& done) noexcept {
    const std::uint32_t slot = op.target.slot;
    record& of = records_.at(slot);
    uring::to(op, uring::place::waiting);
    left_kernel(of);
    if (const operation* following = std::exchange(op.link, nullptr);
        following != nullptr && following->kind == operation_kind::send && outcome >= 0) {
        record& to = records_.at(following->target.slot);
        to.to(linked_send::begun);
        if (to.closing() || following->state == operation_state::canceling)
            put_chain_cancel(following->target.slot, to);
    }
    switch (op.kind) {
        case operation_kind::send: {
            of.to(linked_send::none);
            std::int64_t result = outcome;
            if (outcome > 0) {
                op.progress = static_cast<std::uint64_t>(outcome);
                const bool whole = op.progress == op.slices->size;
                naru::advance(std::span(op.slices, 1), static_cast<std::size_t>(outcome));
                // The rest could not be sent. What the reason was came to nobody.
                if (!whole) {
                    const bool asked = op.state == operation_state::canceling || of.closing();
                    result = asked ? outcome::canceled : outcome::from_errno(ECONNRESET);
                }
            }
            finish(slot, of, op, result, done);
            return;
        }
        case operation_kind::close:
            // The handle ends with it, and with whatever else is under way on it.
            if (outcome >= 0 && !of.closing()) {
                of.to(life::finishing);
                of.reads.push(op);
                finish_close_if_quiet(slot, of, done);
                return;
            }
            break;
        default: {
            std::int64_t same = outcome;
            (void)on_file(of, op, same);
            break;
        }
    }
    complete(op, outcome, done);
    if (of.closing()) finish_close_if_quiet(slot, of, done);
}

}  // namespace naru
