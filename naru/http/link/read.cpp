// Read: bytes in, requests out. A buffer is held only while there is something in it.
#include <naru/http/exchange/call.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace naru::http {

// The beginning of a head, and how far it has been parsed: what arrives is put behind it and parsed from
// there on. In one block of the heap.
struct connection::set_aside {
    request_parser parser;
    std::uint32_t size;
    std::uint32_t room;
    char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
    std::size_t cost() const noexcept { return sizeof *this + room; }
};

static_assert(std::is_trivially_copyable_v<request_parser>, "realloc moves it");

void connection::set_deadline(std::chrono::milliseconds after) noexcept {
    worker_.loop_.arm(*this, saturating_add(worker_.loop_.now(), after));
}

// One that is under way already (see connection::watch) is this one.
void connection::receive() noexcept {
    if (!operation::idle()) return;
    kind = operation_kind::recv;
    worker_.loop_.submit(*this);
}

void connection::received(operation& op) noexcept { static_cast<connection&>(op).on_received(); }

void connection::on_received() noexcept {
    if (phase_ == phase::closing) {
        if (result > 0) worker_.loop_.buffers().release(data);
        finish_if_quiet();
        return;
    }
    if (phase_ > phase::body && phase_ != phase::lingering) return received_while_serving();
    if (result > 0) {
        const auto size = static_cast<std::size_t>(result);
        if (phase_ == phase::lingering) {
            worker_.loop_.buffers().release(data);
            lingered_ += size;
            if (lingered_ > limits::linger_bytes) return close();
            return receive();
        }
        timed_out_ = false;  // it came in time after all
        asked_ = true;
        if (is_aside_ && extend_head(data, size)) return;
        if (!take_input(data, size)) return close();
        process();
        return;
    }
    if (timed_out_ && (phase_ == phase::head || phase_ == phase::body)) {
        if (is_aside_ && !take_back()) return close();
        turn_->reading_body = false;
        keep_alive_ = false;
        dirty_close_ = true;
        if (answer_status(408, "The request took too long.") == next_step::flush) flush();
        return;
    }
    close();  // the peer's end, an error, or a deadline between requests
}

// Received bytes become the turn's input, in their own buffer. False, and they are gone, without the
// memory for a turn.
bool connection::take_input(std::byte* bytes, std::size_t size) noexcept {
    if (is_aside_) return take_whole_head(bytes, size);
    if (!has_turn_ && !make_turn()) {
        worker_.loop_.buffers().release(bytes);
        return false;
    }
    turn& x = *turn_;
    release_input();  // of a body: its beginning, if any, has been used up
    x.input = worker_.loop_.buffers().begin_of(bytes);
    x.begin = static_cast<std::uint32_t>(bytes - x.input);
    x.end = x.begin + static_cast<std::uint32_t>(size);
    worker_.holds_one_more();
    return true;
}

bool connection::make_turn() noexcept {
    try {
        turn_ = &worker_.turns_.make(*this);
    } catch (const std::bad_alloc&) {
        return false;
    }
    has_turn_ = true;
    turn_->serves = worker_.site_;
    ++worker_.site_->uses;
    return true;
}

// A site that has been replaced serves until a request's end.
void connection::use_newest_site() noexcept {
    worker_.leave_site(*turn_->serves);
    turn_->serves = worker_.site_;
    ++worker_.site_->uses;
}

// A segment of a head: put behind what is there already, and parsed from there on. True while that is still
// not all of it; then the buffer has gone back. So a head costs as much time as it has bytes, in however many
// segments it comes.
bool connection::extend_head(std::byte* bytes, std::size_t size) noexcept {
    const std::size_t whole = aside_->size + size;
    if (whole >= limits::head_bytes) return false;
    if (whole > aside_->room) {
        const std::size_t room = std::min(std::bit_ceil(whole), limits::head_bytes);
        worker_.aside_bytes_ -= aside_->cost();
        void* const grown = std::realloc(static_cast<void*>(aside_), sizeof(set_aside) + room);
        if (grown == nullptr) {
            worker_.aside_bytes_ += aside_->cost();
            return false;  // it goes on in the buffer
        }
        aside_ = static_cast<set_aside*>(grown);
        aside_->room = static_cast<std::uint32_t>(room);
        worker_.add_aside(aside_->cost());
    }
    std::memcpy(aside_->bytes() + aside_->size, bytes, size);
    if (aside_->parser.parse({aside_->bytes(), whole}) != parse_status::need_more) return false;
    aside_->size = static_cast<std::uint32_t>(whole);
    worker_.loop_.buffers().release(bytes);
    // If the deadline has passed, what had been received by then came before the cancel.
    if (!armed()) set_deadline({});
    receive();
    return true;
}

