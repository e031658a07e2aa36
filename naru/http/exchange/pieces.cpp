// Bodies that handlers read, and answers that they write piece by piece.
#include <naru/fs/file.hpp>
#include <naru/http/exchange/call.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/link/head_writer.hpp>
#include <naru/http/message/fields.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace naru::http {

namespace {

std::error_code made(int error) noexcept { return {error, errno_category()}; }

[[noreturn]] void not_a_coroutine() {
    fatal("bug: a function handler awaited its exchange; what reads or writes in pieces is a coroutine");
}

}  // namespace

// ---------------------------------------------------------------------------------------- read

read_request::awaiter::awaiter(read_request&& of) noexcept
    : exchange_wait(*of.of_, [](stop_entry& self) noexcept {
          exchange& x = static_cast<awaiter&>(self).owner;
          call& calls = *x.call_;
          if (calls.continue_on_its_way || x.link_->operation::idle()) {
              calls.interrupt_later();
              static_cast<awaiter&>(self).error = made(ECANCELED);
          } else {
              x.link_->cancel_receive();
          }
      }) {}

bool read_request::awaiter::await_ready() noexcept {
    call* const calls = owner.call_;
    if (calls == nullptr) not_a_coroutine();
    if (calls->reader != nullptr) fatal("bug: a body is read by two coroutines at once");
    if (calls->client_gone || calls->link().phase_ == connection::phase::closing) {
        error = made(ECONNRESET);
        return true;
    }
    result<lease> got;
    if (!calls->link().give_body(owner, got)) return false;
    if (got) {
        calls->given = std::move(*got);
    } else {
        error = got.error();
    }
    return true;
}

void read_request::awaiter::begin(std::coroutine_handle<> who, stop_scope& in) noexcept {
    waiting = who;
    owner.call_->reader = this;
    owner.link_->read_begins();
    in.add(*this);
}

result<lease> read_request::awaiter::await_resume() noexcept {
    if (error) return fail(error);
    return std::move(owner.call_->given);
}

// 100 Continue goes before the body is received, if the client waits for it and has no answer yet.
void connection::read_begins() noexcept {
    call& calls = *turn_->calls;
    if (std::exchange(calls.asks_continue, false) && !calls.x.answered_) {
        calls.continue_on_its_way = true;
        static constexpr std::string_view line = "HTTP/1.1 100 Continue\r\n\r\n";
        if (phase_ == phase::sending || turn_->output == nullptr) {
            add_piece(line);  // goes from where it lies: what is being sent is lent, and it needs no buffer
        } else {
            append(line);
        }
        if (phase_ == phase::serving) flush();
        return;
    }
    set_deadline(calls.options().body_time.value_or(worker_.options_.timeouts.body));
    receive();
}

void connection::fail_read(std::error_code error, unsigned status, const char* reason) noexcept {
    call& calls = *turn_->calls;
    worker_.loop_.disarm(*this);
    if (status != 0 && calls.overrule == 0) {
        calls.overrule = static_cast<std::uint16_t>(status);
        calls.overrule_reason = reason;
    }
    detail::exchange_wait* const who = std::exchange(calls.reader, nullptr);
    who->error = error;
    resume_call(*who);
}

// Input has come for a handler that reads: it goes on, or more is received. If its read has been stopped, it
// is woken already, and what has come is left to the next.
void connection::read_for_call() noexcept {
    call& calls = *turn_->calls;
    if (calls.reader->error) return;
    naru::result<lease> got;
    if (!give_body(calls.x, got)) {
        set_deadline(calls.options().body_time.value_or(worker_.options_.timeouts.body));
        return receive();
    }
    worker_.loop_.disarm(*this);
    detail::exchange_wait* const who = std::exchange(calls.reader, nullptr);
    if (got) {
        calls.given = std::move(*got);
    } else {
        who->error = got.error();
    }
    resume_call(*who);
}

