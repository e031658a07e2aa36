// What each request may come to.
#include "completions/fake_kernel.hpp"

#include <naru/core/limits.hpp>
#include <naru/core/result.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace naru::testing {

namespace {

constexpr std::size_t usual_bytes = 100;

void fill(std::byte* into, std::size_t size, const fake_file& from, std::uint64_t offset) noexcept {
    for (std::size_t each = 0; each < size; ++each)
        into[each] = from.at(offset + each);
}

bool ends_a_stream(int error) noexcept { return error == -ECONNRESET || error == -ETIMEDOUT; }

}  // namespace

std::size_t fake_kernel::portion(std::size_t most, std::size_t usual) noexcept {
    if (most == 0) return 0;
    std::size_t chosen = usual;
    switch (below(8)) {
        case 1:
            chosen = 1;
            break;
        case 2:
            chosen = most;
            break;
        case 3:
            chosen = most - 1;
            break;
        case 4:
            chosen = most / 2;
            break;
        case 5:
            chosen = below(256);
            break;
        default:
            break;
    }
    chosen = std::clamp<std::size_t>(chosen, 1, most);
    if (chosen < most) count(happening::short_count);
    return chosen;
}

// True if it has, with one of these.
bool fake_kernel::fails(pending_list::iterator which, std::span<const int> errors) noexcept {
    if (!one_in(4)) return false;
    const int error = errors[below(errors.size())];
    fake_file* const file = (*which)->file.get();
    if (file != nullptr && ends_a_stream(error) && file->kind == fake_kind::stream) {
        file->failed |= !file->ended;
        file->ended = true;
        count(happening::reset);
    }
    end(which, error);
    return true;
}

void fake_kernel::step(pending_list::iterator which) noexcept {
    request& of = **which;
    if (of.asked && of.entry.opcode != IORING_OP_CLOSE) {
        const unsigned chosen = below(3);
        if (chosen < 2) {
            const bool interrupted = chosen == 1 && of.entry.opcode != IORING_OP_POLL_ADD;
            end(which, interrupted ? -EINTR : -ECANCELED);
            return;
        }
    }
    switch (of.entry.opcode) {
        case IORING_OP_ACCEPT:
            return step_accept(which);
        case IORING_OP_RECV:
            return step_receive(which);
        case IORING_OP_READ:
            return of.file->kind == fake_kind::pipe ? step_receive(which) : step_file(which);
        case IORING_OP_WRITE:
        case IORING_OP_WRITEV:
            return of.file->kind == fake_kind::pipe ? step_send(which) : step_file(which);
        case IORING_OP_FSYNC:
            return step_file(which);
        case IORING_OP_SENDMSG:
            return of.file->kind == fake_kind::datagram ? step_datagram(which) : step_send(which);
        case IORING_OP_SEND:
        case IORING_OP_SEND_ZC:
        case IORING_OP_SENDMSG_ZC:
            return step_send(which);
        case IORING_OP_RECVMSG:
            return step_datagram(which);
        case IORING_OP_OPENAT:
            return step_open(which);
        case IORING_OP_CLOSE:
            return step_close(which);
        case IORING_OP_CONNECT: {
            constexpr int errors[] = {-EINPROGRESS, -ECONNREFUSED, -EAGAIN,     -EINTR,
                                      -ETIMEDOUT,   -ECONNABORTED, -ENETUNREACH};
            if (one_in(2)) return end(which, errors[below(std::size(errors))]);
            of.file->ended = of.file->failed = false;  // what one before it had come to
            return end(which, 0);
        }
        case IORING_OP_POLL_ADD:
            if (of.file->kind == fake_kind::wake && !one_in(8)) return post(of, POLLIN, IORING_CQE_F_MORE);
            return end(which, one_in(4) ? POLLERR | POLLHUP : static_cast<int>(of.entry.poll32_events));
        case IORING_OP_TIMEOUT:
            return end(which, -ETIME);
        case IORING_OP_NOP:
            return end(which, 0);
        default:
            broken("an operation that this kernel does not know", of.entry.opcode);
    }
}

// ---------------------------------------------------------------------------------------- reading

