// What a completion may say, and why.
#include "model/faults.hpp"
#include "model/world.hpp"

#include <algorithm>
#include <utility>

namespace naru::testing {

namespace {

std::string record_text(const record& each) {
    return "operation " + std::to_string(each.number) + " (kind " +
           std::to_string(static_cast<int>(each.kind)) + " on " + std::to_string(each.end) + ")";
}

bool is_shortage(const std::error_code& error) {
    return error == std::errc::not_enough_memory || error == std::errc::no_buffer_space ||
           error == std::errc::too_many_files_open || error == std::errc::connection_aborted;
}

}  // namespace

void world::fail(const std::string& what) {
    if (failure_.empty()) failure_ = what;
}

void world::fail(const record& each, const std::string& what) { fail(record_text(each) + ": " + what); }

void world::completed(record& each) noexcept {
    ++ended_;
    if (++each.completions > 1) fail(each, "ended twice");
    if (submitting_) fail(each, "ended inside of submit, cancel or close");
    if (std::this_thread::get_id() != thread_) fail(each, "ended on another thread");
    if (failure_.empty()) check(each);
    take_inside();
}

void world::check(record& each) {
    operation& op = each.op();
    if (each.behind != nullptr && each.behind->completions == 0)
        fail(each, "overtook the one it is linked to");
    if (each.in_chain && op.link == nullptr && each.kind == step_kind::chain) {
        const flow& of = out_of(static_cast<std::size_t>(each.end));
        if (of.sends.back() == &each) ends_[static_cast<std::size_t>(each.end)].chain_busy = false;
    }
    if (op.failed() && op.error() == std::errc::operation_canceled) {
        if (each.handle_gone || each.cancel_asked) return;
        const bool chain_broke = each.behind != nullptr && each.behind->op().failed();
        const bool short_read = each.behind != nullptr && each.behind->kind == step_kind::read_file;
        if (!chain_broke && !short_read) fail(each, "was cancelled by nobody");
        return;
    }
    if (faults_ && op.failed() && is_shortage(op.error())) {
        if (each.kind == step_kind::open_file) files_[static_cast<std::size_t>(each.end)].busy = false;
        return;
    }
    // A member of a chain is begun when the one before has succeeded: its handle may have been closed
    // meanwhile.
    if (each.in_chain && each.cancel_asked && op.error() == std::errc::bad_file_descriptor) return;
    if (each.handle_gone) {
        if (!op.failed()) fail(each, "succeeded on a handle that had been closed");
        return;
    }
    switch (each.kind) {
        case step_kind::receive:
        case step_kind::receive_into:
            return check_read(each);
        case step_kind::send:
        case step_kind::send_file:
        case step_kind::chain:
            return check_write(each);
        case step_kind::accept:
            return check_accept(each);
        case step_kind::send_to:
        case step_kind::receive_from:
            return check_datagram(each);
        case step_kind::read_file:
            return check_file_read(each);
        case step_kind::connect:
            if (op.failed()) fail(each, op.error().message());
            ++connected_;
            return;
        case step_kind::open_file: {
            file_handle& of = files_[static_cast<std::size_t>(each.end)];
            of.busy = false;
            of.opened = !op.failed();
            if (op.failed()) fail(each, "the file was not opened: " + op.error().message());
            return;
        }
        case step_kind::release: {
            if (op.failed()) return;  // a direct descriptor cannot be given away
            // It goes on under another handle.
            const faults::pause none;
            const auto end = static_cast<std::size_t>(each.end);
            const auto taken = loop_.attach(static_cast<int>(op.result), descriptor_kind::stream);
            if (!taken) return fail(each, "its descriptor was not taken: " + taken.error().message());
            ends_[end].own = *taken;
            ends_[end].open = true;
            // Sends of a chain that have not begun end later, on the handle that is gone.
            ends_[end].chain_busy = std::ranges::any_of(
                ends_[end].writes, [](const record* other) { return other->in_chain && other->pending(); });
            return;
        }
        default:
            if (op.failed() && each.kind != step_kind::readable && each.kind != step_kind::writable)
                fail(each, op.error().message());
            return;
    }
}

/// Reads and writes that succeed do so in the order of their submission.
void world::check_order(const std::vector<record*>& line, const record& each) {
    for (const record* other : line) {
        if (other == &each) return;
        if (other->pending()) return fail(each, "overtook " + record_text(*other));
    }
}

void world::check_read(record& each) {
    operation& op = each.op();
    const auto end = static_cast<std::size_t>(each.end);
    flow& in = into(end);
    if (op.failed()) {
        if (op.error() == std::errc::connection_reset) {
            if (!in.ended) fail(each, "reset, and nobody has closed");
            in.end_seen = in.unknown = true;  // what had not been received is gone
        } else if (op.result == outcome::end_of_stream) {
            if (!in.ended) fail(each, "the end of a stream that goes on");
            if (!in.unknown && in.received != expected(in))
                fail(each, "an end after " + std::to_string(in.received.size()) + " bytes of " +
                               std::to_string(expected(in).size()));
            in.end_seen = true;
        } else {
            fail(each, op.error().message());
        }
        return;
    }
    if (op.result == 0) return fail(each, "read nothing");
    const auto size = static_cast<std::size_t>(op.result);
    std::string_view got;
    if (each.kind == step_kind::receive) {
        got = std::string_view(reinterpret_cast<const char*>(op.data), size);
    } else {
        if (size > each.text.size()) return fail(each, "read more than was lent");
        got = std::string_view(each.text).substr(0, size);
    }
    in.received += got;
    if (each.kind == step_kind::receive) loop_.buffers().release(op.data);
    check_order(ends_[end].reads, each);
    if (!in.unknown) check_flow(end ^ 1);
}

void world::check_write(record& each) {
    operation& op = each.op();
    const auto end = static_cast<std::size_t>(each.end);
    const bool peer_closed = !ends_[end ^ 1].open;
    if (op.failed()) {
        const bool gone = op.error() == std::errc::broken_pipe || op.error() == std::errc::connection_reset;
        if (!gone) return fail(each, op.error().message());
        if (!peer_closed && !ends_[end].shut && !out_of(end).unknown && !into(end).ended)
            fail(each, op.error().message() + ", and nobody has closed");
        return;
    }
    const auto size = static_cast<std::int64_t>(each.text.size());
    if (op.result != size || op.progress != each.text.size())
        fail(each, "sent " + std::to_string(op.result) + " of " + std::to_string(size));
    if (!each.in_chain) check_order(ends_[end].writes, each);
}

std::string world::expected(flow& of) {
    std::string all;
    for (record* each : of.sends)
        all += each->left();
    return all;
}

/// Bytes out of `from`: none lost, repeated or out of order.
void world::check_flow(std::size_t from) {
    flow& of = flows_[from];
    if (of.unknown) return;
    // While a send is under way its progress may be behind what the peer has already.
    std::string all;
    for (record* each : of.sends)
        all += each->completions > 0 ? each->left() : each->text;
    if (of.received.size() > all.size() || all.compare(0, of.received.size(), of.received) != 0) {
        std::size_t same = 0;
        while (same < all.size() && same < of.received.size() && all[same] == of.received[same])
            ++same;
        fail("out of end " + std::to_string(from) + ": byte " + std::to_string(same) + " of " +
             std::to_string(of.received.size()) + " received is not what was sent (" +
             std::to_string(all.size()) + ")");
    }
}

void world::check_accept(record& each) {
    operation& op = each.op();
    if (op.failed()) return fail(each, op.error().message());
    check_order(accept_line_, each);
    if (++accepts_ > connects_) fail(each, "more connections than were made");
    loop_.close(handle::unpack(op.result));
}

void world::check_datagram(record& each) {
    operation& op = each.op();
    datagram_socket& of = datagrams_[static_cast<std::size_t>(each.end)];
    if (op.failed()) return fail(each, op.error().message());
    if (each.kind == step_kind::send_to) {
        check_order(of.sends, each);
        if (op.result != static_cast<std::int64_t>(each.text.size())) fail(each, "sent part of a datagram");
        return;
    }
    check_order(of.reads, each);
    const auto& receive = static_cast<const receive_from_operation&>(op);
    const std::vector<record*>& sent = datagrams_[static_cast<std::size_t>(each.end) ^ 1].sends;
    for (; of.seen < sent.size(); ++of.seen) {
        const std::string& whole = sent[of.seen]->text;
        const std::size_t size = std::min(whole.size(), each.text.size());
        if (op.result != static_cast<std::int64_t>(size) || whole.compare(0, size, each.text, 0, size) != 0)
            continue;
        if (receive.truncated != (whole.size() > each.text.size()))
            fail(each, "cut, and did not say so, or the other way");
        ++of.seen;
        return;
    }
    fail(each, "a datagram that nobody sent, or one out of order");
}

void world::check_file_read(record& each) {
    operation& op = each.op();
    if (op.failed()) return fail(each, op.error().message());
    const auto& read = static_cast<const read_file_operation&>(op);
    const std::size_t offset = std::min<std::size_t>(read.offset, file_text_.size());
    const std::size_t most = std::min(each.text.size(), file_text_.size() - offset);
    const auto size = static_cast<std::size_t>(op.result);
    if (size > most || (size == 0 && most > 0)) return fail(each, "read " + std::to_string(size) + " bytes");
    if (file_text_.compare(offset, size, each.text, 0, size) != 0) fail(each, "not what is in the file");
}

}  // namespace naru::testing
