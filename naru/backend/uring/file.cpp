// Files opened by name. With a place in the ring's table that is known beforehand, so that a chain can name
// it; without one left, with a descriptor like any other.
#include <naru/backend/uring/backend.hpp>
#include <naru/loop/file_operation.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>

namespace naru {

result<handle> uring_backend::reserve_file() noexcept {
    if (free_files_.empty()) return name_descriptor(-1, descriptor_kind::file, false);
    const auto made = name_descriptor(free_files_.back(), descriptor_kind::file, true);
    if (made) free_files_.pop_back();
    return made;
}

void uring_backend::start_file(record& of, operation& op, operation_queue& done) noexcept {
    if (op.kind != operation_kind::open_file && of.descriptor < 0) {
        complete(op, outcome::from_errno(EBADF), done);
        return;
    }
    of.to(life::late);
    prepare_file(entry_for(op, of, 0), of, op);
}

void uring_backend::prepare_file(io_uring_sqe& submission, const record& of, const operation& op) noexcept {
    if (op.kind == operation_kind::read_file) {
        submission.opcode = IORING_OP_READ;
        submission.addr = reinterpret_cast<std::uint64_t>(op.data);
        submission.len = static_cast<std::uint32_t>(std::min<std::size_t>(op.count, limits::bytes_per_call));
        submission.off = static_cast<const read_file_operation&>(op).offset;
        return;
    }
    if (op.kind == operation_kind::write_file) {
        const auto& write = static_cast<const write_file_operation&>(op);
        submission.opcode = IORING_OP_WRITE;
        submission.addr = reinterpret_cast<std::uint64_t>(op.data + op.progress);
        submission.len = op.count - static_cast<std::uint32_t>(op.progress);
        submission.off = write.offset + op.progress;
        return;
    }
    if (op.kind == operation_kind::sync_file) {
        submission.opcode = IORING_OP_FSYNC;
        submission.fsync_flags =
            static_cast<const sync_file_operation&>(op).data_only ? IORING_FSYNC_DATASYNC : 0;
        return;
    }
    const auto& open = static_cast<const open_file_operation&>(op);
    submission.opcode = IORING_OP_OPENAT;
    submission.flags &= static_cast<std::uint8_t>(~IOSQE_FIXED_FILE);
    submission.fd = open.directory.get();
    submission.addr = reinterpret_cast<std::uint64_t>(open.path);
    // A direct descriptor does not survive an exec, and must not be told so.
    submission.open_flags =
        static_cast<std::uint32_t>(of.direct ? open.open_flags & ~O_CLOEXEC : open.open_flags | O_CLOEXEC);
    submission.len = open.mode;
    if (of.direct) submission.file_index = static_cast<std::uint32_t>(of.descriptor) + 1;
}

// True if the operation goes on.
bool uring_backend::on_file(record& of, operation& op, std::int64_t& result) noexcept {
    if (op.kind == operation_kind::open_file && result >= 0) {
        if (!of.direct) {
            if (of.descriptor >= 0) {  // opened twice
                // What waits to be submitted may name this number, and would find whoever has it next.
                while (ring_.unsubmitted() > 0)
                    make_room();
                system_calls::close(of.descriptor);
            }
            of.descriptor = static_cast<int>(result);
        }
        result = 0;
    }
    if (op.kind == operation_kind::write_file && result >= 0) {
        op.progress += static_cast<std::uint64_t>(result);
        const bool goes_on =
            op.progress < op.count && result > 0 && !of.closing() && op.state != operation_state::canceling;
        if (goes_on) {
            prepare_file(entry_for(op, of, 0), of, op);
            return true;
        }
        result = op.progress < op.count ? outcome::from_errno(result > 0 ? ECANCELED : ENOSPC)
                                        : static_cast<std::int64_t>(op.progress);
    }
    return false;
}

}  // namespace naru