// The next piece of the body from what is here already; false: more must come. A buffer's pieces are moved
// together, so that the whole of it is given at once.
bool connection::give_body(exchange& x, naru::result<lease>& into) noexcept {
    turn& t = *turn_;
    call& calls = *t.calls;
    if (calls.body_done) {
        into = fail(errc::end_of_stream);
        return true;
    }
    if (calls.overrule != 0) {
        into = fail_errno(calls.overrule == 413 ? EMSGSIZE : calls.overrule == 408 ? ETIMEDOUT : EBADMSG);
        return true;
    }
    if (unread().empty() && t.surplus.empty()) {
        if (!t.body.is_complete()) return false;
        calls.body_done = true;
        into = fail(errc::end_of_stream);
        return true;
    }
    if (unread().empty() && !refill()) {
        into = fail_errno(ENOBUFS);
        t.lacks_buffer = false;
        return true;
    }
    std::string_view input = unread();
    std::byte* const first = t.input + t.begin;
    std::size_t size = 0;
    parse_status status = parse_status::need_more;
    while (status == parse_status::need_more && !input.empty()) {
        std::string_view piece;
        status = t.body.read(input, piece);
        if (!piece.empty()) std::memmove(first + size, piece.data(), piece.size());
        size += piece.size();
    }
    t.begin = t.end - static_cast<std::uint32_t>(input.size());
    const auto overrule = [&](unsigned code, const char* reason, int error) {
        calls.overrule = static_cast<std::uint16_t>(code);
        calls.overrule_reason = reason;
        into = fail_errno(error);
        return true;
    };
    if (status == parse_status::refused)
        return overrule(t.body.refusal().status, t.body.refusal().reason, EBADMSG);
    if (t.body.bytes_read() > calls.options().body_limit)
        return overrule(413, "The body is too large.", EMSGSIZE);
    calls.body_done = status == parse_status::complete;
    if (size == 0) {
        if (!calls.body_done) return give_body(x, into);
        into = fail(errc::end_of_stream);
        return true;
    }
    if (!input.empty()) {  // what is behind the body
        try {
            t.surplus.insert(0, input);
        } catch (const std::bad_alloc&) {
            into = fail_errno(ENOMEM);
            return true;
        }
        charge();
    }
    into = lease(worker_.loop_.buffers(), mutable_bytes(first, size));  // the buffer is the handler's
    t.input = nullptr;
    t.begin = t.end = 0;
    --worker_.held_;
    return true;
}

// ---------------------------------------------------------------------------------------- write

write_request::awaiter::awaiter(write_request&& of) noexcept
    : exchange_wait(*of.of_,
                    [](stop_entry& self) noexcept {
                        auto& each = static_cast<awaiter&>(self);
                        call& calls = *each.owner.call_;
                        if (calls.write_waits) {
                            each.error = made(ECANCELED);
                            return calls.interrupt_later();
                        }
                        if (calls.link().is_stream_) {
                            each.error = made(ECANCELED);
                            return calls.link().close();
                        }
                        calls.write_stopped = true;  // the send may have gone: nothing follows it
                        turn& t = *calls.link().turn_;
                        if (!t.sending.idle()) calls.link().worker_.loop_.cancel(t.sending);
                        if (!t.sending_file.idle()) calls.link().worker_.loop_.cancel(t.sending_file);
                    }),
      bytes_(of.bytes_),
      offset_(of.offset_),
      size_(of.kind_ == what::piece ? of.bytes_.size() : of.size_),
      file_(of.file_),
      kind_(of.kind_) {}

// True if nothing is to be sent, or nothing can be.
bool write_request::awaiter::await_ready() noexcept {
    exchange& x = owner;
    call* const calls = x.call_;
    const auto failed = [this](int why) {
        error = made(why);
        return true;
    };
    if (calls == nullptr) not_a_coroutine();
    if (calls->writer != nullptr) fatal("bug: an answer is written by two coroutines at once");
    if (calls->client_gone || calls->link().phase_ == connection::phase::closing) return failed(ECONNRESET);
    if (kind_ == what::interim) {
        if (x.answered_ || size_ < 102 || size_ > 199) return failed(EINVAL);
        return x.head().minor_version == 0;
    }
    if (x.ended_) return failed(EINVAL);
    if (calls->piece_lost) return failed(ECONNRESET);  // the answer will not be whole
    if (!x.answered_ && !calls->link().begin_pieces(x)) return failed(EINVAL);
    if (kind_ == what::end) {
        if (x.sends_ == exchange::body_kind::counted && x.left_ != 0) return failed(EMSGSIZE);
        x.ended_ = true;
        if (calls->encodes.makes != nullptr) return encodes_nothing();
        return calls->head.empty() && !closes_body(*calls, kind_);
    }
    if (calls->encodes.makes != nullptr) return encodes_nothing();
    if (x.sends_ == exchange::body_kind::counted) {
        if (size_ > x.left_) return failed(EMSGSIZE);
        x.left_ -= size_;
    }
    return calls->head.empty() && (size_ == 0 || x.sends_ == exchange::body_kind::none);
}