int fake_kernel::connect_one(fake_file& listener, bool direct) noexcept {
    const auto made = std::make_shared<fake_file>(fake_kind::stream, ++files_made_);
    const int name = direct ? place_for(made) : number_for(made);
    if (name >= 0) listener.accepted.push_back(made);
    return name;
}

void fake_kernel::step_accept(pending_list::iterator which) noexcept {
    constexpr int errors[] = {-EMFILE, -ENFILE, -EAGAIN, -EINTR, -ECONNABORTED, -ENOBUFS, -ENOMEM};
    if (fails(which, errors)) return;
    request& of = **which;
    const int name = connect_one(*of.file, of.entry.file_index != 0);
    if (name >= 0 && of.multishot && !one_in(4)) {
        count(happening::accepted_ahead);
        post(of, name, IORING_CQE_F_MORE);
        return;
    }
    end(which, name);
}

void fake_kernel::step_receive(pending_list::iterator which) noexcept {
    request& of = **which;
    fake_file& file = *of.file;
    if (file.ended) return end(which, 0);
    if (file.kind == fake_kind::pipe) {
        constexpr int errors[] = {-EAGAIN, -EINTR, -EIO, -ENOMEM};
        if (fails(which, errors)) return;
    } else {
        constexpr int errors[] = {-EAGAIN, -EINTR, -ECONNRESET, -ETIMEDOUT, -ENOMEM};
        if (fails(which, errors)) return;
    }
    if (one_in(8)) {
        file.ended = true;
        count(happening::end_of_stream);
        return end(which, 0);
    }
    const bool more = of.multishot && !one_in(4);
    if ((of.entry.flags & IOSQE_BUFFER_SELECT) != 0) {
        const bool bundle = (of.entry.ioprio & uring_abi::receive_bundle) != 0;
        const std::size_t most = bundle ? of.entry.len : limits::buffer_bytes;
        return receive_into_buffers(which, most, more ? IORING_CQE_F_MORE : 0);
    }
    const std::size_t size = portion(of.entry.len, usual_bytes);
    fill(reinterpret_cast<std::byte*>(of.entry.addr), size, file, file.received);
    file.received += size;
    end(which, static_cast<int>(size));
}

void fake_kernel::receive_into_buffers(pending_list::iterator which, std::size_t most,
                                       unsigned flags) noexcept {
    request& of = **which;
    fake_file& file = *of.file;
    const std::size_t there = one_in(16) ? 0 : buffers_lent();
    if (there == 0) {
        count(happening::no_buffers);
        return end(which, -ENOBUFS);
    }
    const std::size_t size = portion(std::min(most, there * limits::buffer_bytes), usual_bytes);
    if (size > limits::buffer_bytes) count(happening::bundle);
    const auto* entries = reinterpret_cast<const io_uring_buf*>(lent_);
    const unsigned first = entries[lent_head_ & (lent_entries_ - 1)].bid;
    for (std::size_t done = 0; done < size;) {
        const io_uring_buf& each = entries[lent_head_++ & (lent_entries_ - 1)];
        if (lends(each.bid)) broken("a buffer is lent twice", each.bid);
        const std::size_t part = std::min<std::size_t>(size - done, each.len);
        fill(reinterpret_cast<std::byte*>(each.addr), part, file, file.received);
        file.received += part;
        done += part;
    }
    flags |= IORING_CQE_F_BUFFER | first << IORING_CQE_BUFFER_SHIFT;
    if ((flags & IORING_CQE_F_MORE) != 0) return post(of, static_cast<int>(size), flags);
    end(which, static_cast<int>(size), flags);
}

// ---------------------------------------------------------------------------------------- writing

