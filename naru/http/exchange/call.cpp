// Coroutine handlers: how they begin, wait and end.
#include <naru/http/exchange/call.hpp>

#include <naru/http/h2/stream.hpp>
#include <naru/http/message/path.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

namespace {

/// The outermost coroutine of a call: nobody awaits it.
struct running_call {
    struct promise_type : frame_memory {
        template <class What>
        explicit promise_type(call& of, const What& /*runs*/) noexcept : scope(&of.scope), owner(&of) {}
        stop_scope* scope;
        call* owner;

        struct final_awaiter {
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                call& ended = *self.promise().owner;
                self.destroy();
                ended.ended = true;
                if (!ended.starting) ended.handler_ended();
            }
            void await_resume() const noexcept {}
        };
        running_call get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        final_awaiter final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { owner->thrown = std::current_exception(); }
    };
};

running_call run(call& of, const detail::site_data& site) {
    for (const detail::handler& step : site.before) {
        if (step.kind == detail::handler_kind::function) {
            step.call(step.object.get(), of.x);
        } else {
            co_await step.start(step.object.get(), of.x);
        }
        if (of.x.answered()) co_return;
    }
    const detail::handler* const handles = of.handles();
    if (handles == nullptr) co_return;
    if (handles->kind == detail::handler_kind::coroutine) {
        co_await handles->start(handles->object.get(), of.x);
    } else if (handles->kind == detail::handler_kind::function) {
        handles->call(handles->object.get(), of.x);
    }
}

// With nothing before the handler: a smaller frame.
running_call run(call& of, const detail::handler& coroutine) {
    co_await coroutine.start(coroutine.object.get(), of.x);
}

}  // namespace

std::string what_was_thrown(const std::exception_ptr& thrown) try {
    std::rethrow_exception(thrown);
} catch (const std::exception& error) {
    return error.what();
} catch (...) {
    return "something that is no std::exception";
}

call::wake_post::wake_post(call& of) noexcept
    : posted([](posted& self) noexcept {
          auto& wake = static_cast<wake_post&>(self);
          wake.queued = false;
          wake.owner.interrupt();
      }),
      owner(of) {}

call::time_limit::time_limit(call& of) noexcept
    : timer([](timer& self) noexcept {
          call& late = static_cast<time_limit&>(self).owner;
          if (late.overrule == 0) {
              late.overrule = 503;
              late.overrule_reason = "The answer took too long.";
          }
          late.scope.stop();
      }),
      owner(of) {}

call::call(stop_scope& outer) noexcept : scope(&outer) { x.call_ = this; }

call::~call() { end_time_limit(); }

void call::begin_again() noexcept {
    x.answered_ = x.ended_ = x.bad_field_ = x.counts_ = x.own_server_ = x.own_date_ = false;
    x.status_ = 200;
    x.left_ = 0;
    x.fields_.clear();
    ended = peer_ended = false;
}

void call::end_time_limit() noexcept {
    if (limit_.armed()) x.home().disarm(limit_);
}

void call::keep(const route_match& found, std::string_view path, std::string_view text) {
    const bool in_head = path.data() >= text.data() && path.data() < text.data() + text.size();
    const std::size_t bytes = text.size() + (in_head ? 0 : path.size());
    char* memory = block_.data();
    if (bytes > block_.size()) {
        large_ = std::make_unique_for_overwrite<char[]>(bytes);
        memory = large_.get();
    }
    std::memcpy(memory, text.data(), text.size());
    const char* kept_path = memory + (path.data() - text.data());
    if (!in_head) {
        std::memcpy(memory + text.size(), path.data(), path.size());
        kept_path = memory + text.size();
    }
    kept_head = {memory, text.size()};
    x.path_ = {kept_path, path.size()};
    x.route_ = found.found;
    x.prefix_ = static_cast<std::uint32_t>(found.prefix + 1);
    x.param_count_ = found.param_count;
    for (std::size_t each = 0; each < found.param_count; ++each)
        x.params_[each] = {kept_path + (found.params[each].data() - path.data()), found.params[each].size()};
}

const detail::handler* call::handles() const noexcept {
    return x.route_ == nullptr ? nullptr : &x.route_->handles;
}

const route_options& call::options() const noexcept {
    static const route_options plain;
    return x.route_ == nullptr ? plain : x.route_->options;
}

void call::start() {
    starting = true;
    const detail::site_data& site = link().turn_->serves->site->for_host_of(x);
    const detail::handler* const found = handles();
    if (site.before.empty() && found != nullptr && found->kind == detail::handler_kind::coroutine) {
        run(*this, *found);
    } else {
        run(*this, site);
    }
    starting = false;
}

void call::handler_ended() noexcept { link().call_ended(); }

// The whole answer stands in the output. What it is followed by in the same tick goes with it only while the
// handler begins; later it leaves at once.
void call::answered() noexcept {
    if (!starting && !ended && link().phase_ == connection::phase::serving) link().flush();
}

void call::set_time_limit(instant until) noexcept { x.home().arm(limit_, until); }

void call::interrupt_later() noexcept {
    if (std::exchange(wake_.queued, true)) return;
    x.home().defer(wake_);
}