// Whether it says something that no byte of the body has: the last chunk, or the end of a stream, and what is
// behind them.
bool write_request::awaiter::closes_body(const call& of, what kind) noexcept {
    return kind == what::end && (of.x.sends_ == exchange::body_kind::chunked || of.link().is_stream_);
}

// Of an answer that is encoded: true if nothing is to be sent by now.
bool write_request::awaiter::encodes_nothing() noexcept {
    call& calls = *owner.call_;
    piece_encoding& with = calls.encodes;
    with.done = false;
    with.of_file = {};
    with.flush_now = kind_ == what::piece && size_ == 0;
    error = calls.link().encode_next(owner, *this);
    if (error) return true;
    return with.filled == 0 && calls.head.empty() && !closes_body(calls, kind_);
}

void write_request::awaiter::begin(std::coroutine_handle<> who, stop_scope& in) noexcept {
    waiting = who;
    call& calls = *owner.call_;
    calls.writer = this;
    calls.write_stopped = false;
    connection& link = calls.link();
    calls.writes_interim = kind_ == what::interim;
    calls.write_waits = link.phase_ == connection::phase::sending;
    if (!calls.write_waits) link.send_pieces(owner);
    in.add(*this);
}

result<void> write_request::awaiter::await_resume() noexcept {
    if (error) return fail(error);
    return {};
}

task<result<void>> exchange::write_file(const file& from, std::uint64_t offset, std::uint64_t size) {
    const borrowed_descriptor lent = from.borrow();
    if (!lent) co_return fail_errno(EBADF);
    co_return co_await write_file(lent, offset, size);
}

// The head of an answer in pieces, as text to be sent with the first of them.
bool connection::begin_pieces(exchange& x) noexcept try {
    if (!x.may_answer()) return false;
    call& calls = *x.call_;
    const request_head& request = turn_->parser.head();
    calls.has_pieces = true;
    const unsigned status = x.status_;
    if (status < 200 || status > 599) {
        x.look_at(status, {});
        return x.may_answer();
    }
    using body = exchange::body_kind;
    if (has_no_content(status)) {
        x.sends_ = body::none;
        x.counts_ = false;
    } else if (x.counts_) {
        x.sends_ = body::counted;
    } else {
        x.sends_ = request.minor_version > 0 && !is_stream_ ? body::chunked : body::until_close;
    }
    if (x.sends_ == body::until_close && !is_stream_) keep_alive_ = false;
    if (x.sends_ != body::none) begin_encoding(x);
    worker_.take_spare(calls.head);
    calls.head = "HTTP/1.1 ";
    calls.head.append(std::to_string(status)).append(" ").append(phrase_of(status));
    if (!x.own_server_) calls.head.append("\r\nServer: naru");
    if (!x.own_date_) calls.head.append("\r\nDate: ").append(worker_.date());
    calls.head.append("\r\n").append(x.fields_);
    if (x.sends_ == body::counted)
        calls.head.append("Content-Length: ").append(std::to_string(x.left_)).append("\r\n");
    const bool is_chunked = x.sends_ == body::chunked;
    const std::string_view ending = connection_line(keep_alive_, request.minor_version);
    if (turn_->serves->has_hooks) {
        calls.head.append(ending).append("\r\n");
        exchange* const before = std::exchange(turn_->speaks, &x);
        calls.head = dress(calls.head);
        turn_->speaks = before;
        if (is_chunked) calls.head.insert(calls.head.size() - 2, "Transfer-Encoding: chunked\r\n");
    } else {
        if (is_chunked) calls.head += "Transfer-Encoding: chunked\r\n";
        calls.head.append(ending).append("\r\n");
    }
    if (request.method == method::head) {
        x.sends_ = body::none;
        x.left_ = 0;
    }
    x.fields_.clear();  // what is added from here on is a trailer
    x.answered_ = true;
    log_pieces(status, calls.head.size());
    return true;
} catch (const std::bad_alloc&) {
    end_encoding(*x.call_);
    x.call_->head.clear();
    return false;
}