void fake_kernel::step_send(pending_list::iterator which) noexcept {
    request& of = **which;
    const std::uint8_t opcode = of.entry.opcode;
    const bool uncopied = opcode == IORING_OP_SEND_ZC || opcode == IORING_OP_SENDMSG_ZC;
    const bool pipe = of.file->kind == fake_kind::pipe;
    std::vector<int> errors{-EAGAIN, -EINTR, -EPIPE};
    if (!pipe) errors.insert(errors.end(), {-ECONNRESET, -ETIMEDOUT, -ENOBUFS, -ENOMEM});
    if (uncopied) errors.insert(errors.end(), {-EOPNOTSUPP, -ENOMEM});
    // An error may owe a notification as well, and neither need one.
    const bool owes = uncopied && !one_in(4);
    if (uncopied && !owes) count(happening::notice_missing);
    std::size_t size = 0;
    int result = 0;
    if (one_in(4)) {
        result = errors[below(errors.size())];
        if (ends_a_stream(result) && !pipe) {
            of.file->failed |= !of.file->ended;
            of.file->ended = true;
        }
    } else {
        std::size_t all = 0;
        for (const auto& [data, bytes] : of.pieces)
            all += bytes;
        size = portion(all, all);
        result = static_cast<int>(size);
    }
    notice owed{of.entry.user_data, {}, 0};
    for (std::size_t left = size; const auto& [data, bytes] : of.pieces) {
        const std::size_t part = std::min(left, bytes);
        if (part > 0) watcher_.took(*of.file, data, part);
        if (owes && part > 0) owed.pieces.emplace_back(data, part);
        left -= part;
    }
    if (!owes) return end(which, result);
    for (const auto& [data, bytes] : owed.pieces) {
        for (std::size_t each = 0; each < bytes; ++each)
            owed.sum = owed.sum * 31 + std::to_integer<unsigned>(data[each]);
    }
    notices_.push_back(std::move(owed));
    end(which, result, IORING_CQE_F_MORE);
    if (one_in(2)) return notify(notices_.size() - 1);
    count(happening::notice_late);
}

void fake_kernel::step_datagram(pending_list::iterator which) noexcept {
    request& of = **which;
    if (of.entry.opcode == IORING_OP_SENDMSG) {
        constexpr int errors[] = {-EAGAIN, -EINTR, -EMSGSIZE, -ECONNREFUSED, -ENOBUFS};
        if (fails(which, errors)) return;
        std::size_t size = 0;
        for (const auto& [data, bytes] : of.pieces) {
            if (bytes > 0) watcher_.took(*of.file, data, bytes);
            size += bytes;
        }
        return end(which, static_cast<int>(size));
    }
    constexpr int errors[] = {-EAGAIN, -EINTR, -ECONNREFUSED, -ENOMEM};
    if (fails(which, errors)) return;
    auto& message = *reinterpret_cast<msghdr*>(of.entry.addr);
    auto* const into = static_cast<std::byte*>(message.msg_iov->iov_base);
    const std::size_t size = one_in(8) ? 0 : portion(message.msg_iov->iov_len, usual_bytes);
    fill(into, size, *of.file, 0);
    sockaddr from{};
    from.sa_family = AF_INET;
    std::memcpy(message.msg_name, &from, std::min<std::size_t>(message.msg_namelen, sizeof from));
    message.msg_namelen = sizeof from;
    message.msg_flags = one_in(4) ? MSG_TRUNC : 0;
    end(which, static_cast<int>(size));
}

// ---------------------------------------------------------------------------------------- files

void fake_kernel::step_file(pending_list::iterator which) noexcept {
    constexpr int errors[] = {-EIO, -EINTR, -ENOMEM, -ENOSPC};
    if (fails(which, errors)) return;
    request& of = **which;
    if (of.entry.opcode == IORING_OP_FSYNC) return end(which, 0);
    if (of.entry.opcode == IORING_OP_WRITE) {
        const std::size_t size = one_in(16) ? 0 : portion(of.entry.len, of.entry.len);
        if (size > 0) watcher_.took(*of.file, of.pieces.front().first, size);
        return end(which, static_cast<int>(size));
    }
    const std::uint64_t left = of.entry.off < fake_file_size ? fake_file_size - of.entry.off : 0;
    const std::size_t most = std::min<std::size_t>(of.entry.len, left);
    const std::size_t size = portion(most, most);
    fill(reinterpret_cast<std::byte*>(of.entry.addr), size, *of.file, of.entry.off);
    end(which, static_cast<int>(size));
}