// Those who have been stopped, or all when the connection has ended. One at a time: the first to go on may be
// the end of the call.
void call::interrupt() noexcept {
    connection& link = this->link();
    const bool is_lent = !link.turn_->sending.idle() || !link.turn_->sending_file.idle() ||
                         (link.is_stream_ && link.as_stream().is_lent());
    const auto is_told = [&](const detail::exchange_wait* each) {
        return each != nullptr && (each->error || link.phase_ == connection::phase::closing);
    };
    detail::exchange_wait* who = nullptr;
    if (is_told(reader)) {
        who = std::exchange(reader, nullptr);
    } else if (is_told(writer) && (!is_lent || write_waits)) {
        who = std::exchange(writer, nullptr);
        if (!writes_interim) {
            encodes.failed = true;  // its piece has been encoded
            piece_lost = piece_lost || write_waits;
        }
        write_waits = false;
    }
    if (who == nullptr) {
        if (link.phase_ == connection::phase::closing) link.finish_if_quiet();
        return;
    }
    if (is_told(writer)) interrupt_later();
    if (!who->error) who->error = std::error_code(ECONNRESET, errno_category());
    who->resume();
}

// ---------------------------------------------------------------------------------------- the connection's
// side

bool connection::reads_for_call() const noexcept {
    return phase_ == phase::serving && turn_->calls != nullptr && turn_->calls->reader != nullptr;
}

connection::next_step connection::begin_call(const route_match& found, std::string_view path) noexcept try {
    turn& t = *turn_;
    const request_head& request = t.parser.head();
    call& made = worker_.take_call();
    made.begins_on(*this);
    t.calls = &made;
    try {
        made.keep(found, path, t.head);
    } catch (const std::bad_alloc&) {
        end_call();
        throw;
    }
    t.head = made.kept_head;
    if (request.has_body()) {
        t.body.begin(request);
        made.body_done = false;
        made.asks_continue = request.expects_continue;
    }
    phase_ = phase::serving;
    if (made.options().handler_time)
        made.set_time_limit(saturating_add(worker_.loop_.now(), *made.options().handler_time));
    try {
        made.start();
    } catch (const std::bad_alloc&) {  // no memory for its frame
        made.starting = false;
        made.ended = true;
        made.thrown = std::current_exception();
    }
    note_step_of(made);
    if (made.ended && phase_ == phase::serving && made.is_as_new_but_for_its_answer()) {
        phase_ = phase::handling;
        put_back(made);
        return t.piece_count > 0 || t.lacks_buffer || t.then ? next_step::flush : next_step::go_on;
    }
    if (made.ended) return finish_call();
    if (phase_ == phase::sending) park_input(2 * naru::limits::buffer_bytes);
    if (phase_ != phase::serving) return next_step::wait;
    if (made.x.ended_) return next_step::flush;
    if (made.reader == nullptr) worker_.loop_.disarm(*this);
    park_input(2 * naru::limits::buffer_bytes);
    charge();
    if (made.reader == nullptr) watch();
    if (t.filled > 0) {
        flush();  // the answers to what came before
    } else {
        release_output();
    }
    return next_step::wait;
} catch (const std::bad_alloc&) {
    return out_of_memory(turn_->filled);
}

// While nothing else is received: the peer's end or reset, and what it has pipelined.
void connection::watch() noexcept {
    if (is_stream_) return;  // whose end its session tells
    const turn& t = *turn_;
    if (t.calls->peer_ended || !operation::idle()) return;
    const request_head& request = t.parser.head();
    const std::uint64_t here = unread().size() + t.surplus.size();
    std::uint64_t of_body = 0;
    if (!t.calls->body_done) {
        of_body = request.content_length - std::min(request.content_length, t.body.bytes_read());
        if (request.chunked || here < of_body) return;  // what comes next is to be asked for
    }
    if (here - of_body <= limits::parked_input_bytes) receive();
}

// What comes while an answer is made or on its way waits in as much memory as it needs.
bool connection::stash(std::byte* bytes, std::size_t size) noexcept {
    bool kept = true;
    try {
        turn_->surplus.append(reinterpret_cast<const char*>(bytes), size);
    } catch (const std::bad_alloc&) {
        kept = false;
    }
    worker_.loop_.buffers().release(bytes);
    if (kept) charge();
    return kept;
}

