// The layer's handshake, its end, and what it reads; what it writes is in tls_layer_write.cpp.
#include <naru/stream/tls/tls_layer.hpp>

#include <naru/core/check.hpp>
#include <naru/stream/tls/tls_state.hpp>

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace naru {

// The engine, on a worker's thread: its input is in memory, its output is kept by it.
struct tls_layer::away_step : work_operation {
    explicit away_step(tls_layer& of) noexcept
        : work_operation(
              [](work_operation& work) {
                  auto& step = static_cast<away_step&>(work);
                  step.done = step.owner.engine_.handshake();
              },
              [](operation& op) noexcept { static_cast<away_step&>(op).came_back(); }),
          owner(of) {}

    void came_back() noexcept {
        tls_layer& of = owner;
        const naru::result<bool> made = done;
        const bool refused = failed();
        of.is_away_ = false;
        of.away_.reset();  // this
        if (of.closing_ != nullptr) return of.farewell();
        if (of.phase_ == phase::handshaking) {  // else its deadline has passed
            if (refused) {
                of.step();
            } else {
                of.stepped(made);
            }
        }
        of.advance();
    }

    tls_layer& owner;
    naru::result<bool> done = false;
};

tls_layer::tls_layer(loop& on, handle beneath, const tls_context& context, tls_handshakes* among) noexcept
    : handle_layer(beneath), loop_(on), context_(context), among_(among) {}

tls_layer::~tls_layer() = default;

result<handle> tls_layer::take_place() noexcept {
    const result<handle> made = loop_.put(*this);
    if (made) own_ = *made;
    return made;
}

result<handle> tls_layer::accept(loop& on, handle beneath, const tls_context& context,
                                 tls_handshakes& among) noexcept {
    if (context.is_client()) fatal("bug: a TLS server was begun with a client's context");
    if (!among.admit()) return fail_errno(EAGAIN);
    auto* const made = new (std::nothrow) tls_layer(on, beneath, context, &among);
    if (made == nullptr) {
        --among.under_way_;
        return fail_errno(ENOMEM);
    }
    made->needs_input_ = true;
    const result<handle> own = made->take_place();
    if (!own) {
        made->leave_handshakes();
        delete made;
        return own;
    }
    on.arm(made->deadline_, saturating_add(on.now(), limits::tls_handshake));
    return own;
}

result<handle> tls_layer::connect(loop& on, handle beneath, const tls_context& context, std::string_view host,
                                  const tls_session& resumed) noexcept {
    auto* const made = new (std::nothrow) tls_layer(on, beneath, context, nullptr);
    if (made == nullptr) return fail_errno(ENOMEM);
    made->begun_ = true;
    const result<void> begun = made->engine_.connect(context, host, resumed);
    const result<handle> own = begun ? made->take_place() : fail(begun.error());
    if (!own) delete made;
    return own;
}

tls_layer* tls_layer::find(loop& on, handle of) noexcept { return dynamic_cast<tls_layer*>(on.layer_of(of)); }

// ---------------------------------------------------------------------------------------- operations

void tls_layer::take(operation& op) noexcept {
    switch (op.kind) {
        case operation_kind::recv_into:
            if (op.count == 0) return loop_.finish(op, outcome::from_errno(EINVAL));
            [[fallthrough]];
        case operation_kind::recv:
            if (closing_ != nullptr) return loop_.finish(op, outcome::canceled);
            reads_.push(op);
            return advance();
        case operation_kind::send:
        case operation_kind::send_file:
        case operation_kind::shutdown:
        case operation_kind::writable:
            if (closing_ != nullptr) return loop_.finish(op, outcome::canceled);
            writes_.push(op);
            return advance();
        case operation_kind::close:
            if (closing_ != nullptr) return loop_.finish(op, outcome::from_errno(EBADF));
            return begin_close(op);
        default:
            return loop_.finish(op, outcome::from_errno(EINVAL));
    }
}

// What has come already is not lost: a read that waits for the socket ends when that read has ended.
void tls_layer::cancel(operation& op) noexcept {
    if (&op == closing_) return;  // it ends
    if (direction_of(op.kind) == direction::read) {
        if (!receive_.idle()) return loop_.cancel(receive_);
        if (reads_.remove(op)) loop_.finish(op, outcome::canceled);
        return;
    }
    if (&op == writes_.front() && (sends_ == sending::operation || sends_ == sending::shutdown))
        return loop_.cancel(send_);
    if (writes_.remove(op)) loop_.finish(op, outcome::canceled);
}

bool tls_layer::waits_for_buffer() noexcept { return !receive_.idle() && loop_.waits_for_buffer(receive_); }

void tls_layer::reset_on_close() noexcept {
    cut_ = true;
    loop_.reset_on_close(beneath());
}

void tls_layer::advance() noexcept {
    if (closing_ != nullptr) return;
    if (phase_ == phase::handshaking && !shake()) return;
    advance_reads();
    advance_writes();
}

void tls_layer::fail_with(std::error_code why) noexcept {
    failure_ = why;
    phase_ = phase::failed;
}

std::int64_t tls_layer::failed_outcome() const noexcept {
    if (failure_.category() != tls_category()) return outcome::from(failure_);
    return outcome::from_errno(failure_ == tls_errc::truncated ? ECONNRESET : EPROTO);
}

// ---------------------------------------------------------------------------------------- the handshake

/// True when it has ended, well or not.
bool tls_layer::shake() noexcept {
    if (is_away_ || waits_turn_ || !receive_.idle() || !send_.idle()) return false;
    if (begun_ && engine_.has_output() && flush_kept()) return false;
    if (needs_input_ && engine_.fed().empty()) {
        end_cancelled_reads();
        if (reads_.empty() && writes_.empty()) return false;
        if (end_ == 0) {
            receive_more();
            return false;
        }
        fail_with(end_ == outcome::end_of_stream ? detail::tls_error(tls_errc::truncated)
                                                 : outcome::to_error(end_));
        leave_handshakes();
        return true;
    }
    if (among_ != nullptr && !had_turn_) {
        if (!among_->take_turn(*this)) {
            waits_turn_ = true;
            (void)put_aside();
            return false;
        }
        had_turn_ = true;
        if (give_away()) return false;
    }
    step();
    return phase_ != phase::handshaking || (send_.idle() && shake());  // a part of a message: more of it
}

void tls_layer::have_turn() noexcept {
    waits_turn_ = false;
    had_turn_ = true;
    if (give_away()) return;
    step();
    advance();
}

/// What waits holds no buffer of the pool.
bool tls_layer::put_aside() noexcept {
    const bytes_view left = engine_.fed();
    if (input_ == nullptr) return true;
    std::unique_ptr<std::byte[]> kept(new (std::nothrow) std::byte[left.size()]);
    if (!kept) return false;
    std::memcpy(kept.get(), left.data(), left.size());
    engine_.move_fed(kept.get());
    aside_ = std::move(kept);
    release(input_);
    return true;
}

/// Where the key is dear.
bool tls_layer::give_away() noexcept {
    if (among_ == nullptr || among_->workers_ == nullptr || !context_.state().has_dear_key) return false;
    if (!begun_) {
        if (!engine_.accept(context_)) return false;
        begun_ = true;
    }
    if (!put_aside()) return false;
    away_.reset(new (std::nothrow) away_step(*this));
    if (!away_) return false;
    is_away_ = true;
    among_->workers_->submit(loop_, *away_);
    return true;
}

void tls_layer::step() noexcept {
    if (!begun_) {
        if (const auto made = engine_.accept(context_); !made) {
            fail_with(made.error());
            return leave_handshakes();
        }
        begun_ = true;
    }
    if (!lend_room(0)) return stepped(fail_errno(ENOMEM));
    stepped(engine_.handshake());
}

void tls_layer::stepped(const result<bool>& done) noexcept {
    drop_input();
    // The tickets go with the answer to what has come with the client's last flight.
    if (done && *done && flight_ != nullptr && !reads_.empty() && engine_.may_read() && hold_room()) {
        phase_ = phase::open;
        needs_input_ = had_turn_ = false;
        return leave_handshakes();
    }
    const std::size_t made = flight_ != nullptr ? engine_.take_output() : 0;
    if (!done) {
        fail_with(done.error());
    } else if (*done) {
        phase_ = phase::open;
    }
    needs_input_ = phase_ == phase::handshaking;
    if (phase_ != phase::handshaking) leave_handshakes();
    had_turn_ = made > 0 || engine_.has_output();  // a part of the first message costs nothing yet
    if (made > 0) {
        send_room(made, sending::kept, false);
    } else {
        drop_room();
    }
}

void tls_layer::leave_handshakes() noexcept {
    if (sends_ != sending::held) loop_.disarm(deadline_);
    if (among_ != nullptr) std::exchange(among_, nullptr)->leave(*this);
}

// ---------------------------------------------------------------------------------------- reading

void tls_layer::release(std::byte*& buffer) noexcept {
    if (buffer != nullptr) loop_.buffers().release(std::exchange(buffer, nullptr));
}

void tls_layer::drop_input() noexcept {
    if (!engine_.fed().empty()) return;
    release(input_);
    aside_.reset();
}

void tls_layer::receive_more() noexcept {
    receive_.kind = operation_kind::recv;
    receive_.target = beneath();
    loop_.submit(receive_);
}

void tls_layer::on_received() noexcept {
    const bool got_buffer = receive_.kind == operation_kind::buffer;
    if (receive_.result > 0) {
        std::byte*& into = got_buffer ? plain_ : input_;
        NARU_ASSERT(into == nullptr);
        into = receive_.data;
        if (!got_buffer) {
            engine_.feed({input_, static_cast<std::size_t>(receive_.result)});
            if (closing_ != nullptr) release(input_);
        }
    } else if (!got_buffer && receive_.result != outcome::canceled) {
        end_ = receive_.result;
    }
    if (closing_ != nullptr) {
        release(plain_);
        return;  // what closes goes on by itself
    }
    advance();
}

void tls_layer::end_cancelled_reads() noexcept {
    operation_queue left;
    while (operation* const op = reads_.pop()) {
        if (op->state == operation_state::canceling) {
            loop_.finish(*op, outcome::canceled);
        } else {
            left.push(*op);
        }
    }
    reads_ = std::move(left);
}

void tls_layer::advance_reads() noexcept {
    while (receive_.idle()) {
        operation* const op = reads_.front();
        if (op == nullptr) break;
        if (phase_ == phase::open && engine_.may_read()) {
            std::int64_t got = 0;
            if (!read_into(*op, got)) return;
            if (got != 0) {
                reads_.pop();
                loop_.finish(*op, got);
                continue;
            }
        }
        std::int64_t ended = 0;
        if (op->state == operation_state::canceling) {
            ended = outcome::canceled;
        } else if (phase_ == phase::failed) {
            ended = failed_outcome();
        } else if (end_ != 0) {
            if (end_ == outcome::end_of_stream) failure_ = detail::tls_error(tls_errc::truncated);
            ended = end_ == outcome::end_of_stream ? outcome::from_errno(ECONNRESET) : end_;
        } else {
            return receive_more();
        }
        reads_.pop();
        loop_.finish(*op, ended);
    }
    if (reads_.empty() && receive_.idle()) release(plain_);
}

/// Plaintext for a read; `got` is its outcome, 0 when more must come from the peer. False: it waits for a
/// buffer of the pool.
bool tls_layer::read_into(operation& op, std::int64_t& got) noexcept {
    mutable_slice one;
    if (op.kind == operation_kind::recv) {
        if (!room_for_plaintext()) return false;
        one = mutable_slice(plain_, limits::buffer_bytes);
    }
    std::size_t filled = 0;
    std::error_code ended;
    for (mutable_slice each : op.kind == operation_kind::recv ? std::span(&one, 1) : pieces_of(op, one)) {
        while (each.size > 0 && !ended && engine_.may_read()) {
            const result<std::size_t> read = engine_.read({each.data, each.size});
            drop_input();
            if (!read) ended = read.error();
            if (!read || *read == 0) break;
            each = mutable_slice(each.data + *read, each.size - *read);
            filled += *read;
        }
    }
    if (filled > 0) {
        got = static_cast<std::int64_t>(filled);
        if (op.kind != operation_kind::recv) return true;
        loop_.buffers().note_holder(plain_, own_);
        op.data = std::exchange(plain_, nullptr);
        return true;
    }
    if (ended == errc::end_of_stream) {
        got = outcome::end_of_stream;
    } else if (ended) {
        fail_with(ended);
        got = failed_outcome();
    }
    release(plain_);
    return true;
}

/// A buffer of the pool; when there is none, that of the ciphertext, which is put aside.
bool tls_layer::room_for_plaintext() noexcept {
    if (plain_ != nullptr) return true;
    plain_ = loop_.buffers().acquire();
    if (plain_ != nullptr) return true;
    if (input_ != nullptr) {
        std::byte* const same = loop_.buffers().begin_of(input_);
        const bytes_view left = engine_.fed();
        std::unique_ptr<std::byte[]> kept(new (std::nothrow) std::byte[left.size()]);
        if (kept) {
            std::memcpy(kept.get(), left.data(), left.size());
            engine_.move_fed(kept.get());
            aside_ = std::move(kept);
            input_ = nullptr;
            plain_ = same;  // not by way of the pool: a backend that is short of buffers would keep it
            return true;
        }
    }
    receive_.kind = operation_kind::buffer;
    receive_.target = {};
    loop_.submit(receive_);
    return false;
}

// ---------------------------------------------------------------------------------------- the end

void tls_layer::begin_close(operation& op) noexcept {
    closing_ = &op;
    leave_handshakes();
    while (operation* const each = reads_.pop())
        loop_.finish(*each, outcome::canceled);
    if (sends_ == sending::operation) cut_ = true;  // part of what it was asked to send
    while (operation* const each = writes_.pop()) {
        cut_ = cut_ || each->kind == operation_kind::send || each->kind == operation_kind::send_file;
        loop_.finish(*each, outcome::canceled);
    }
    if (!receive_.idle()) loop_.cancel(receive_);
    if (!is_away_) {
        release(input_);
        aside_.reset();
    }
    release(plain_);
    loop_.arm(deadline_, saturating_add(loop_.now(), limits::tls_farewell));
    farewell();
}

// What the peer is told before: close_notify, or the alert of what has failed.
void tls_layer::farewell() noexcept {
    if (is_away_ || !close_.idle()) return;
    if (cut_ || broken_ != 0 || !begun_) return close_beneath();
    if (!send_.idle()) return;
    if (phase_ == phase::open && !engine_.ended()) (void)engine_.end();
    if (sends_ == sending::held) return send_held();
    if (engine_.has_output() && flush_kept()) return;
    close_beneath();
}

void tls_layer::close_beneath() noexcept {
    if (!close_.idle()) return;
    loop_.disarm(deadline_);
    if (sends_ == sending::held) {
        sends_ = sending::idle;
        (void)engine_.take_output();
        drop_room();
    }
    close_.target = beneath();
    loop_.submit(close_);
}

// Nothing is under way on the socket any more.
void tls_layer::on_closed() noexcept {
    NARU_ASSERT(receive_.idle() && send_.idle() && !is_away_);
    loop& on = loop_;
    operation& ended = *closing_;
    const std::int64_t how = close_.result;
    on.remove(own_);
    delete this;
    on.finish(ended, how);
}

void tls_layer::on_deadline() noexcept {
    if (closing_ != nullptr)
        return is_away_ ? loop_.arm(deadline_, loop_.now() + limits::tls_farewell) : close_beneath();
    if (sends_ == sending::held) return send_held();
    fail_with(std::error_code(ETIMEDOUT, errno_category()));
    leave_handshakes();
    if (!receive_.idle()) loop_.cancel(receive_);
    if (!send_.idle()) loop_.cancel(send_);
    if (!is_away_) advance();
}

}  // namespace naru
