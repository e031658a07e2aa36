#include <naru/http/websocket/connection.hpp>
#include <naru/http/websocket/connection_output.hpp>
#include <naru/http/websocket/random.hpp>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace naru::websocket {

void connection::output::load() noexcept {
    out_frame* each = last == nullptr ? queue.front() : last->next;
    for (; each != nullptr && frames < limits::frames_per_send; each = each->next) {
        list[pieces++] = each->head;
        if (each->payload.size != 0) list[pieces++] = each->payload;
        ++frames;
        last = each;
    }
    set(owner.stream_.native(), list.data(), pieces);
}

bool connection::output::stands_still(instant now, duration span) noexcept {
    if (progress != seen) {
        seen = progress;
        since = now;
    }
    return span > duration::zero() && now >= saturating_add(since, span);
}

std::size_t connection::queued_bytes() const noexcept {
    return output_ == nullptr ? 0 : output_->queue.bytes();
}

bool connection::prepare_output() noexcept {
    if (output_ != nullptr) return true;
    std::size_t bytes = sizeof(output);
    std::byte* const block = acquire_block(bytes);
    if (block == nullptr) return false;
    output_ = new (block) output(*this);
    return true;
}

void connection::rest_from_output() noexcept {
    if (output_ == nullptr || !output_->is_done()) return;
    output_->~output();
    release_block(reinterpret_cast<std::byte*>(std::exchange(output_, nullptr)), sizeof(output));
}

bool connection::has_room(std::size_t more) const noexcept {
    return queue_empty() || output_->queue.bytes() + more <= options_->send_queue;
}

/// Drops the oldest messages until there is room, or none is left that may be dropped.
void connection::make_room(std::size_t more) noexcept {
    while (!has_room(more)) {
        out_frame* const oldest = output_->queue.take_oldest(sending() ? output_->frames : 0);
        if (oldest == nullptr) return;
        free_frame(*oldest);
    }
}

/// Whether what is to be sent goes out from where it lies.
bool connection::lends(const sender& who) const noexcept {
    return options_->when_full == send_policy::wait && role_ == role::server && who.prepared == nullptr &&
           who.payload.size() > limits::copied_bytes && !compresses();
}

void connection::lend(lent_frame& frame) noexcept {
    const sender& who = *frame.owner;
    frame.bytes = make_frame_head(opcode_of(who.kind), true, false, who.payload.size());
    frame.head = slice(frame.bytes.view());
    frame.payload = slice(who.payload);
    output_->queue.push(frame);
    flush();
}

/// A sender has waited long enough: how is known already, or that the connection has ended.
void connection::end_sender(lent_frame& frame) noexcept {
    sender& who = *frame.owner;
    const std::coroutine_handle<> waiting = frame.waiting;
    who.waits = nullptr;
    if (static_cast<stop_entry&>(frame).linked()) static_cast<stop_entry&>(frame).unlink();
    frame.~lent_frame();
    release_block(reinterpret_cast<std::byte*>(static_cast<out_frame*>(&frame)), sizeof(lent_frame));
    if (!who.done) who.how = who.stopped ? sender::outcome::stopped : sender::outcome::refused;
    waiting.resume();
}

void sender::set(const std::error_code& error) noexcept {
    done = true;
    if (!error) {
        how = outcome::sent;
    } else if (error == make_error_code(errc::queue_full)) {
        how = outcome::queue_full;
    } else if (error == make_error_code(errc::too_slow)) {
        how = outcome::too_slow;
    } else {
        how = error == std::errc::not_enough_memory ? outcome::no_memory : outcome::refused;
    }
}

bool connection::try_send(sender& who) noexcept {
    const std::size_t size = who.payload.size() + frame_head_bytes;
    if (open() && options_->when_full == send_policy::wait) {
        if (!somebody_waits_to_send() && has_room(size) && !lends(who)) {
            who.set(admit(who.kind, who.payload, who.prepared));
            return true;
        }
        std::size_t bytes = sizeof(lent_frame);
        std::byte* const block = prepare_output() ? acquire_block(bytes) : nullptr;
        if (block != nullptr) who.waits = new (block) lent_frame(who);
        if (block == nullptr) who.how = sender::outcome::no_memory;
        return block == nullptr;
    }
    const auto sent = offer(who.kind, who.payload, who.prepared);
    who.set(sent ? std::error_code() : sent.error());
    return true;
}

naru::result<void> connection::offer(message_kind which, bytes_view payload,
                                     const prepared_message* prepared) noexcept {
    if (!open()) return naru::fail(refusal());
    const std::size_t size = payload.size() + frame_head_bytes;
    if (!has_room(size) || somebody_waits_to_send()) {
        switch (options_->when_full) {
            case send_policy::wait:
                return naru::fail(make_error_code(errc::queue_full));
            case send_policy::drop_oldest:
                make_room(size);
                break;
            case send_policy::close:
                fail(close_code::policy_violation, errc::too_slow, "too slow");
                return naru::fail(make_error_code(errc::too_slow));
        }
    }
    if (const std::error_code error = admit(which, payload, prepared)) return naru::fail(error);
    return {};
}

void connection::wait_to_send(sender& who, std::coroutine_handle<> waiting, stop_scope& in) noexcept {
    lent_frame& frame = *who.waits;
    frame.waiting = waiting;
    if (!somebody_waits_to_send() && has_room(who.payload.size() + frame_head_bytes)) {
        lend(frame);
    } else {
        output_->senders.push_back(static_cast<place_of_sender&>(frame));
    }
    in.add(frame);
}