// In the phases in which a receive may be under way that the next request is for.
void connection::received_while_serving() noexcept {
    if (phase_ == phase::multiplexed) return session_->on_received(data, result);
    turn& t = *turn_;
    call* const calls = t.calls;
    const bool reads = calls != nullptr && calls->reader != nullptr && !calls->continue_on_its_way;
    if (result > 0) {
        if (reads) {
            timed_out_ = false;
            if (!take_input(data, static_cast<std::size_t>(result))) return close();
            return read_for_call();
        }
        if (!stash(data, static_cast<std::size_t>(result))) return close();
        if (phase_ == phase::handing_over) return hand_over();
        if (calls != nullptr && phase_ == phase::serving) watch();
        return;
    }
    if (phase_ == phase::handing_over) return hand_over();
    if (result == outcome::canceled) {
        const bool late = timed_out_;
        timed_out_ = false;
        if (!reads || calls->reader->error) return;  // one that is stopped is woken already
        if (late)
            return fail_read(std::error_code(ETIMEDOUT, errno_category()), 408, "The request took too long.");
        return fail_read(std::error_code(ECANCELED, errno_category()), 0, "");
    }
    const bool in_order = result == outcome::end_of_stream;
    if (!in_order) keep_alive_ = false;
    if (calls == nullptr) return;  // what has come before it is answered; the next receive says it again
    calls->peer_ended = true;
    if (reads) {
        calls->client_gone = true;
        calls->scope.stop();
        return fail_read(std::error_code(ECONNRESET, errno_category()), 0, "");
    }
    if (!in_order) return close();
    if (!calls->options().half_close && !calls->upgrades) calls->scope.stop();  // else its stream tells
}

// The handler has ended, not within begin_call.
void connection::call_ended() noexcept {
    if (phase_ == phase::closing) return finish_if_quiet();
    if (phase_ == phase::sending) return;  // see wrote_for_call
    if (phase_ == phase::upgraded) return upgrade_ended();
    worker_.loop_.disarm(*this);
    if (!turn_->calls->x.answered_ && !output_room(head_room())) return await_output(turn::step::call);
    go_on(finish_call());
}

void connection::report_thrown(const call& by) noexcept {
    if (!by.thrown) return;
    worker_.report([&] {
        return fmt::format("the handler of {} threw: {}", by.x.pattern(), what_was_thrown(by.thrown));
    });
}

// Gives the handler its due, and then the connection what comes next.
connection::next_step connection::finish_call() noexcept {
    call& calls = *turn_->calls;
    exchange& x = calls.x;
    if (phase_ == phase::closing) {
        finish_if_quiet();
        return next_step::wait;
    }
    report_thrown(calls);
    if (calls.client_gone || (x.answered_ && !calls.is_whole())) {
        if (!calls.client_gone) {
            if (!calls.thrown && !calls.peer_ended)  // who has been left may stop
                worker_.report(
                    [&] { return fmt::format("the handler of {} ended within its answer", x.pattern()); });
            reset_link();
        }
        close();
        return next_step::wait;
    }
    if (!calls.body_done) (void)settle_body();
    if (x.answered_ && turn_->filled == 0 && turn_->piece_count == 0 &&
        !turn_->lacks_buffer) {  // it has gone
        end_call();
        if (turn_->then) {
            hand_over();
        } else {
            turn_over();
        }
        return next_step::wait;
    }
    phase_ = phase::handling;
    if (x.answered_) {
        end_call();
        return turn_->piece_count > 0 || turn_->lacks_buffer || turn_->then ? next_step::flush
                                                                            : next_step::go_on;
    }
    const detail::handler* const handles = calls.handles();
    const bool passed = handles == nullptr || handles->kind == detail::handler_kind::files;
    if (passed && calls.overrule == 0 && !calls.thrown) return finish_unanswered();
    next_step then = next_step::go_on;
    if (calls.overrule != 0) {
        then = answer_status(calls.overrule, calls.overrule_reason,
                             calls.overrule == 503 ? "Retry-After: 1\r\n" : "");
    } else {
        if (!calls.thrown && !calls.peer_ended)
            worker_.report([&] { return fmt::format("the handler of {} gave no answer", x.pattern()); });
        then = answer_status(500, "The server has no answer to this.");
    }
    end_call();
    return then;
}

// Middleware that are coroutines have let the request pass, to what is no handler.
connection::next_step connection::finish_unanswered() noexcept {
    turn& t = *turn_;
    t.calls->x.drop_own_lines();
    t.added_fields = std::move(t.calls->x.fields_);
    const route* const found = t.calls->x.route_;
    try {
        t.kept_head = t.calls->kept_head;
    } catch (const std::bad_alloc&) {
        close();
        return next_step::wait;
    }
    end_call();
    t.head = t.kept_head;
    charge();
    if (found != nullptr) return handle_mount(*found, *t.serves->files[found->files_index]);
    std::array<char, limits::request_line_bytes + 1> scratch;
    route_match match;
    (void)locate(match, scratch);
    return answer_unrouted(match);
}

void connection::end_call() noexcept {
    call& ended = *turn_->calls;
    if (ended.is_as_new_but_for_its_answer()) return put_back(ended);
    end_encoding(ended);
    worker_.keep_spare(ended.x.fields_);
    worker_.keep_spare(ended.head);
    forget_call(ended);
    worker_.calls_.destroy(ended);
}

void connection::put_back(call& as_new) noexcept {
    worker_.keep_spare(as_new.x.fields_);
    forget_call(as_new);
    if (!worker_.keep_call(as_new)) worker_.calls_.destroy(as_new);
}

void connection::forget_call(const call& ended) noexcept {
    turn_->calls = nullptr;
    if (turn_->head.data() == ended.kept_head.data()) turn_->head = {};
    if (turn_->charged > 0) charge();
}

}  // namespace naru::http
