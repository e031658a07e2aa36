#include "completions/judge.hpp"

#include <naru/loop/datagram.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace naru::testing {

namespace {

bool is_of_files(operation_kind kind) noexcept { return kind >= operation_kind::open_file; }

bool is_bytes_read(std::uint8_t opcode) noexcept {
    return opcode == IORING_OP_RECV || opcode == IORING_OP_READ || opcode == IORING_OP_RECVMSG;
}

}  // namespace

// ---------------------------------------------------------------------------------------- what the kernel
// says

void judge::told(std::uint64_t user_data, std::uint8_t opcode, int result, unsigned flags) noexcept {
    if (traces())
        std::fprintf(stderr, "  kernel: %llx, opcode %d: %d, flags %x\n",
                     static_cast<unsigned long long>(user_data), opcode, result, flags);
    // What is an operation's own has its address there.
    if (user_data == 0 || (user_data & 7) != 0) return;
    for (const auto& each : under_way_) {
        if (reinterpret_cast<std::uint64_t>(&each->op()) != user_data) continue;
        if ((flags & IORING_CQE_F_NOTIF) != 0) return;
        each->given.insert(result);
        // Known to the handle from here on: a send without a copy ends later, with its last notification, and
        // a receive that meets the end of the stream in between is told of the failure.
        if (result == -EPIPE && each->op().kind == operation_kind::send && each->taken > 0)
            each->on->file->cut = true;
        each->given_bytes |= result > 0 && is_bytes_read(opcode);
        return;
    }
    broken("a request of an operation that has ended", opcode, result);
}

ticket* judge::first_write(const fake_file& of) noexcept {
    for (side& each : sides_) {
        if (each.gone || each.file.get() != &of) continue;
        // What has ended may not have been told yet.
        const auto first = std::ranges::find_if(each.writes, [](ticket* one) {
            return !one->chained && one->op().state != operation_state::completed;
        });
        if (first != each.writes.end()) return *first;
    }
    return nullptr;
}

void judge::took(fake_file& of, const std::byte* data, std::size_t size) noexcept {
    for (const auto& each : under_way_) {
        const std::byte* const begin = each->memory.data();
        if (data < begin || data >= begin + each->memory.size()) continue;
        if (data != begin + each->taken) broken("bytes are sent out of order");
        if (size > each->total - each->taken) broken("more is sent than there is");
        if (each->on->kind != descriptor_kind::file && each->on->file.get() != &of)
            broken("bytes are sent to somebody else");
        if (!each->chained && each->on->kind != descriptor_kind::file) {
            if (ticket* const first = first_write(of);
                first != nullptr && first != each.get() &&
                std::ranges::find(each->on->writes, each.get()) != each->on->writes.end())
                broken("a send has overtaken another");
        }
        each->taken += size;
        return;
    }
    // A file that goes out through a buffer.
    ticket* const first = first_write(of);
    if (first == nullptr || first->op().kind != operation_kind::send_file) broken("bytes of nobody are sent");
    const fake_file& source = *kernel_.file_of(source_);
    for (std::size_t each = 0; each < size; ++each) {
        if (data[each] != source.at(first->in_file + first->taken + each))
            broken("other bytes than the file's");
    }
    first->taken += size;
}

void judge::moved(fake_file& to, const fake_file& /*from*/, std::uint64_t offset,
                  std::uint64_t size) noexcept {
    ticket* const first = first_write(to);
    if (first == nullptr || first->op().kind != operation_kind::send_file)
        broken("a file is sent for nobody");
    if (offset != first->in_file + first->taken) broken("a file is sent out of order");
    first->taken += size;
}

// ---------------------------------------------------------------------------------------- what came of it

bool judge::may_be_canceled(const ticket& of) const noexcept {
    return of.asked || of.chained || of.on->closing || of.on->maybe_closing;
}