// What its writer has given, between what its kind of body wants.
void connection::send_pieces(exchange& x) noexcept try {
    call& calls = *x.call_;
    auto& what = static_cast<write_request::awaiter&>(*calls.writer);
    using piece = write_request::what;
    const bool chunked = x.sends_ == exchange::body_kind::chunked;
    if (what.kind_ == piece::interim) {
        calls.behind = "HTTP/1.1 ";
        calls.behind.append(std::to_string(what.size_))
            .append(" ")
            .append(phrase_of(static_cast<unsigned>(what.size_)));
        calls.behind.append("\r\n").append(x.fields_).append("\r\n");
        add_piece(calls.behind);
        return flush();
    }
    if (!calls.head.empty()) add_piece(calls.head);
    const bool is_encoded = calls.encodes.makes != nullptr;
    if (is_encoded) add_encoded(x);
    if (what.kind_ == piece::end) {
        if (is_encoded && !calls.encodes.done) return flush();
        if (chunked) {
            calls.behind = "0\r\n";
            calls.behind.append(x.fields_).append("\r\n");
            add_piece(calls.behind);
        } else if (is_stream_) {
            as_stream().take_trailers(x.fields_);
        }
        return flush();
    }
    if (is_encoded || x.sends_ == exchange::body_kind::none || what.size_ == 0) return flush();
    if (chunked) add_chunk_line(calls, what.size_);
    if (what.kind_ == piece::file) {
        add_piece(what.file_, what.offset_, what.size_);
    } else {
        add_piece(as_text(what.bytes_));
    }
    if (chunked) add_piece("\r\n");
    flush();
} catch (const std::bad_alloc&) {
    close();
}

void connection::add_chunk_line(call& calls, std::uint64_t size) noexcept {
    text_cursor line(calls.chunk_line.data());
    line.put_hexadecimal(size);
    line.put("\r\n");
    add_piece(std::string_view(calls.chunk_line.data(),
                               static_cast<std::size_t>(line.get() - calls.chunk_line.data())));
}

// What the encoder has made.
void connection::add_encoded(exchange& x) noexcept {
    call& calls = *x.call_;
    const std::string_view made(calls.encodes.makes->made_block.data(), calls.encodes.filled);
    if (made.empty()) return;
    const bool chunked = x.sends_ == exchange::body_kind::chunked;
    if (chunked) add_chunk_line(calls, made.size());
    add_piece(made);
    if (chunked) add_piece("\r\n");
}

// A handler that has waited for its connection goes on, and its end is dealt with behind it. If it waits for
// something else from here on, the peer's leaving is watched.
void connection::resume_call(detail::exchange_wait& who) noexcept {
    call& calls = *turn_->calls;
    calls.starting = true;
    who.resume();
    calls.starting = false;
    note_step_of(calls);
    if (calls.ended) return calls.handler_ended();
    if (phase_ == phase::closing) return finish_if_quiet();
    if (phase_ != phase::serving) return;
    if (turn_->filled > 0 || turn_->piece_count > 0 || turn_->lacks_buffer)
        return flush();  // it has answered
    if (calls.reader == nullptr && calls.writer == nullptr) watch();
}

// What a call had to send has gone.
void connection::wrote_for_call() noexcept {
    call& calls = *turn_->calls;
    if (calls.upgrades) return hand_over();
    phase_ = phase::serving;
    if (turn_->output != nullptr && turn_->filled == 0) release_output();
    park_input(2 * naru::limits::buffer_bytes);  // nobody knows how long the handler waits from here on
    // The read may have been stopped, and its handler gone on, before 100 Continue went.
    const bool reads = std::exchange(calls.continue_on_its_way, false) && calls.reader != nullptr;
    if (calls.writer != nullptr && !calls.write_waits) {
        if (reads) read_for_call();  // the call is still there behind it: its writer waits
        if (calls.writer == nullptr) return;
        calls.head.clear();
        if (calls.encodes.makes != nullptr && goes_on_encoding(calls)) return;
        return resume_call(*std::exchange(calls.writer, nullptr));
    }
    const bool sends = calls.write_waits && !calls.writer->error;  // one that is stopped is woken already
    if (sends) {
        calls.write_waits = false;
        send_pieces(calls.x);
        if (phase_ == phase::closing) return;  // which tells those who wait
    }
    if (reads) return read_for_call();
    if (sends) return;
    if (calls.ended) return call_ended();
    if (calls.reader == nullptr) watch();
}

// The next block of what its writer has given, if that was more than one. False: that is all, or has failed.
bool connection::goes_on_encoding(call& calls) noexcept {
    auto& what = static_cast<write_request::awaiter&>(*calls.writer);
    if (what.kind_ == write_request::what::interim || calls.encodes.done) return false;
    if (calls.write_stopped) {
        calls.encodes.failed = true;
        calls.x.ended_ = false;
        what.error = made(ECANCELED);
        return false;
    }
    what.error = encode_next(calls.x, what);
    if (what.error || (calls.encodes.filled == 0 && !write_request::awaiter::closes_body(calls, what.kind_)))
        return false;
    send_pieces(calls.x);
    return true;
}

}  // namespace naru::http
