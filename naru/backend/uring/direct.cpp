// Direct descriptors: sockets and files that live in the ring's own table. The process has no number for
// them, so RLIMIT_NOFILE does not count them, and no system call but io_uring's takes them.
//
// A table is either for connections, whose places the kernel gives out, or for limits::ring_files files that
// are opened by name, at a place known before (a chain needs that). Not for both: once a place has been
// named, a kernel may give out one near it, whatever range it was told (io_file_bitmap_get begins where the
// last place was).
#include <naru/backend/uring/backend.hpp>
#include <naru/core/check.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>

#include <sys/resource.h>

namespace naru {

void uring_backend::open_table() {
    const bool wanted = may_go_direct();
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = 1024;
    const std::size_t most = std::min<std::size_t>(limit.rlim_cur, limits::direct_descriptors);
    const std::size_t connections = options_.direct_limit != 0 ? std::min(options_.direct_limit, most) : most;

    io_uring_rsrc_register table{};
    table.nr = static_cast<unsigned>(wanted ? connections : limits::ring_files);
    table.flags = IORING_RSRC_REGISTER_SPARSE;
    const bool can_be_lent = ring_.knows(uring_abi::op_fixed_fd_install);
    if ((wanted && !can_be_lent) || ring_.register_call(IORING_REGISTER_FILES2, &table, sizeof table) < 0) {
        if (wanted) do_without("no direct descriptors (need Linux 6.8)");
        options_.direct_descriptors = uring_options::direct::off;
        options_.links = false;
        return;
    }
    table_ = table.nr;
    if (!wanted) {
        for (std::size_t place = limits::ring_files; place-- > 0;)
            free_files_.push_back(static_cast<std::uint16_t>(place));
        return;
    }
    direct_from_ = static_cast<int>(std::min<rlim_t>(limit.rlim_cur / 4 * 3, 1u << 30));
    direct_now_ = options_.direct_descriptors == uring_options::direct::always;
}

// An ordinary descriptor for a direct one, for calls that io_uring does not make. < 0: a negative errno.
int uring_backend::install(int place) noexcept {
    io_uring_sqe prepared{};
    prepared.opcode = uring_abi::op_fixed_fd_install;
    prepared.fd = place;
    prepared.flags = IOSQE_FIXED_FILE;
    return command(prepared);
}

// A place in the table for a descriptor of the process. < 0: a negative errno.
int uring_backend::register_direct(int descriptor) noexcept {
    int place = descriptor;
    io_uring_sqe prepared{};
    prepared.opcode = IORING_OP_FILES_UPDATE;
    prepared.fd = -1;
    prepared.addr = reinterpret_cast<std::uint64_t>(&place);
    prepared.len = 1;
    prepared.off = IORING_FILE_INDEX_ALLOC;
    const int updated = command(prepared);
    if (updated < 0) return updated;
    return updated == 1 ? place : -ENFILE;
}

void uring_backend::close_direct(int index) noexcept {
    io_uring_sqe& submission = entry();
    submission.opcode = IORING_OP_CLOSE;
    submission.flags = IOSQE_CQE_SKIP_SUCCESS;
    submission.file_index = static_cast<std::uint32_t>(index) + 1;
    submission.user_data = word(tag::ignored, 0);
}

// A handle has given its place up.
void uring_backend::leave_place(descriptor_kind kind, int place) noexcept {
    if (kind == descriptor_kind::file) {
        free_files_.push_back(static_cast<std::uint16_t>(place));
    } else {
        --direct_used_;
    }
}

borrowed_descriptor uring_backend::borrow(handle of) noexcept {
    const record* found = records_.find(of);
    if (found == nullptr || found->closing()) return {};
    if (!found->direct) return borrowed_descriptor(found->descriptor);
    return borrowed_descriptor(install(found->descriptor), system_calls::close);
}

}  // namespace naru