void judge::check_turn(ticket& of, std::int64_t result) noexcept {
    const bool reads = direction_of(of.op().kind) == direction::read;
    std::deque<ticket*>& queue = reads ? of.on->reads : of.on->writes;
    const auto place = std::ranges::find(queue, &of);
    if (place == queue.end()) broken("an operation ends twice");
    const bool of_its_turn = result != outcome::canceled && result != -EBADF && result != -EINVAL &&
                             !of.chained && of.on->kind != descriptor_kind::file &&
                             of.op().kind != operation_kind::close && of.op().kind != operation_kind::release;
    if (of_its_turn) {
        const auto first = std::ranges::find_if(queue, [](ticket* one) { return !one->chained; });
        if (first != place)
            broken("an operation has overtaken another", static_cast<long long>(of.op().kind),
                   static_cast<long long>((*first)->op().kind));
    }
    queue.erase(place);
}

void judge::ended(ticket& which) noexcept {
    const auto place =
        std::ranges::find_if(under_way_, [&](const auto& each) { return each.get() == &which; });
    if (place == under_way_.end()) broken("an operation ends twice");
    const std::int64_t result = which.op().result;
    if (traces())
        std::fprintf(stderr, "ended: %llu, kind %d on %u: %lld\n",
                     static_cast<unsigned long long>(which.serial), static_cast<int>(which.op().kind),
                     which.on->name.slot, static_cast<long long>(result));
    check_turn(which, result);
    check(which, result);
    under_way_.erase(place);  // with its memory
    if (!ending_ && depth_ < 3 && choose_.one_in(4)) {
        const unsigned before = depth_;
        act(depth_ + 1);
        depth_ = before;
    }
}

void judge::check(ticket& of, std::int64_t result) noexcept {
    const operation_kind kind = of.op().kind;
    if (result == outcome::canceled && !may_be_canceled(of) && !of.given.contains(-ECANCELED))
        broken("canceled, and nobody has asked for it", static_cast<long long>(kind));
    if (result == outcome::canceled && of.given_bytes && !is_of_files(kind))
        broken("bytes are lost to a cancel", static_cast<long long>(kind));
    if (result == -EBADF && (of.on->closing || of.on->maybe_closing || of.on->gone)) return;
    switch (kind) {
        case operation_kind::recv:
        case operation_kind::recv_into:
        case operation_kind::readable:
            return check_read(of, result);
        case operation_kind::accept:
            return check_accept(of, result);
        case operation_kind::close:
            return check_close(of, result);
        case operation_kind::release:
            return check_release(of, result);
        case operation_kind::connect:
            if (result == 0 && of.given.contains(0)) of.on->kind = descriptor_kind::stream;
            if (result == outcome::canceled || of.given.contains(static_cast<int>(result))) return;
            if (result == -ECONNREFUSED && of.given.contains(0)) return;  // to itself
            broken("a connect ends as the kernel did not say", result);
        case operation_kind::receive_from: {
            if (result < 0 && (result == outcome::canceled || of.given.contains(static_cast<int>(result))))
                return;
            if (!of.given.contains(static_cast<int>(result))) broken("no datagram was like this", result);
            for (std::int64_t each = 0; each < result; ++each) {
                if (of.memory[static_cast<std::size_t>(each)] !=
                    of.on->file->at(static_cast<std::uint64_t>(each)))
                    broken("a datagram of other bytes");
            }
            return;
        }
        case operation_kind::writable:
            if (result == 0 || result == outcome::canceled) return;
            broken("a wait ends like this", result);
        case operation_kind::shutdown:
            if (result == 0 || result == outcome::canceled || result == -ENOTCONN || result == -EMFILE)
                return;
            broken("a shutdown ends like this", result);
        case operation_kind::send:
        case operation_kind::send_file:
        case operation_kind::send_to:
            return check_sent(of, result);
        default:
            return check_file(of, result);
    }
}

void judge::check_bytes(side& on, std::span<const std::byte> bytes) noexcept {
    for (const std::byte each : bytes) {
        if (each != on.file->at(on.delivered))
            broken("bytes are lost, or come twice", on.delivered, on.file->received);
        ++on.delivered;
    }
    if (!bytes.empty() && on.delivered > on.file->received) broken("bytes that were never received");
}

