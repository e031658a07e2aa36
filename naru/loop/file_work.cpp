#include <naru/loop/file_work.hpp>

#include <naru/loop/environment.hpp>
#include <naru/loop/file_operation.hpp>
#include <naru/loop/loop.hpp>

#include <cerrno>
#include <new>
#include <utility>

namespace naru {

namespace {

constexpr std::int64_t would_block = outcome::from_errno(EAGAIN);

// The call, on the loop's thread or on a worker's. An open's outcome is a descriptor.
std::int64_t perform(operation& op, file_system& disk, int file, file_system::blocking how) noexcept {
    switch (op.kind) {
        case operation_kind::open_file: {
            const auto& open = static_cast<const open_file_operation&>(op);
            return disk.open_file(open.directory.get(), open.path, open.open_flags, open.mode, how);
        }
        case operation_kind::read_file:
            return disk.read_file(file, {op.data, op.count}, static_cast<read_file_operation&>(op).offset,
                                  how);
        case operation_kind::write_file:
            return disk.write_file(file, {op.data, op.count}, static_cast<write_file_operation&>(op).offset,
                                   how);
        case operation_kind::sync_file:
            return disk.sync_file(file, static_cast<sync_file_operation&>(op).data_only, how);
        case operation_kind::file_status:
            return disk.read_status(file, static_cast<file_status_operation&>(op).status, how);
        default:
            return outcome::from_errno(EINVAL);
    }
}

}  // namespace

file_work::job::job(file_work& by, operation& asked, file_system& on, borrowed_descriptor&& file) noexcept
    : work_operation(
          [](work_operation& work) {
              auto& self = static_cast<job&>(work);
              self.outcome = perform(self.op, self.disk, self.lent.get(), file_system::blocking::yes);
          },
          [](operation& work) noexcept {
              auto& self = static_cast<job&>(work);
              self.owner.ended(self);
          }),
      owner(by),
      op(asked),
      target(asked.target),
      disk(on),
      lent(std::move(file)) {}

bool file_work::is_in_use(handle file) const noexcept {
    for (const list_node* each = under_way_.next_node; each != &under_way_; each = each->next_node) {
        if (static_cast<const job*>(each)->target == file) return true;
    }
    return false;
}

bool file_work::is_closing(handle file) const noexcept {
    for (const operation* each = closing_.front(); each != nullptr; each = each->next) {
        if (each->target == file) return true;
    }
    return false;
}

bool file_work::take(operation& op) noexcept {
    if (op.kind == operation_kind::close || op.kind == operation_kind::release) return must_wait(op);
    backend& by = *loop_.backend_;
    if (!kinds_match(op.kind, descriptor_kind::file) || by.performs(op.kind)) return false;
    const auto finish = [&](std::int64_t result) {
        complete(op, result, loop_.done_);
        return true;
    };
    if (op.state == operation_state::canceling) return finish(outcome::canceled);
    const auto kind = by.kind_of(op.target);
    if (!kind || is_closing(op.target)) return finish(outcome::from_errno(EBADF));
    if (const std::int64_t refusal = refusal_of(op, *kind); refusal < 0) return finish(refusal);
    const bool opens = op.kind == operation_kind::open_file;
    borrowed_descriptor lent;
    if (!opens) {
        lent = by.borrow(op.target);
        if (!lent) return finish(outcome::from_errno(EBADF));
    }
    const std::int64_t result = perform(op, by.files(), lent.get(), file_system::blocking::no);
    if (result == would_block) {
        start(op, std::move(lent));
        return true;
    }
    return finish(opens && result >= 0 ? by.opened(op.target, static_cast<int>(result)) : result);
}

void file_work::start(operation& op, borrowed_descriptor&& lent) noexcept {
    job* made = nullptr;
    worker_pool* workers = nullptr;
    try {
        workers = &environment::current().workers();
        made = &jobs_.make(*this, op, loop_.backend_->files(), std::move(lent));
    } catch (const std::bad_alloc&) {
        complete(op, outcome::from_errno(ENOMEM), loop_.done_);
        return;
    }
    op.state = operation_state::pending;
    op.flags |= operation_flags::in_layer;
    op.through = this;
    under_way_.push_back(*made);
    workers->submit(loop_, *made);
}

void file_work::cancel(operation& op) noexcept {
    for (list_node* each = under_way_.next_node; each != &under_way_; each = each->next_node) {
        auto& under_way = static_cast<job&>(*each);
        if (&under_way.op == &op) return loop_.cancel(under_way);
    }
}

// A close cancels and joins; what a worker has begun it goes through with.
bool file_work::must_wait(operation& closing) noexcept {
    if (!is_in_use(closing.target)) return false;
    for (list_node* each = under_way_.next_node; each != &under_way_; each = each->next_node) {
        auto& under_way = static_cast<job&>(*each);
        if (under_way.target == closing.target) loop_.cancel(under_way);
    }
    closing_.push(closing);
    return true;
}

void file_work::ended(job& of) noexcept {
    operation& op = of.op;
    std::int64_t result = of.failed() ? of.result : of.outcome;
    if (op.kind == operation_kind::open_file && result >= 0)
        result = loop_.backend_->opened(of.target, static_cast<int>(result));
    op.target = of.target;
    loop_.finish(op, result);
    of.list_node::unlink();
    jobs_.destroy(of);
    operation_queue waiting = std::move(closing_);
    while (operation* each = waiting.pop()) {
        (is_in_use(each->target) ? closing_ : loop_.batch_).push(*each);
    }
}

}  // namespace naru