// The rest of a head, or more than one: all of it into the buffer that came last. What does not fit, waits.
bool connection::take_whole_head(std::byte* bytes, std::size_t size) noexcept {
    const std::size_t before = aside_->size;
    const std::size_t taken = std::min(size, naru::limits::buffer_bytes - before);
    std::string surplus;
    turn* made = nullptr;
    try {
        surplus.assign(reinterpret_cast<const char*>(bytes) + taken, size - taken);
        made = &worker_.turns_.make(*this);
    } catch (const std::bad_alloc&) {
        worker_.loop_.buffers().release(bytes);
        return false;
    }
    std::byte* const first = worker_.loop_.buffers().begin_of(bytes);
    std::memmove(first + before, bytes, taken);
    std::memcpy(first, aside_->bytes(), before);
    drop_aside();
    turn_ = made;
    has_turn_ = true;
    made->serves = worker_.site_;
    ++worker_.site_->uses;
    made->surplus = std::move(surplus);
    made->input = first;
    made->end = static_cast<std::uint32_t>(before + taken);
    worker_.holds_one_more();
    charge();
    return true;
}

/// Makes room in the input for what did not fit before, in a buffer of its own if it has none. Moves what is
/// there: no head may be in use. False if there is nothing to move, no room, or no buffer.
bool connection::refill() noexcept {
    turn& x = *turn_;
    if (x.surplus.empty()) return false;
    if (x.input == nullptr) {
        x.input = worker_.loop_.buffers().acquire();
        if (x.input == nullptr) {
            x.lacks_buffer = true;
            return false;
        }
        worker_.holds_one_more();
    }
    const std::string_view left = unread();
    const std::size_t taken = std::min(x.surplus.size(), naru::limits::buffer_bytes - left.size());
    if (taken == 0) return false;
    std::memmove(x.input, left.data(), left.size());
    std::memcpy(x.input + left.size(), x.surplus.data(), taken);
    x.surplus.erase(0, taken);
    if (x.surplus.empty()) x.surplus.shrink_to_fit();
    x.begin = 0;
    x.end = static_cast<std::uint32_t>(left.size() + taken);
    charge();
    return true;
}

void connection::release_input() noexcept {
    turn& x = *turn_;
    if (x.input == nullptr) return;
    worker_.loop_.buffers().release(x.input);
    --worker_.held_;
    x.input = nullptr;
    x.begin = x.end = 0;
}

// Waiting behind something that takes long: the buffer goes back if what is in it is little.
void connection::park_input(std::size_t most) noexcept {
    turn& x = *turn_;
    if (x.input == nullptr) return;
    const std::string_view rest = unread();
    if (rest.size() + x.surplus.size() > most) return;
    if ((x.reading_body || phase_ == phase::handling) && !keep_head()) return;
    try {
        x.surplus.insert(0, rest);
    } catch (const std::bad_alloc&) {
        return;  // it stays where it is
    }
    release_input();
    charge();
}

/// The head of the request that is not answered yet moves out of the way of what arrives. False without the
/// memory for it.
bool connection::keep_head() noexcept {
    turn& x = *turn_;
    if (!x.kept_head.empty() || x.calls != nullptr) return true;
    try {
        x.kept_head = x.head;
    } catch (const std::bad_alloc&) {
        return false;
    }
    x.head = x.kept_head;
    charge();
    return true;
}

/// It has been answered.
void connection::forget_head() noexcept {
    turn& x = *turn_;
    if (x.kept_head.empty()) return;
    x.head = {};
    std::string().swap(x.kept_head);
    charge();
}

// Heap memory that the turn holds for its client, as the worker counts it.
void connection::charge() noexcept {
    turn& x = *turn_;
    const std::size_t head = x.calls != nullptr ? x.calls->kept_head.size() : x.kept_head.size();
    const std::size_t holds = head + x.surplus.size() + x.text.size();
    worker_.aside_bytes_ -= x.charged;
    x.charged = static_cast<std::uint32_t>(holds);
    worker_.add_aside(holds);
}