void judge::check_read(ticket& of, std::int64_t result) noexcept {
    side& on = *of.on;
    const operation_kind kind = of.op().kind;
    if (result == outcome::canceled) return;
    if (result == -ENOTCONN && on.kind == descriptor_kind::socket) return;
    if (kind == operation_kind::readable) {
        if (result == 0) return;
        broken("a wait ends like this", result);
    }
    if (result > 0) {
        const auto size = static_cast<std::size_t>(result);
        if (kind == operation_kind::recv_into) {
            if (size > of.memory.size()) broken("more than there is room for");
            return check_bytes(on, std::span(of.memory).first(size));
        }
        std::byte* const data = of.op().data;
        const auto index = static_cast<std::uint16_t>(loop_->buffers().index_of(data));
        if (kernel_.lends(index)) broken("a buffer is delivered that the kernel has", index);
        for (std::byte* const each : held_) {
            if (loop_->buffers().index_of(each) == index) broken("a buffer is held twice", index);
        }
        check_bytes(on, {data, size});
        std::ranges::fill(std::span(data, size), std::byte{0xee});  // ours
        held_.push_back(data);
        const bool keeps = !ending_ && held_.size() < 32 && choose_.one_in(3);
        if (!keeps) {
            loop_->buffers().release(data);
            held_.pop_back();
        }
        return;
    }
    const fake_file& file = *on.file;
    const bool failure = result == -ECONNRESET || result == -ETIMEDOUT;
    if (result == outcome::end_of_stream) {
        if (!file.ended || on.delivered != file.received)
            broken("an end before the end", on.delivered, file.received);
        if (file.failed) broken("a stream that has failed ends as if it were whole");
        return;
    }
    if (failure && on.delivered != file.received)
        broken("bytes are lost to a failure", on.delivered, file.received);
    if (failure && (file.failed || file.cut)) return;
    const bool passed_on = result != -ENOBUFS && result != -EAGAIN && result != -EINTR;
    if (!passed_on || !file.told.contains(static_cast<int>(result)))
        broken("a receive ends as the kernel did not say", result, static_cast<long long>(on.kind));
}

void judge::check_accept(ticket& of, std::int64_t result) {
    side& on = *of.on;
    if (result == outcome::canceled || result == outcome::from(errc::direct_descriptor_limit)) return;
    if (result < 0) {
        if (!on.file->told.contains(static_cast<int>(result)))
            broken("an accept ends as the kernel did not say", result);
        return;
    }
    if (on.file->accepted.empty()) broken("a connection that nobody has made");
    file_pointer file = std::move(on.file->accepted.front());
    on.file->accepted.pop_front();
    if (file->names == 0) broken("a connection is accepted that is closed");
    const handle made = handle::unpack(result);
    const int descriptor = loop_->descriptor(made);
    if (descriptor >= 0 && kernel_.file_of(descriptor) != file)
        broken("connections are out of order", descriptor);
    add(made, std::move(file), descriptor_kind::stream);
}

void judge::check_sent(ticket& of, std::int64_t result) noexcept {
    operation& op = of.op();
    const bool datagram = op.kind == operation_kind::send_to;
    if (!datagram && op.progress != of.taken)
        broken("a send does not say how much went", static_cast<long long>(op.progress),
               static_cast<long long>(of.taken));
    if (result >= 0) {
        const bool some = (op.flags & operation_flags::some) != 0;
        const bool whole = of.taken == of.total || (some && of.taken > 0);
        if (!whole || result != static_cast<std::int64_t>(of.taken))
            broken("a send ends before its end", result);
        return;
    }
    if (result == outcome::canceled) return;
    if (result == -EPIPE && of.taken > 0) of.on->file->cut = true;
    if (op.kind == operation_kind::send_file) {
        if (result == outcome::end_of_file && of.in_file + of.taken >= fake_file_size) return;
        if (result == -EPIPE || result == -ENOBUFS) return;
    }
    // The kernel has ended a linked send in the middle and keeps the reason to itself: a failure, and the end
    // of the stream is told as one.
    if (of.chained && result == -ECONNRESET && of.taken > 0 && of.taken < of.total) {
        of.on->file->cut = true;
        return;
    }
    // A chain is not gone on with: what is behind the send has been told already.
    const bool passed_on = of.chained || (result != -EAGAIN && result != -EINTR);
    if (!passed_on || !of.given.contains(static_cast<int>(result)))
        broken("a send ends as the kernel did not say", result);
}