void fake_kernel::step_open(pending_list::iterator which) noexcept {
    constexpr int errors[] = {-ENOENT, -EMFILE, -EINTR, -ENOMEM, -EACCES};
    if (fails(which, errors)) return;
    if (reinterpret_cast<const char*>((*which)->entry.addr)[0] != '/') broken("a path that is none");
    const auto made = std::make_shared<fake_file>(fake_kind::file, 0);
    const unsigned index = (*which)->entry.file_index;
    if (index == 0) return end(which, number_for(made));
    file_pointer& place = table_.at(index - 1);
    if (place != nullptr) give_up_name(place);  // opened twice
    place = made;
    ++made->names;
    end(which, 0);
}

void fake_kernel::step_close(pending_list::iterator which) noexcept {
    const io_uring_sqe entry = (*which)->entry;
    if (entry.file_index != 0) {
        file_pointer& place = table_.at(entry.file_index - 1);
        // A file's place may be empty: it is reserved before it is opened.
        if (place == nullptr) return end(which, -EBADF);
        give_up_name(place);
        place = nullptr;
        return end(which, 0);
    }
    close(entry.fd);
    end(which, one_in(8) ? -EIO : 0);
}

// Those that are waited for at once.
bool fake_kernel::step_command(const request& of) noexcept {
    if (of.entry.opcode == uring_abi::op_fixed_fd_install) {
        const file_pointer file = of.file;
        end(find(&of), one_in(8) ? -EMFILE : number_for(file));
        return true;
    }
    if (of.entry.opcode != IORING_OP_FILES_UPDATE) return false;
    int& name = *reinterpret_cast<int*>(of.entry.addr);
    const file_pointer file = file_of(name);
    if (file == nullptr) broken("a descriptor is registered that is not there", name);
    const int place = one_in(8) ? -ENFILE : place_for(file);
    if (place >= 0) name = place;
    end(find(&of), place < 0 ? place : 1);
    return true;
}

// ---------------------------------------------------------------------------------------- system calls

std::int64_t fake_kernel::accept(int listener) noexcept {
    const file_pointer file = file_of(listener);
    if (file == nullptr) broken("accept on a descriptor that is not there", listener);
    if (!one_in(3)) return -EAGAIN;
    return connect_one(*file, false);
}

std::int64_t fake_kernel::shutdown(int socket) noexcept {
    if (file_of(socket) == nullptr) broken("shutdown of a descriptor that is not there", socket);
    return one_in(8) ? -ENOTCONN : 0;
}

std::int64_t fake_kernel::send_file(int socket, int file, std::uint64_t offset,
                                    std::uint64_t count) noexcept {
    const file_pointer to = file_of(socket);
    const file_pointer from = file_of(file);
    if (to == nullptr || from == nullptr)
        broken("sendfile with a descriptor that is not there", socket, file);
    if (offset >= fake_file_size) return outcome::end_of_file;
    if (one_in(4)) return -EAGAIN;
    if (one_in(8)) return -EPIPE;
    const std::uint64_t most = std::min(count, fake_file_size - offset);
    const std::uint64_t size = portion(most, most);
    watcher_.moved(*to, *from, offset, size);
    return static_cast<std::int64_t>(size);
}

std::int64_t fake_kernel::read_file(int file, std::span<std::byte> into, std::uint64_t offset) noexcept {
    const file_pointer from = file_of(file);
    if (from == nullptr) broken("pread of a descriptor that is not there", file);
    if (offset >= fake_file_size) return 0;
    const std::size_t size =
        portion(std::min<std::size_t>(into.size(), fake_file_size - offset), into.size());
    fill(into.data(), size, *from, offset);
    return static_cast<std::int64_t>(size);
}

void fake_kernel::drain(int descriptor) noexcept {
    if (file_of(descriptor) == nullptr) broken("a wake descriptor is read that is not there", descriptor);
    woken_ = false;
}

bool fake_kernel::connected_to_itself(int socket) noexcept {
    if (file_of(socket) == nullptr) broken("a descriptor is asked that is not there", socket);
    return one_in(16);
}

}  // namespace naru::testing