// Answers one request after another, into one output, until the input is used up, the output is full, or an
// answer has to wait.
void connection::process() noexcept { answer_requests(false); }

// `is_read`: the first one is.
void connection::answer_requests(bool is_read) noexcept {
    for (unsigned answered = 0; answered < limits::pipelined_per_turn; ++answered) {
        if (std::exchange(is_read, false)) {
            phase_ = phase::handling;
        } else if (phase_ == phase::body) {
            if (!read_body()) return;
        } else if (!begin_request()) {
            return;
        }
        if (phase_ == phase::body) continue;
        const next_step then = handle();
        if (then == next_step::wait) return;
        forget_head();
        if (then == next_step::flush || !keep_alive_ || turn_->lacks_buffer) return flush();
    }
    flush();
}

// The pool is exhausted: with nothing to send first, the request waits until those who are slow have made
// room (see worker::relieve_buffers), or for as long as they may take for it; who came first goes first. It
// holds no buffer meanwhile: many who wait would hold all that they wait for.
void connection::await_output(turn::step resumes) noexcept {
    turn& x = *turn_;
    x.lacks_buffer = false;  // nothing of an answer is lost
    if (x.filled > 0 || x.piece_count > 0) return flush();
    x.resumes_at = resumes;
    if (resumes == turn::step::begin) {
        x.head = {};
        phase_ = phase::idle;
    }
    park_input(2 * naru::limits::buffer_bytes);
    release_output();
    phase_ = phase::starved;
    set_deadline(worker_.options_.timeouts.buffer);
    worker_.starved_.push_back(x.waiting);
    worker_.look_soon();
}

// False: it goes on waiting. Input is needed where there is something to be parsed; while a request is to be
// answered its head may stand in it.
bool connection::offer_output() noexcept {
    turn& x = *turn_;
    const bool parses = x.resumes_at == turn::step::begin || x.resumes_at == turn::step::body;
    const bool has_output = output_room(head_room());
    const bool has_both = has_output && (!parses || !unread().empty() || x.surplus.empty() || refill());
    x.lacks_buffer = false;
    if (!has_both) {
        release_output();
        return false;
    }
    x.waiting.unlink();
    worker_.loop_.disarm(*this);
    switch (x.resumes_at) {
        case turn::step::begin:
            phase_ = phase::idle;
            process();
            break;
        case turn::step::body:
            phase_ = phase::body;
            process();
            break;
        case turn::step::answer:
            answer_requests(true);
            break;
        case turn::step::disk:
            phase_ = phase::handling;
            go_on(handle_file());
            break;
    }
    return true;
}

// True when a whole head is there and its body, if it has one, is to be read next (phase body) or not at all.
bool connection::begin_request() noexcept {
    turn& x = *turn_;
    if (unread().empty() && !refill() && !x.surplus.empty()) {
        await_output(turn::step::begin);
        return false;
    }
    const std::string_view bytes = unread();
    if (bytes.empty()) {
        if (x.filled > 0) {
            flush();
        } else {
            release_turn();
            phase_ = phase::idle;
            set_deadline(worker_.options_.timeouts.keep_alive);
            receive();
        }
        return false;
    }
    // What is in the output is sent first if there is not enough room for an answer.
    if (x.serves != worker_.site_) use_newest_site();
    if (!output_room(head_room())) {
        await_output(turn::step::begin);
        return false;
    }
    x.parser.reset();
    const parse_status status = x.parser.parse(bytes);
    if (status == parse_status::need_more) {
        if (refill()) return begin_request();
        if (x.filled > 0) {
            flush();  // the answers first; the rest is looked at again when they are sent
        } else {
            put_aside();
        }
        return false;
    }
    if (status == parse_status::refused) {
        keep_alive_ = false;
        dirty_close_ = true;
        x.head = {};
        (void)refuse(x.parser.refusal());
        flush();
        return false;
    }
    const request_head& request = x.parser.head();
    x.head = bytes.substr(0, request.size);
    x.begin += request.size;
    keep_alive_ = request.keep_alive && !worker_.draining_;
    if (!request.has_body()) {
        phase_ = phase::handling;
        return true;
    }
    bool coroutine = false;
    x.body_limit = body_limit_of_route(coroutine);
    if (request.content_length > x.body_limit) {
        keep_alive_ = false;
        dirty_close_ = true;
        (void)refuse({413, "the body is too large"});
        flush();
        return false;
    }
    if (coroutine) {  // it asks for the body when it wants it
        phase_ = phase::handling;
        return true;
    }
    const bool served =
        request.method == method::get || request.method == method::head || request.method == method::options;
    if (request.expects_continue && !served) {
        // The final answer instead of 100: the client may or may not send its body now, so the connection
        // ends.
        keep_alive_ = false;
        dirty_close_ = true;
        phase_ = phase::handling;
        return true;
    }
    x.body.begin(request);
    x.reading_body = true;
    phase_ = phase::body;
    if (request.expects_continue && unread().empty()) append("HTTP/1.1 100 Continue\r\n\r\n");
    return true;
}