void judge::check_file(ticket& of, std::int64_t result) noexcept {
    if (result == -EBADF || result == outcome::canceled) return;  // not open
    if (result < 0) {
        const bool short_write = of.op().kind == operation_kind::write_file && result == -ENOSPC;
        if (!short_write && !of.given.contains(static_cast<int>(result)))
            broken("an operation on a file ends as the kernel did not say", result);
        return;
    }
    if (of.op().kind == operation_kind::write_file) {
        if (of.taken != of.total || result != static_cast<std::int64_t>(of.total))
            broken("a write ends before its end", result);
        return;
    }
    if (of.op().kind != operation_kind::read_file) return;
    if (!of.given.contains(static_cast<int>(result))) broken("a read of another size", result);
    const fake_file& source = *kernel_.file_of(source_);
    for (std::size_t each = 0; each < static_cast<std::size_t>(result); ++each) {
        if (of.memory[each] != source.at(of.in_file + each)) broken("other bytes than the file's");
    }
}

void judge::check_close(ticket& of, std::int64_t result) noexcept {
    side& on = *of.on;
    if (of.chained && result < 0) {
        on.maybe_closing = false;
        return;
    }
    if (result != 0) broken("a close ends like this", result);
    if (!on.reads.empty() || !on.writes.empty()) {
        const auto later = [&of](ticket* each) {
            return each->chained || each->serial > of.serial ||
                   each->op().state == operation_state::completed;
        };
        if (!std::ranges::all_of(on.reads, later) || !std::ranges::all_of(on.writes, later))
            broken("a close ends before what it closes");
    }
    if (on.file != nullptr && on.file->names != 0) broken("a handle is closed, and its descriptor is not");
    on.gone = true;
}

void judge::check_release(ticket& of, std::int64_t result) noexcept {
    side& on = *of.on;
    on.gone = true;
    if (result == -EMFILE) return;  // and its place is given up, which is looked at in the end
    if (result < 0) broken("a release ends like this", result);
    const auto descriptor = static_cast<int>(result);
    const file_pointer there = kernel_.file_of(descriptor);
    if (there == nullptr || (on.file != nullptr && there != on.file))
        broken("another descriptor is released");
    // The place that it had is given up with what is submitted next.
    if (there->names > 2) broken("a released descriptor has other names", there->names);
    received_ahead& ahead = of.brought;
    const std::uint64_t before = on.delivered;
    check_bytes(on, ahead.bytes);
    for (const int each : ahead.connections) {
        std::deque<file_pointer>& accepted = on.file->accepted;
        // Of direct ones those get lost that there is no descriptor for.
        while (!accepted.empty() && accepted.front() != kernel_.file_of(each)) {
            accepted.pop_front();
        }
        if (accepted.empty()) broken("a connection of nobody is released");
        accepted.pop_front();
        kernel_.close(each);
    }
    ahead.connections.clear();
    if (on.kind == descriptor_kind::stream && on.delivered != there->received)
        broken("bytes are lost to a release", on.delivered, there->received);
    if (on.kind == descriptor_kind::stream && !ending_ && choose_.one_in(2)) {
        const auto made = loop_->attach(descriptor, on.kind, ownership::own, std::move(ahead));
        if (!made) broken("a released descriptor cannot be attached", made.error().value());
        add(*made, there, on.kind).delivered = before;
        return;
    }
    kernel_.close(descriptor);
}

}  // namespace naru::testing