void connection::stop_sending(sender& who) noexcept {
    who.stopped = true;
    if (static_cast<place_of_sender&>(*who.waits).linked()) {
        sender_stopped_ = true;
        wake_soon();
    } else {
        finish({ECANCELED, errno_category()});  // part of its frame may have gone
    }
}

/// Takes those out who were stopped while they waited.
void connection::let_stopped_go() noexcept {
    sender_stopped_ = false;
    if (output_ == nullptr) return;
    list_head all;
    list_head stopped;
    while (list_node* const node = output_->senders.pop_front())
        all.push_back(*node);
    while (list_node* const node = all.pop_front()) {
        const bool goes = static_cast<lent_frame&>(static_cast<place_of_sender&>(*node)).owner->stopped;
        (goes ? stopped : output_->senders).push_back(*node);
    }
    while (list_node* const node = stopped.pop_front())
        end_sender(static_cast<lent_frame&>(static_cast<place_of_sender&>(*node)));
}

/// Who waits for room and may have it; and who need not wait any longer.
void connection::serve_senders() noexcept {
    if (sender_stopped_) let_stopped_go();
    while (somebody_waits_to_send()) {
        auto& frame = static_cast<lent_frame&>(static_cast<place_of_sender&>(*output_->senders.front()));
        sender& who = *frame.owner;
        if (open() && !has_room(who.payload.size() + frame_head_bytes)) return;
        (void)output_->senders.pop_front();
        if (open() && lends(who)) {
            lend(frame);
            continue;
        }
        if (open()) who.set(admit(who.kind, who.payload, who.prepared));
        end_sender(frame);
    }
}

std::error_code connection::admit(message_kind which, bytes_view payload,
                                  const prepared_message* prepared) noexcept {
    std::error_code error;
    if (prepared != nullptr && role_ == role::server) {
        out_frame* const shared = prepare_output() ? make_shared_frame(*prepared) : nullptr;
        if (shared == nullptr) return {ENOMEM, errno_category()};
        output_->queue.push(*shared);
    } else if (compresses() && payload.size() >= limits::compressed_from) {
        error = push_compressed(opcode_of(which), payload);
    } else {
        error = push_copy(opcode_of(which), payload, false);
    }
    flush();
    return error;
}

std::error_code connection::push_compressed(opcode which, bytes_view payload) noexcept {
    deflater& out = extras_->deflate->out;
    buffer compressed;
    if (!out.compress(payload, compressed)) {
        const std::error_code error(ENOMEM, errno_category());
        if (out.context_takeover()) finish(error);  // the peer could not follow any more
        return error;
    }
    const bool shorter = compressed.size() < payload.size() || out.context_takeover();
    return push_copy(which, shorter ? compressed.view() : payload, shorter);
}

std::error_code connection::push_copy(opcode which, bytes_view payload, bool compressed) noexcept {
    const bool masked = role_ == role::client;
    const mask_key key = masked ? random_key() : mask_key();
    const frame_head head = make_frame_head(which, true, compressed, payload.size(), masked ? &key : nullptr);
    out_frame* const frame = prepare_output() ? make_own_frame(head.size + payload.size()) : nullptr;
    if (frame == nullptr) return {ENOMEM, errno_category()};
    std::byte* const to = own_bytes(*frame);
    std::memcpy(to, head.bytes.data(), head.size);
    if (masked) {
        apply_mask(to + head.size, payload, key, 0);
    } else if (!payload.empty()) {
        std::memcpy(to + head.size, payload.data(), payload.size());
    }
    frame->head = slice(to, head.size + payload.size());
    frame->control = is_control(which);
    output_->queue.push(*frame);
    return {};
}

bool connection::push_control(opcode which, bytes_view payload) noexcept {
    if (push_copy(which, payload, false)) return false;
    flush();
    return true;
}

naru::result<void> connection::ping(bytes_view payload) noexcept {
    if (!open()) return naru::fail(refusal());
    if (payload.size() > control_bytes) return fail_errno(EMSGSIZE);
    if (too_many_controls()) return naru::fail(make_error_code(errc::queue_full));
    if (!push_control(opcode::ping, payload)) return fail_errno(ENOMEM);
    return {};
}

void connection::flush() noexcept {
    if (finished_ || queue_empty()) return;
    if (output_->under_way) {
        // Nobody has looked at the send yet: what comes in the same turn leaves with it.
        if (output_->state == operation_state::queued) output_->load();
        return;
    }
    output_->begin(home().now());
    output_->load();
    retain();
    home().submit(*output_);
    watch_time();
}

void connection::on_sent() noexcept {
    const std::error_code error = output_->error();
    list_head gone;
    if (!error) {
        for (std::uint32_t left = output_->frames; left > 0; --left) {
            out_frame& each = output_->queue.pop();
            if (each.whose == out_frame::memory::lent) {
                auto& lent = static_cast<lent_frame&>(each);
                lent.owner->set({});
                gone.push_back(static_cast<place_of_sender&>(lent));
            } else {
                free_frame(each);
            }
        }
    }
    output_->under_way = false;
    if (error) {
        finish(error);
    } else {
        flush();
        read_on();
    }
    while (list_node* const node = gone.pop_front())
        end_sender(static_cast<lent_frame&>(static_cast<place_of_sender&>(*node)));
    serve_senders();
    look_at_end();
    settle();
    rest_from_output();
    release();
}

}  // namespace naru::websocket