// True when the body has been read and dropped to its end.
bool connection::read_body() noexcept {
    turn& x = *turn_;
    std::string_view input = unread();
    parse_status status = parse_status::need_more;
    do {
        std::string_view piece;
        status = x.body.read(input, piece);
    } while (status == parse_status::need_more && !input.empty());
    x.begin = x.end - static_cast<std::uint32_t>(input.size());
    if (status == parse_status::refused || x.body.bytes_read() > x.body_limit) {
        x.reading_body = false;
        keep_alive_ = false;
        dirty_close_ = true;
        (void)refuse(status == parse_status::refused ? x.body.refusal()
                                                     : refusal{413, "the body is too large"});
        flush();
        return false;
    }
    if (status == parse_status::complete) {
        x.reading_body = false;
        phase_ = phase::handling;
        if (output_room(head_room())) return true;
        await_output(turn::step::answer);
        return false;
    }
    if (!x.surplus.empty()) {
        if (!keep_head()) {
            close();
        } else if (refill()) {
            return read_body();
        } else {
            await_output(turn::step::body);
        }
        return false;
    }
    if (x.filled > 0) {  // earlier answers, or 100 Continue, go out before more is waited for
        flush();
        return false;
    }
    wait_for_more();
    return false;
}

// More of a body is to come: its head moves out of the way of what arrives, and no buffer is held for it.
void connection::wait_for_more() noexcept {
    if (!keep_head()) return close();
    release_input();
    release_output();
    set_deadline(worker_.options_.timeouts.body);
    receive();
}

// Part of a head: it is copied into as little memory as it needs, and the buffer goes back. A client that
// sends its head a byte at a time costs us what it has sent.
void connection::put_aside() noexcept {
    turn& x = *turn_;
    const std::string_view rest = unread();
    void* const memory = std::malloc(sizeof(set_aside) + rest.size());
    if (memory == nullptr) return close();
    const auto size = static_cast<std::uint32_t>(rest.size());
    auto* const aside = new (memory) set_aside{.parser = x.parser, .size = size, .room = size};
    std::memcpy(aside->bytes(), rest.data(), rest.size());
    release_turn();
    aside_ = aside;
    is_aside_ = true;
    worker_.add_aside(aside->cost());
    if (phase_ != phase::head) {
        phase_ = phase::head;
        set_deadline(worker_.options_.timeouts.head);
    } else if (!armed()) {
        set_deadline({});
    }
    receive();
}

void connection::drop_aside() noexcept {
    if (!is_aside_) return;
    worker_.aside_bytes_ -= aside_->cost();
    std::free(static_cast<void*>(std::exchange(aside_, nullptr)));
    is_aside_ = false;
}

std::size_t connection::bytes_aside() const noexcept {
    return is_aside_ ? aside_->cost() : has_turn_ ? turn_->charged : 0;
}

// A request that timed out gets an answer, so it needs a turn again; its bytes do not matter any more.
bool connection::take_back() noexcept {
    drop_aside();
    return make_turn();
}

void connection::deadline_passed(timer& expired) noexcept { static_cast<connection&>(expired).on_deadline(); }

void connection::on_deadline() noexcept {
    switch (phase_) {
        case phase::idle:
        case phase::head:
        case phase::body:
            timed_out_ = true;
            worker_.loop_.cancel(*this);
            return;
        case phase::lingering:
            return close();
        case phase::handling:
            return leave_disk();
        case phase::starved:
            return refuse_for_want_of_a_buffer();
        case phase::serving:
        case phase::sending:  // of an answer: see look
            if (turn_->calls == nullptr || turn_->calls->reader == nullptr) return;
            timed_out_ = true;
            worker_.loop_.cancel(*this);
            return;
        case phase::handing_over:
        case phase::closing:
            return;
    }
}

}  // namespace naru::http
